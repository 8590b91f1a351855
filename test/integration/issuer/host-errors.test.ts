import type { Client, SubjectRecord } from '@rescind/issuer';
import { InvalidClientError } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { createIssuerSetting, login, refresh } from './issuer-setting.ts';

const good: SubjectRecord = { claims: { scope: 'a' }, credentialVersion: 1, active: true };

/** Runs `work` and returns what it throws or rejects with. */
async function failureOf(work: () => unknown): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

describe('a mistake of the host in `subject` throws a TypeError, not invalid_grant', () => {
  const wrong: [string, unknown][] = [
    ['a promise of text', () => Promise.resolve('ada')],
    ['null', null],
    ['text', 'ada'],
    ['no claims', { ...good, claims: undefined }],
    ['claims that are a list', { ...good, claims: [] }],
    ['a version that is text', { ...good, credentialVersion: '1' }],
    ['a version that is NaN', { ...good, credentialVersion: Number.NaN }],
    ['active that is text', { ...good, active: 'false' }],
    ['no active', { ...good, active: undefined }],
    ['a reason that is a number', { ...good, active: false, reason: 5 }],
  ];

  test.each(wrong)('%s', async (_name, record) => {
    let now: unknown = good;
    const issuer = await createIssuerSetting().open({
      subject: () => (typeof now === 'function' ? now() : now) as SubjectRecord,
    });
    const before = await login(issuer);
    now = record;
    for (const work of [() => login(issuer), () => refresh(issuer, before)]) {
      const error = await failureOf(work);
      expect(error).toBeInstanceOf(TypeError);
      expect(String(error)).toContain('subject must return');
    }
    now = good;
    await refresh(issuer, before);
  });

  test.each([
    ['throws', false],
    ['rejects with', true],
  ])('an error that `subject` %s is passed on unchanged', async (_name, isPromise) => {
    const failure = new Error('the directory is away');
    const issuer = await createIssuerSetting().open({
      subject: () => {
        if (isPromise) return Promise.reject(failure);
        throw failure;
      },
    });
    expect(await failureOf(() => login(issuer))).toBe(failure);
  });
});

test('distinguishes an invalid client from a mistake of the host', async () => {
  const issuer = await createIssuerSetting().open();
  const client: Client = { clientId: 'shop', name: 'Shop', authMethod: 'none' };
  for (const invalid of [
    { clientId: 'a:b' },
    { name: '' },
    { secretHashes: ['x'] },
    { authMethod: 'private_key_jwt', jwks: { keys: [] } },
    { audience: [] },
    { policy: { accessTokenTtlMs: 1_500 } },
    { policy: { refreshIdleTtlMs: 0 } },
  ]) {
    const put = () => issuer.transaction((tx) => tx.clients.put({ ...client, ...invalid } as Client));
    expect(await failureOf(put), JSON.stringify(invalid)).toBeInstanceOf(InvalidClientError);
  }
  for (const mistake of [{ clientID: 'shop' }, { name: 5 }, { policy: { storages: 'body' } }, { disabled: 'no' }]) {
    const error = await failureOf(() => issuer.transaction((tx) => tx.clients.put({ ...client, ...mistake } as never)));
    expect(error, JSON.stringify(mistake)).toBeInstanceOf(TypeError);
    expect(error).not.toBeInstanceOf(InvalidClientError);
  }
  expect(await issuer.clients.find('shop')).toBeUndefined();
});

test('does not report an unrelated error as an invalid token', async () => {
  const issuer = await createIssuerSetting().open();
  const { access_token: token } = await login(issuer);
  expect((await issuer.introspect(token, { clientId: 'web' })).active).toBe(true);
  await issuer.close();
  // The database is closed: the error of SQLite is thrown, instead of a response `active: false`.
  const error = await failureOf(() => issuer.introspect(token, { clientId: 'web' }));
  expect(error).not.toBeInstanceOf(RescindError);
});
