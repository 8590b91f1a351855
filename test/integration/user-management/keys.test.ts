import { userManagement } from '@rescind/user-management';
import type { JSONWebKeySet } from 'jose';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { openUserManagement } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

const SETS = ['jwks.json', 'event-jwks.json'];
const BASE = { ISSUER: 'http://127.0.0.1:1' };

test('limits caching of the key set to less than the time between publication and signing (security 18)', async () => {
  const usual = await openUserManagement();
  const hasty = await openUserManagement({ KEY_PUBLISH_BEFORE: '8s' });
  const cacheOf = async ({ send }: typeof usual, path: string) =>
    (await send(`/.well-known/${path}`)).headers.get('cache-control');
  for (const path of SETS) {
    expect(await cacheOf(usual, path)).toBe('public, max-age=60');
    expect(await cacheOf(hasty, path)).toBe('public, max-age=2, must-revalidate');
    expect(await cacheOf(hasty, 'openid-configuration')).toBe('public, max-age=60');
  }
});

test('refuses a rotation interval that is too short to publish a key before it signs', () => {
  for (const variable of ['KEY_ROTATION_INTERVAL', 'EVENT_KEY_ROTATION_INTERVAL']) {
    const configure = (interval: string) => userManagement.configure({ ...BASE, [variable]: interval });
    expect(() => configure('10m')).toThrow(new RegExp(`${variable}.*longer than KEY_PUBLISH_BEFORE`));
    expect(() => configure('often')).toThrow(variable);
    for (const good of ['11m', 'never']) expect(() => configure(good)).not.toThrow();
  }
});

test('uses ACCESS_TOKEN_ALGORITHM for the first key and the tokens', async () => {
  const { register, login, send, accepts } = await openUserManagement({ ACCESS_TOKEN_ALGORITHM: 'ES256' });
  await register();
  const { access } = await login();
  expect(decodeProtectedHeader(access)).toMatchObject({ alg: 'ES256', typ: 'at+jwt' });
  const [tokens, events] = await Promise.all(SETS.map((path) => send(`/.well-known/${path}`)));
  expect(tokens?.body.keys).toMatchObject([{ kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' }]);
  expect(events?.body.keys).toMatchObject([{ kty: 'RSA', alg: 'RS256', use: 'sig' }]);
  expect(JSON.stringify([tokens?.body, events?.body])).not.toMatch(/"(d|p|q|k)"/);
  expect(await accepts(access)).toBe(400);
});

test('rotates by one call of an administrator, and keeps all sessions', async () => {
  const { ada, login, refresh, accepts, accountAudience, tokensOf, send } = await openAdministered({
    KEY_PUBLISH_BEFORE: '2s',
  });
  const before = await login();
  const answer = await ada.post('/admin/keys/rotate', { purpose: 'token', why: 'yearly' });
  expect(answer.body).toMatchObject({ purpose: 'token', state: 'next', alg: 'RS256' });
  const { kid } = answer.body;
  const early = createLocalJWKSet((await send('/.well-known/jwks.json')).body as unknown as JSONWebKeySet);
  await waitFor('the next key signs', async () => {
    const { items } = (await ada.get('/admin/keys')).body as { items: { kid: string; state: string }[] };
    return items.some((key) => key.kid === kid && key.state === 'active');
  });
  const after = tokensOf(await refresh(before.refresh));
  expect(decodeProtectedHeader(after.access).kid).toBe(kid);
  expect(decodeProtectedHeader(before.access).kid).not.toBe(kid);
  // A verifier that fetched the keys before the rotation has both of them.
  for (const { access } of [before, after])
    await jwtVerify(access, early, { typ: 'at+jwt', audience: accountAudience });
  expect([await accepts(before.access), await accepts(after.access)]).toEqual([400, 400]);
  const unknown = await ada.post('/admin/keys/nobody/revoke', { why: 'a slip', confirm: 'everybody' });
  expect([unknown.status, unknown.body.code]).toEqual([404, 'key_unknown']);
  const revoked = await ada.post(`/admin/keys/${kid}/revoke`, { why: 'a test', confirm: 'everybody' });
  expect([revoked.status, revoked.body.endedSessions, revoked.body.revokedKids]).toEqual([201, 0, [kid]]);
});
