import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { createAdministrator, openAdministered } from '../../support/administration.ts';
import { USER } from '../../support/user-management.ts';

async function started() {
  const service = await openAdministered();
  const sub = await service.subOf();
  const { ada } = service;
  const act = (what: string, more: object = {}) => ada.post(`/admin/users/${sub}/${what}`, { why: 'a test', ...more });
  return { ...service, sub, act };
}

describe('users', () => {
  test.each([
    ['suspend', { reason: 'payment_overdue' }, 'payment_overdue'],
    ['ban', {}, 'banned'],
  ])(
    'security 24: %s ends every session, returns the reason after the right password, and can be undone',
    async (what, more, reason) => {
      const { act, login, accepts, refresh, post } = await started();
      const tokens = await login();
      expect((await act(what, more)).status).toBe(200);
      expect(await accepts(tokens.access)).toBe(401);
      expect((await refresh(tokens.refresh)).status).toBe(400);
      const refused = await post('/login', USER);
      expect([refused.status, refused.body.code]).toEqual([403, 'subject_inactive']);
      expect(refused.text).toContain(reason);
      const stranger = await post('/login', { ...USER, password: 'not the password' });
      expect([stranger.status, stranger.text.includes(reason)]).toEqual([401, false]);
      expect((await act('reinstate')).status).toBe(200);
      expect(await accepts(tokens.access)).toBe(401);
      expect(await accepts((await login()).access)).toBe(400);
    },
  );

  test('security 24: are deleted with all personal data, and their name is free', async () => {
    const { act, ada, sub, login, accepts, register, subOf } = await started();
    const { access } = await login();
    expect((await act('delete')).status).toBe(200);
    expect(await accepts(access)).toBe(401);
    const tomb = await ada.get(`/admin/users/${sub}`);
    expect([tomb.status, tomb.body.state]).toEqual([200, 'deleted']);
    expect(tomb.text).not.toContain(USER.username);
    expect((await act('suspend')).status).toBe(404);
    expect((await register()).status).toBe(201);
    expect(await subOf()).not.toBe(sub);
  });

  test('lose older tokens at a change of roles, scopes or claims, and keep their session', async () => {
    const { ada, sub, login, accepts, refresh } = await started();
    const { access, refresh: token } = await login();
    const at = `/admin/users/${sub}`;
    expect((await ada.put(`${at}/roles`, { roles: ['editor'], why: 'promoted' })).status).toBe(200);
    await ada.patch(`${at}/claims`, { claims: { tenant: 'acme' }, why: 'moved' });
    await ada.put(`${at}/scopes`, { scopes: ['prices:premium'], why: 'paid' });
    expect(await accepts(access)).toBe(401);
    const { body } = await refresh(token, { resource: 'prices' });
    expect(decodeJwt(String(body.access_token))).toMatchObject({
      roles: ['editor'],
      tenant: 'acme',
      scope: 'prices:premium',
    });
    expect((await ada.put(`${at}/roles`, { roles: 'editor', why: 'no list' })).status).toBe(400);
    expect((await ada.patch(`${at}/claims`, { claims: { iss: 'https://evil.example' }, why: 'ours' })).status).toBe(
      400,
    );
  });

  test('get one reset token, which ends every session once', async () => {
    const { act, login, accepts, post } = await started();
    const { access } = await login();
    const { status, body } = await act('reset-password');
    expect(status).toBe(200);
    expect(String(body.resetToken).length).toBeGreaterThan(20);
    expect(await accepts(access)).toBe(401);
    expect((await post('/login', USER)).status).not.toBe(200);
  });

  test('are safe from administrators who lack their scopes', async () => {
    const { as, ada, sub } = await started();
    const at = `/admin/users/${sub}`;
    const helpdesk = as('helpdesk');
    const granting = await helpdesk.put(`${at}/scopes`, { scopes: ['admin:keys:write'], why: 'help yourself' });
    expect([granting.status, granting.body.code]).toEqual([403, 'scope_insufficient']);
    expect((await helpdesk.put(`${at}/scopes`, { scopes: ['prices:premium'], why: 'paid' })).status).toBe(200);
    await ada.put(`${at}/scopes`, { scopes: ['admin:keys'], why: 'trusted' });
    for (const what of ['reset-password', 'remove-second-factor']) {
      expect((await helpdesk.post(`${at}/${what}`, { why: 'take over' })).status, what).toBe(403);
    }
    expect((await helpdesk.put(`${at}/scopes`, { scopes: null, why: 'take away' })).status).toBe(403);
    expect((await helpdesk.post(`${at}/suspend`, { why: 'looks hacked' })).status).toBe(403);
    expect((await ada.post(`${at}/suspend`, { why: 'looks hacked' })).status).toBe(200);
  });

  test('security 25: are listed by page and filter, and lose every session by one call', async () => {
    const { ada, act, register, login, accepts, sub } = await started();
    for (const name of ['bob', 'eve']) await register({ username: name, password: 'correct horse battery' });
    const first = (await ada.get('/admin/users?limit=2')).body as { items: { sub: string }[]; next: string };
    const rest = (await ada.get(`/admin/users?limit=2&after=${first.next}`)).body as { items: { sub: string }[] };
    expect(new Set([...first.items, ...rest.items].map((user) => user.sub)).size).toBe(3);
    expect((await ada.get('/admin/users?state=banned')).body.items).toEqual([]);
    expect((await ada.get('/admin/users/nobody')).body.code).toBe('subject_unknown');
    expect((await ada.get('/admin/users?colour=red')).status).toBe(400);
    const tokens = [await login(), await login()];
    expect((await act('log-out')).status).toBe(200);
    for (const { access } of tokens) expect(await accepts(access)).toBe(401);
    const sessions = await ada.get(`/admin/sessions?sub=${sub}`);
    expect(sessions.body.items).toEqual([]);
    const ended = (await ada.get(`/admin/sessions?sub=${sub}&ended=true`)).body.items as { endReason: string }[];
    expect(ended.map(({ endReason }) => endReason)).toEqual(Array(2).fill('logged_out_by_administrator'));
  });
});

describe('sessions', () => {
  test('security 25: are listed, renamed, made to log in again, and ended', async () => {
    const { ada, login, accepts, refresh, sub } = await started();
    const tokens = await login({ deviceName: 'telephone' });
    const other = await login();
    const sid = String(tokens.answer.sid);
    const { status, body } = await ada.get(`/admin/sessions/${sid}`);
    expect([status, body.sub, body.deviceName]).toEqual([200, sub, 'telephone']);
    const renamed = await ada.patch(`/admin/sessions/${sid}`, { deviceName: 'stolen', why: 'to tell them apart' });
    expect([renamed.status, renamed.body.deviceName]).toEqual([200, 'stolen']);
    const demanded = await ada.post(`/admin/sessions/${sid}/require-login`, { reason: 'odd_place', why: 'from Mars' });
    expect([demanded.status, demanded.body.sessions]).toEqual([200, 1]);
    expect((await refresh(tokens.refresh)).status).not.toBe(200);
    expect(await accepts(tokens.access)).toBe(400);
    const ended = await ada.post(`/admin/sessions/${sid}/end`, { why: 'stolen' });
    expect(ended.status).toBe(200);
    expect(ended.body.revocation).toMatchObject({ txn: expect.any(String) });
    expect(await accepts(tokens.access)).toBe(401);
    expect(await accepts(other.access)).toBe(400);
    expect((await ada.post(`/admin/sessions/${sid}/end`, { why: 'again' })).body.revocation).toBeNull();
    expect((await ada.post('/admin/sessions/none/end', { why: 'x' })).status).toBe(404);
  });
});

describe('clients', () => {
  const member = { name: 'Reports', authMethod: 'client_secret_basic', mayIntrospect: true, why: 'a test' };
  const at = '/admin/clients/reports';

  test('are registered, given secrets that are returned once, disabled and deleted', async () => {
    const { ada, adminUrl } = await started();
    expect((await ada.get(at)).status).toBe(404);
    const put = await ada.put(at, { ...member, policy: { refreshTokenTtlMs: 'never', renewByToken: true } });
    expect([put.status, put.body.secrets, put.body.policy]).toEqual([
      200,
      0,
      { refreshTokenTtlMs: 'never', renewByToken: true },
    ]);
    const secrets = [];
    for (const why of ['first', 'second']) secrets.push((await ada.post(`${at}/secrets`, { why })).body.secret);
    expect(new Set(secrets).size).toBe(2);
    const shown = await ada.get(at);
    expect(shown.body.secrets).toBe(2);
    expect(shown.text).not.toMatch(/secretHashes/);
    expect((await ada.put(at, { ...member, name: 'Renamed' })).body).toMatchObject({ name: 'Renamed', secrets: 2 });
    expect((await ada.post(`${at}/secrets/drop-older`, { why: 'in use' })).body.secrets).toBe(1);
    expect((await ada.post(`${at}/disable`, { why: 'off', confirm: 'everybody' })).body).toMatchObject({
      client: { disabled: true },
    });
    expect((await ada.put(at, member)).body.disabled).toBe(true);
    expect((await ada.post(`${at}/enable`, { why: 'on' })).body.disabled).toBe(false);
    expect((await ada.post(`${at}/remove`, { confirm: 'everybody', why: 'gone' })).status).toBe(200);
    expect((await ada.get(at)).status).toBe(404);
    expect((await createAdministrator(adminUrl, {}).get('/admin/clients')).status).toBe(401);
  });

  test('lose their sessions when disabled, and begin none', async () => {
    const { ada, login, accepts, refresh, post } = await started();
    const tokens = await login();
    const { body } = await ada.post('/admin/clients/web/disable', { why: 'leaked', confirm: 'everybody' });
    expect(body.revocation).toMatchObject({ endedSessions: 1 });
    expect(await accepts(tokens.access)).toBe(401);
    expect((await refresh(tokens.refresh)).status).not.toBe(200);
    expect((await post('/login', USER)).status).toBe(401);
    await ada.post('/admin/clients/web/enable', { why: 'mended' });
    const secret = await ada.post('/admin/clients/web/secrets', { why: 'it is public' });
    expect([secret.status, secret.body.code]).toEqual([409, 'client_state']);
    expect(await accepts((await login()).access)).toBe(400);
  });

  test('are refused with the reason when they are invalid', async () => {
    const { ada } = await started();
    const privateKey = { kty: 'EC', crv: 'P-256', kid: 'k', alg: 'ES256', x: 'x', y: 'y', d: 'secret' };
    for (const wrong of [
      { ...member, authMethod: 'private_key_jwt' },
      { ...member, authMethod: 'private_key_jwt', jwks: { keys: [privateKey] } },
      { ...member, policy: { accessTokenTtlMs: 1_500 } },
      { ...member, secretHashes: ['x'] },
      { ...member, scope: 'two  spaces' },
    ]) {
      const { status, body } = await ada.put(at, wrong);
      expect([status, body.code], JSON.stringify(wrong)).toEqual([400, 'request_invalid']);
      expect((body.issues as object[]).length).toBeGreaterThan(0);
    }
    expect((await ada.put('/admin/clients/a%3Ab', member)).status).toBe(400);
  });
});

describe('keys', () => {
  test('are rotated without an effect on users, and revoked with the tokens they signed', async () => {
    const { ada, login, accepts, refresh } = await started();
    const tokens = await login();
    type Keys = { items: { kid: string; purpose: string; state: string }[] };
    const keys = async () => ((await ada.get('/admin/keys')).body as Keys).items;
    const [active] = (await keys()).filter(({ purpose, state }) => purpose === 'token' && state === 'active');
    const next = await ada.post('/admin/keys/rotate', { purpose: 'token', alg: 'ES256', why: 'yearly' });
    expect([next.status, next.body.state, next.body.alg]).toEqual([200, 'next', 'ES256']);
    expect(await accepts(tokens.access)).toBe(400);
    const revoked = await ada.post(`/admin/keys/${active?.kid}/revoke`, { why: 'stolen', confirm: 'everybody' });
    expect(revoked.status).toBe(201);
    expect(revoked.body.revokedKids).toContain(active?.kid);
    expect(await accepts(tokens.access)).toBe(401);
    const { body } = await refresh(tokens.refresh);
    expect(await accepts(String(body.access_token))).toBe(400);
    expect((await ada.post('/admin/keys/none/revoke', { why: 'x', confirm: 'everybody' })).body.code).toBe(
      'key_unknown',
    );
    expect((await ada.post('/admin/keys/rotate', { purpose: 'event', alg: 'ES256', why: 'x' })).status).toBe(400);
    expect((await keys()).filter(({ state }) => state === 'active').length).toBe(2);
  });
});

test('creates a user without a password, who sets it with the token, by the rules of scopes', async () => {
  const service = await openAdministered();
  const { ada, as, post } = service;
  const body = { username: 'grace', roles: ['editor'], claims: { tenant: 'acme' }, why: 'joined the support' };
  const { status, body: created } = await ada.post('/admin/users', body);
  expect(status).toBe(201);
  const { sub } = created.user as { sub: string };
  expect(created.user).toMatchObject({
    ...{ username: 'grace', state: 'active', resetReason: 'password_not_set', scopes: null },
    claims: { roles: ['editor'], tenant: 'acme' },
  });
  const password = 'a password of her own';
  expect((await post('/login', { username: 'grace', password })).status).toBe(401);
  const reset = { resetToken: created.resetToken, newPassword: password };
  expect((await post('/password/reset', reset)).status).toBe(204);
  expect((await post('/password/reset', reset)).status).toBe(400);
  expect((await post('/login', { username: 'grace', password })).status).toBe(200);

  expect((await ada.post('/admin/users', body)).body.code).toBe('username_taken');
  for (const wrong of [{ username: 'a b' }, { claims: { sub: 'x' } }, { password }, { scopes: ['a b'] }]) {
    expect((await ada.post('/admin/users', { ...body, username: 'henry', ...wrong })).status).toBe(400);
  }
  const admin = { username: 'henry', scopes: ['admin:keys'], why: 'promoted' };
  expect((await as('helpdesk').post('/admin/users', admin)).body.code).toBe('scope_insufficient');
  expect((await as('reader').post('/admin/users', body)).status).toBe(403);
  expect((await as('helpdesk').post('/admin/users', { username: 'henry', why: 'new' })).status).toBe(201);
  const { body: audit } = await ada.get(`/admin/audit?target=sub:${sub}`);
  expect(audit.items).toMatchObject([{ operation: 'createUser', who: 'operator:ada', targets: [`sub:${sub}`] }]);
  expect(JSON.stringify(audit)).not.toContain('grace');
  const { body: events } = await ada.get(`/admin/events?sub=${sub}&type=account_created`);
  expect(events.items).toMatchObject([{ actor: 'operator:ada', username: 'grace' }]);
});
