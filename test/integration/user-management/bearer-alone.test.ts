import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { createAuthenticator } from '../../support/authenticator.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { openUserManagement, USER } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';
import { webhookReceiver } from '../../support/webhook-receiver.ts';

const PHONE = '+4915112345678';

async function started(environment: Record<string, string> = {}) {
  const service = await openUserManagement(environment);
  await service.register();
  const ask = (method: string, path: string, access: string, body: object) =>
    service.send(path, {
      method,
      headers: { 'Content-Type': 'application/json', ...service.asBearer(access) },
      body: JSON.stringify(body),
    });
  return { ...service, ask };
}

type Ask = Awaited<ReturnType<typeof started>>['ask'];

async function enrol(ask: Ask, access: string) {
  const proof = { password: USER.password };
  const { body } = await ask('POST', '/totp', access, proof);
  const authenticator = createAuthenticator(String(body.uri));
  const confirmed = await ask('POST', '/totp/confirm', access, { ...proof, totp: authenticator.code() });
  return { confirmed, codes: confirmed.body.recoveryCodes as string[], access: String(confirmed.body.access_token) };
}

/** The operations that change an account; `proof` has the credentials beside the token. */
const CHANGES: readonly (readonly [string, string, (proof: object) => object])[] = [
  ['POST', '/totp', (proof) => proof],
  ['POST', '/totp/confirm', (proof) => ({ totp: '123456', ...proof })],
  ['DELETE', '/totp', (proof) => proof],
  ['POST', '/totp/recovery-codes', (proof) => proof],
  ['PATCH', '/account', (proof) => ({ phone: PHONE, ...proof })],
  ['DELETE', '/account', (proof) => proof],
];

/** Its tokens live 15 s, less than RECENT_LOGIN, which is five minutes. */
const SHORT_LIVED = { short: { name: 'Short', authMethod: 'none', policy: { accessTokenTtlMs: 15_000 } } };

describe('an access token alone', () => {
  test('logs no device out while it lives, whatever its lifetime', async () => {
    const clients = join(temporaryDirectory(), 'clients.json');
    writeFileSync(clients, JSON.stringify(SHORT_LIVED), { mode: 0o600 });
    const { ask, login, accepts } = await started({ CLIENTS_FILE: clients });
    const { access } = await login({ client_id: 'short' });
    expect((await ask('DELETE', '/sessions/nobody', access, {})).status).toBe(404);
    const refused = await waitFor(
      'the login is not recent any more',
      async () => {
        const answer = await ask('DELETE', '/sessions/nobody', access, {});
        return answer.status !== 404 && answer;
      },
      10_000,
    );
    expect(refused.body.code).toBe('authentication_insufficient');
    expect(refused.headers.get('www-authenticate')).toContain('max_age="5"');
    expect((await ask('DELETE', '/sessions', access, {})).body.code).toBe('authentication_insufficient');
    expect(await accepts(access)).toBe(400);
    const again = await ask('POST', '/reauthenticate', access, { password: USER.password });
    expect((await ask('DELETE', '/sessions/nobody', String(again.body.access_token), {})).status).toBe(404);
  });

  test.each(CHANGES)('%s %s requires the password in the body', async (method, path, bodyOf) => {
    const { ask, login, accepts } = await started();
    const { access } = await login();
    const missing = await ask(method, path, access, bodyOf({}));
    expect([missing.status, missing.body.code]).toEqual([400, 'request_invalid']);
    const wrong = await ask(method, path, access, bodyOf({ password: 'not the password' }));
    expect([wrong.status, wrong.body.code]).toEqual([401, 'credentials_wrong']);
    expect(await accepts(access)).toBe(400);
  });

  test.each([
    ['DELETE', '/totp', {}],
    ['POST', '/totp/recovery-codes', {}],
    ['PATCH', '/account', { phone: PHONE }],
    ['DELETE', '/account', {}],
    ['POST', '/reauthenticate', {}],
  ])('%s %s requires the second factor of an account that has one', async (method, path, body) => {
    const { ask, login } = await started();
    const { access } = await enrol(ask, (await login()).access);
    const answer = await ask(method, path, access, { password: USER.password, ...body });
    expect([answer.status, answer.body.code]).toEqual([401, 'second_factor_required']);
    const changed = await ask('POST', '/password', access, {
      currentPassword: USER.password,
      newPassword: 'another correct horse',
    });
    expect(changed.body.code).toBe('second_factor_required');
  });

  test.each(['body', 'cookie'])('gains no refresh token of a session that keeps it in the %s', async (storage) => {
    const { ask, post, accountAudience: resource } = await started();
    let access = String((await post('/login', { ...USER, storage, resource })).body.access_token);
    const answers = [];
    for (const [method, path, body] of [
      ['POST', '/reauthenticate', {}],
      ['PATCH', '/account', { phone: PHONE }],
    ] as const) {
      const answer = await ask(method, path, access, { password: USER.password, ...body });
      access = String(answer.body.access_token);
      answers.push(answer);
    }
    const { confirmed, codes, access: raised } = await enrol(ask, access);
    answers.push(confirmed);
    const removed = await ask('DELETE', '/totp', raised, { password: USER.password, recoveryCode: codes[0] });
    answers.push(removed);
    const change = { currentPassword: USER.password, newPassword: 'another correct horse' };
    answers.push(await ask('POST', '/password', String(removed.body.access_token), change));
    for (const { status, body, headers } of answers) {
      expect([status, body.refresh_token, headers.getSetCookie().join().includes('__Host-refresh-web=ey')]).toEqual([
        200,
        undefined,
        false,
      ]);
      expect(headers.getSetCookie().filter((cookie) => !cookie.includes('Max-Age=0'))).toEqual([]);
    }
  });

  test('gets no more scope than it has, and its own audience only', async () => {
    const { ask, login, form, tokensOf, accountAudience: resource } = await started();
    const { refresh } = await login({ resource: undefined });
    const fields = { grant_type: 'refresh_token', client_id: 'web', refresh_token: refresh, resource };
    let { access } = tokensOf(await form('/oauth2/token', fields));
    const rights = (token: string) => [decodeJwt(token).scope, decodeJwt(token).aud];
    const scopes = [rights(access)];
    for (const [method, path, body] of [
      ['POST', '/reauthenticate', {}],
      ['PATCH', '/account', { phone: PHONE }],
    ] as const) {
      ({ access } = tokensOf(await ask(method, path, access, { password: USER.password, ...body })));
      scopes.push(rights(access));
    }
    const { confirmed, codes } = await enrol(ask, access);
    scopes.push(rights(String(confirmed.body.access_token)));
    const change = { currentPassword: USER.password, newPassword: 'another correct horse', recoveryCode: codes[0] };
    ({ access } = tokensOf(await ask('POST', '/password', String(confirmed.body.access_token), change)));
    scopes.push(rights(access));
    expect(scopes).toEqual(Array(5).fill(['account', resource]));
  });

  test('is described at every address as getting no refresh token', async () => {
    const { send } = await started({ PUBLISH_OPENAPI: 'true' });
    const { paths } = (await send('/openapi.json')).body as { paths: Record<string, Record<string, Described>> };
    const byToken = Object.values(paths)
      .flatMap((methods) => Object.values(methods))
      .filter(({ security: [only, ...others] = [] }) => others.length === 0 && only?.accessToken !== undefined);
    expect(byToken.length).toBeGreaterThan(10);
    for (const { operationId, responses } of byToken) {
      const text = JSON.stringify(responses);
      expect([operationId, text.includes('refresh_token'), text.includes('/Tokens')]).toEqual([
        operationId,
        false,
        false,
      ]);
    }
  });
});

interface Described {
  readonly operationId: string;
  readonly security?: readonly { readonly accessToken?: readonly string[] }[];
  readonly responses: object;
}

test('security 40: refuses a refresh token from before a new password, and ends the session of the response', async () => {
  const { ask, login, refresh, tokensOf } = await started();
  const before = await login();
  const change = { currentPassword: USER.password, newPassword: 'another correct horse' };
  const { access } = tokensOf(await ask('POST', '/password', before.access, change));
  expect((await refresh(before.refresh)).body.error).toBe('invalid_grant');
  const { sid, exp } = decodeJwt(access);
  const { body } = await ask('PATCH', `/sessions/${sid}`, access, { deviceName: 'laptop' });
  expect(Math.floor(Number(body.absoluteExpiresAt) / 1_000)).toBe(exp);
});

test('notifies the owner of each change', async () => {
  const receiver = await webhookReceiver(0);
  const { ask, login } = await started(receiver.environment);
  const proof = { password: USER.password };
  let { access } = await login();
  ({ access_token: access } = (await ask('PATCH', '/account', access, { phone: PHONE, ...proof })).body as never);
  const enrolled = await enrol(ask, access);
  const renewal = { ...proof, recoveryCode: enrolled.codes[0] };
  const renewed = (await ask('POST', '/totp/recovery-codes', enrolled.access, renewal)).body.recoveryCodes as string[];
  await ask('DELETE', '/totp', enrolled.access, { ...proof, recoveryCode: renewed[0] });
  await receiver.notice('account.changed', 4);
  const changed = receiver.notices.map(({ data }) => data.what);
  expect(changed.sort()).toEqual(['phone_number', 'recovery_codes', 'second_factor', 'second_factor']);
});

test.each([
  [{ RECENT_LOGIN: '15m' }, 'shorter than ACCESS_TOKEN_TTL'],
  [{ ACCESS_TOKEN_TTL: '1m', RECENT_LOGIN: '2m' }, 'shorter than ACCESS_TOKEN_TTL'],
])('a login that is recent for as long as a token lives is refused at the start: %j', async (environment, problem) => {
  const refused = await openUserManagement(environment).catch((error: unknown) => error);
  expect(JSON.stringify(refused)).toContain(problem);
});
