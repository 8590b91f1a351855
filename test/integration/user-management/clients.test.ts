import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openService } from '@rescind/service';
import { userManagement } from '@rescind/user-management';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { FEED_SECRET, freePort, issuerEnvironment, openUserManagement, USER } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

const SECRET = 'a-secret-of-an-application-0123456789';
const RENEWAL = 'urn:rescind:params:oauth:grant-type:renewal';
const basic = (id: string, secret: string) => ({ Authorization: `Basic ${btoa(`${id}:${secret}`)}` });

function clientsFile(content: unknown, mode = 0o600): string {
  const file = join(temporaryDirectory(), 'clients.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  chmodSync(file, mode);
  return file;
}

async function startedWith(clients: object) {
  const service = await openUserManagement({ CLIENTS_FILE: clientsFile(clients) });
  await service.register();
  return service;
}

describe('CLIENTS_FILE', () => {
  const none = { name: 'x', authMethod: 'none' };
  const wrong: [string, unknown, RegExp][] = [
    ['no JSON', '{', /is none/],
    ['a list', [], /is none/],
    ['no name', { a: { authMethod: 'none' } }, /a\.name/],
    ['an unknown way', { a: { ...none, authMethod: 'tls' } }, /a\.authMethod/],
    ['an unknown member', { a: { ...none, scopes: 'x' } }, /scopes/],
    ['a colon in an id', { 'a:b': none }, /a:b/],
    ['a short secret', { a: { name: 'x', authMethod: 'client_secret_basic', secrets: ['hunter2'] } }, /a\.secrets\.0/],
    ['no secret', { a: { name: 'x', authMethod: 'client_secret_basic' } }, /a\.secrets/],
    ['a secret that proves nothing', { a: { ...none, secrets: [SECRET] } }, /secrets/],
    ['no keys', { a: { name: 'x', authMethod: 'private_key_jwt' } }, /a\.jwks/],
    ['half a second', { a: { ...none, policy: { accessTokenTtlMs: 500 } } }, /a\.policy\.accessTokenTtlMs/],
  ];
  const startWith = async (file: string) => {
    const environment = { ...issuerEnvironment(temporaryDirectory(), await freePort()), ADMIN_PORT: '0' };
    const running = await openService(
      userManagement,
      { ...environment, CLIENTS_FILE: file },
      { write: () => undefined },
    );
    await running.close();
  };

  test.each(wrong)('is refused with %s, and the error names the problem', async (_what, content, problem) => {
    const error = await startWith(clientsFile(content)).catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: 'configuration_invalid', problems: [{ variable: 'CLIENTS_FILE' }] });
    expect(String(error)).toMatch(problem);
    expect(String(error)).not.toMatch(/hunter2|a-secret-of/);
  });

  test('refuses an undeclared audience at the start', async () => {
    await expect(startWith(clientsFile({ a: { ...none, audience: ['prices', 'nobody'] } }))).rejects.toMatchObject({
      code: 'configuration_invalid',
      problems: [{ variable: 'CLIENTS_FILE', problem: expect.stringContaining('a.audience') }],
    });
  });

  test('is refused when all users may read it', async () => {
    await expect(startWith(clientsFile({ a: none }, 0o604))).rejects.toMatchObject({ code: 'configuration_invalid' });
  });

  test('sets the policy of each client', async () => {
    const service = await startedWith({
      short: { ...none, policy: { accessTokenTtlMs: 60_000, rotation: false } },
      narrow: { ...none, scope: 'prices:read', audience: ['prices'] },
      off: { ...none, disabled: true },
      page: { ...none, policy: { storage: 'cookie' } },
    });
    const login = (client_id: string, more: object = {}) => service.post('/login', { ...USER, client_id, ...more });
    const short = await login('short');
    expect(short.body).toMatchObject({ expires_in: 60, refresh_in: 30 });
    for (const _time of [1, 2]) {
      expect((await service.refresh(String(short.body.refresh_token), { client_id: 'short' })).status).toBe(200);
    }
    const narrow = await login('narrow');
    expect(decodeJwt(String(narrow.body.access_token))).toMatchObject({ scope: 'prices:read', client_id: 'narrow' });
    expect((await login('off')).status).toBe(401);
    expect((await login('page')).status).toBe(400);
    expect((await login('page', { storage: 'cookie' })).status).toBe(200);
  });
});

test('lets a service that reads revocations introspect with the same secret', async () => {
  const service = await startedWith({});
  const { access } = await service.login();
  const answer = await service.form('/oauth2/introspect', { token: access }, basic('prices', FEED_SECRET));
  expect([answer.status, answer.body.active]).toEqual([200, true]);
});

describe('renewal by token', () => {
  const renewing = { name: 'x', authMethod: 'none', policy: { renewByToken: true, accessTokenTtlMs: 4_000 } };

  test('returns the same token before half of its life, and one other afterwards', async () => {
    const service = await startedWith({ web: renewing });
    const { access } = await service.login();
    const renew = (token: string) =>
      service.form('/oauth2/token', { grant_type: RENEWAL, subject_token: token, client_id: 'web' });
    const early = await renew(access);
    expect([early.status, early.body]).toMatchObject([200, { renewed: false, access_token: access }]);
    expect(early.body.refresh_in).toBeLessThanOrEqual(2);
    const later = await waitFor('half of the life of the token is over', async () => {
      const answer = await renew(access);
      return answer.body.renewed === true && answer;
    });
    expect(later.body.refresh_token).toBeUndefined();
    expect(decodeJwt(String(later.body.access_token)).sid).toBe(decodeJwt(access).sid);
    // The response may have been lost: a repetition within the grace returns the same token.
    const [first, again] = [later, await renew(access)].map(({ body }) => decodeJwt(String(body.access_token)));
    expect(again?.jti).toBe(first?.jti);
  });

  test('requires the permission and a valid token of the same client', async () => {
    const service = await startedWith({ own: renewing });
    const { access } = await service.login();
    const renew = async (fields: Record<string, string>) => {
      const { status, body } = await service.form('/oauth2/token', { grant_type: RENEWAL, ...fields });
      return [status, body.error];
    };
    expect(await renew({ subject_token: access, client_id: 'web' })).toEqual([400, 'unsupported_grant_type']);
    expect(await renew({ subject_token: access, client_id: 'own' })).toEqual([400, 'invalid_grant']);
    expect(await renew({ subject_token: 'nonsense', client_id: 'own' })).toEqual([400, 'invalid_grant']);
    expect(await renew({ client_id: 'own' })).toEqual([400, 'invalid_request']);
  });
});
