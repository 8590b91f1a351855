import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { USER } from '../../support/user-management.ts';
import { webhookReceiver } from '../../support/webhook-receiver.ts';

interface Described {
  readonly operationId: string;
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
}

type Document = { readonly paths: Readonly<Record<string, Readonly<Record<string, Described>>>> };

async function started() {
  const service = await openAdministered({ PUBLISH_OPENAPI: 'true', ADMIN_FAILURES: '1000' });
  const { ada, send, login, asBearer } = service;
  const sub = await service.subOf();
  const scopes = ['prices:read', 'admin:users', 'admin:revocations', 'admin:sessions', 'admin:clients'];
  await ada.put(`/admin/users/${sub}/scopes`, { scopes, why: 'a test' });
  const documents = {
    [service.url]: (await send('/openapi.json')).body as unknown as Document,
    [service.adminUrl]: (await ada.get('/admin/openapi.json')).body as unknown as Document,
  };
  /** Every operation that takes an access token and nothing but a token or an operator. */
  const routes = Object.entries(documents).flatMap(([base, { paths }]) =>
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { operationId, security = [] }]) => {
        const takesTokens = security.some(({ accessToken }) => accessToken !== undefined);
        const isLogout = operationId === 'logout';
        return takesTokens && !isLogout ? [{ base, path, method, operationId }] : [];
      }),
    ),
  );
  const ask = async ({ base, path, method }: (typeof routes)[number], token: string) => {
    const answer = await fetch(base + path.replaceAll(/\{\w+\}/g, 'x'), {
      method: method.toUpperCase(),
      headers: asBearer(token),
    });
    const { code } = (await answer.json().catch(() => ({}))) as { code?: string };
    return { status: answer.status, code, challenge: answer.headers.get('www-authenticate') ?? '' };
  };
  return { ...service, sub, routes, ask, login };
}

test('refuses tokens of every other audience and refresh tokens at every address that takes a token', async () => {
  const { routes, ask, login, url, accountAudience, adminAudience } = await started();
  const services = await login({ resource: undefined });
  const [one, account, admin] = [
    await login({ resource: 'prices' }),
    await login(),
    await login({ resource: adminAudience }),
  ];
  const rightOf = (base: string) => (base === url ? account : admin);
  expect(routes.length).toBeGreaterThan(40);
  for (const route of routes) {
    const right = rightOf(route.base);
    for (const wrong of [services, one, right === account ? admin : account]) {
      const { status, code, challenge } = await ask(route, wrong.access);
      expect([route.operationId, status, code]).toEqual([route.operationId, 401, 'token_audience_wrong']);
      expect(challenge).toContain('error="invalid_token"');
      expect(challenge).toContain(`resource=${right === account ? accountAudience : adminAudience}`);
    }
    expect([route.operationId, (await ask(route, right.refresh)).code]).toEqual([route.operationId, 'token_malformed']);
  }
});

test('issues a token for the services, with no scope of accounts or administrators, at a login without resource', async () => {
  const { login, refresh, accountAudience, adminAudience } = await started();
  const plain = await login({ resource: undefined });
  expect(decodeJwt(plain.access)).toMatchObject({ aud: ['prices', 'orders'], scope: 'prices:read' });
  const account = await refresh(plain.refresh, { resource: accountAudience });
  expect(decodeJwt(String(account.body.access_token))).toMatchObject({ aud: accountAudience, scope: 'account' });
  const admin = await refresh(String(account.body.refresh_token), { resource: adminAudience });
  const claims = decodeJwt(String(admin.body.access_token));
  expect([
    claims.aud,
    String(claims.scope)
      .split(' ')
      .every((scope) => scope.startsWith('admin:')),
  ]).toEqual([adminAudience, true]);
  const again = await refresh(String(admin.body.refresh_token));
  expect(decodeJwt(String(again.body.access_token)).aud).toEqual(['prices', 'orders']);
});

test('answers invalid_target for an unknown, an unregistered and a wrongly combined audience', async () => {
  const { ada, post, form, login, refresh, accountAudience, adminAudience } = await started();
  const narrow = { name: 'Narrow', authMethod: 'none', audience: ['orders'], why: 'a test' };
  expect((await ada.put('/admin/clients/narrow', narrow)).status).toBe(200);
  const loginWith = (resource: unknown, more: object = {}) => post('/login', { ...USER, resource, ...more });
  for (const resource of ['nobody', ['prices', accountAudience], [accountAudience, adminAudience], ['prices', 'x']]) {
    const { status, body } = await loginWith(resource);
    expect([status, body.code]).toEqual([400, 'target_invalid']);
    expect(String(body.detail)).toContain(accountAudience);
  }
  for (const resource of ['prices', accountAudience, adminAudience]) {
    expect((await loginWith(resource, { client_id: 'narrow' })).body.code).toBe('target_invalid');
  }
  const both = await loginWith(['prices', 'orders']);
  expect(decodeJwt(String(both.body.access_token)).aud).toEqual(['prices', 'orders']);
  expect((await loginWith('orders', { scope: 'admin:users' })).body.code).toBe('scope_invalid');
  const { refresh: token } = await login();
  const refused = await refresh(token, { resource: 'nobody' });
  expect([refused.status, refused.body.error]).toEqual([400, 'invalid_target']);
  const unknown = await ada.put('/admin/clients/narrow', { ...narrow, audience: ['orders', 'nobody'] });
  expect([unknown.status, unknown.body.issues]).toEqual([400, [expect.objectContaining({ path: 'audience.1' })]]);
  expect((await form('/oauth2/token', { grant_type: 'refresh_token', refresh_token: token })).status).toBe(200);
});

test('denies the tokens of a client that loses an audience or a scope, and continues its sessions with the rest', async () => {
  const { ada, login, refresh, accepts, introspects, accountAudience } = await withIntrospection();
  const client = { name: 'App', authMethod: 'none', why: 'a test' };
  await ada.put('/admin/clients/app', client);
  const tokens = await login({ client_id: 'app' });
  const wide = await login({ client_id: 'app', resource: undefined });
  expect([await accepts(tokens.access), await introspects(wide.access)]).toEqual([400, true]);
  const narrower = { ...client, scope: 'orders:read account', audience: ['orders', accountAudience] };
  const unconfirmed = await ada.put('/admin/clients/app', narrower);
  expect([unconfirmed.status, unconfirmed.body.code]).toEqual([400, 'confirmation_missing']);
  const preview = await ada.put('/admin/clients/app?dryRun', narrower);
  expect(preview.body).toMatchObject({ sessions: 0, affectedSessions: 2, affectedSubjects: 1 });
  expect((await ada.put('/admin/clients/app', { ...narrower, confirm: 'everybody' })).status).toBe(200);
  expect([await accepts(tokens.access), await introspects(wide.access)]).toEqual([401, false]);
  const next = await refresh(wide.refresh, { client_id: 'app' });
  expect(decodeJwt(String(next.body.access_token))).toMatchObject({ aud: ['orders'], scope: 'orders:read' });
  const { items } = (await ada.get('/admin/audit?operation=putClient&result=done')).body as { items: object[] };
  expect(items[0]).toMatchObject({ details: { txn: expect.any(String) } });
  // Widening the client again revokes no token.
  const { access } = await login({ client_id: 'app' });
  expect((await ada.put('/admin/clients/app', client)).status).toBe(200);
  expect(await accepts(access)).toBe(400);
});

async function withIntrospection() {
  const service = await openAdministered();
  const authorization = `Basic ${Buffer.from('prices:feed-secret-of-a-test-0123456789').toString('base64')}`;
  const introspects = async (token: string) =>
    (await service.form('/oauth2/introspect', { token }, { Authorization: authorization })).body.active;
  return { ...service, introspects };
}

test('requires a confirmation for changes that concern several users, and counts them in previews', async () => {
  const { ada, as, login, register, accountAudience } = await openAdministered();
  const bob = { username: 'bob', password: 'another password' };
  await register(bob);
  const [first, second] = [await login(), await login(bob)];
  const [a, b] = [first, second].map(({ access }) => decodeJwt(access));
  const kid = String(JSON.parse(Buffer.from(first.access.split('.')[0] ?? '', 'base64url').toString()).kid);
  const wide = [
    [{ claim: 'aud', value: accountAudience }],
    [{ claim: 'kid', value: kid }],
    [{ claim: 'client_id', value: 'web' }],
    [{ claim: 'acr', value: 'aal1' }],
    [{ claim: 'iss' }],
    [a, b].map((claims) => ({ claim: 'sub', value: claims?.sub })),
    [a, b].map((claims) => ({ claim: 'sid', value: claims?.sid })),
  ];
  for (const cutoffs of wide) {
    const { body } = await ada.post('/admin/revocations/preview', { cutoffs });
    expect([cutoffs, body.affectedSessions, body.affectedSubjects]).toEqual([cutoffs, 2, 2]);
    const refused = await ada.post('/admin/revocations', { cutoffs, why: 'a slip' });
    expect([cutoffs, refused.status, refused.body.code]).toEqual([cutoffs, 400, 'confirmation_missing']);
  }
  const none = await ada.post('/admin/revocations/preview', { cutoffs: [{ claim: 'tenant', value: 'acme' }] });
  expect(none.body).toMatchObject({ affectedSessions: 0, affectedSubjects: 0 });
  for (const path of [`/admin/keys/${kid}/revoke`, '/admin/clients/web/disable', '/admin/clients/web/remove']) {
    expect([path, (await ada.post(path, { why: 'a slip' })).body.code]).toEqual([path, 'confirmation_missing']);
  }
  const twice = [a, a].map((claims) => ({ claim: 'sub', value: claims?.sub }));
  expect((await ada.post('/admin/revocations', { cutoffs: twice, why: 'one person' })).status).toBe(201);
  const keys = { cutoffs: [{ claim: 'kid', value: kid }], why: 'x', confirm: 'everybody' };
  expect((await as('revoker').post('/admin/revocations', keys)).body.code).toBe('scope_insufficient');
});

test('refuses commands on a user who has an admin scope that the administrator lacks', async () => {
  const { as, ada, subOf, login } = await openAdministered();
  const sub = await subOf();
  await ada.put(`/admin/users/${sub}/scopes`, { scopes: ['admin:keys'], why: 'key holder' });
  const { answer } = await login();
  const helpdesk = as('helpdesk');
  const acts = [...['suspend', 'ban', 'reinstate', 'delete', 'remove-second-factor', 'log-out', 'reset-password']].map(
    (act) => helpdesk.post(`/admin/users/${sub}/${act}`, { why: 'out of spite' }),
  );
  acts.push(
    helpdesk.post(`/admin/users/${sub}/require-login`, { reason: 'spite', why: 'x' }),
    helpdesk.put(`/admin/users/${sub}/roles`, { roles: [], why: 'x' }),
    helpdesk.put(`/admin/users/${sub}/scopes`, { scopes: null, why: 'x' }),
    helpdesk.patch(`/admin/users/${sub}/claims`, { claims: { tenant: 'x' }, why: 'x' }),
    as('revoker').post('/admin/revocations', { cutoffs: [{ claim: 'sub', value: sub }], why: 'x' }),
    as('revoker').post('/admin/revocations', { cutoffs: [{ claim: 'sid', value: answer.sid }], why: 'x' }),
    as('revoker').post('/admin/revocations', { cutoffs: [{ token: answer.access_token }], why: 'x' }),
    as('sessions').post(`/admin/sessions/${answer.sid}/end`, { why: 'x' }),
    as('sessions').post(`/admin/sessions/${answer.sid}/require-login`, { reason: 'spite', why: 'x' }),
    as('sessions').patch(`/admin/sessions/${answer.sid}`, { deviceName: 'x', why: 'x' }),
  );
  for (const { status, body } of await Promise.all(acts)) {
    expect([status, body.code]).toEqual([403, 'scope_insufficient']);
  }
  expect((await ada.post(`/admin/users/${sub}/log-out`, { why: 'asked for it' })).status).toBe(200);
});

test('refuses them also after the user deleted the account, until it is erased', async () => {
  const receiver = await webhookReceiver(0);
  const { as, ada, subOf, login, send, asBearer } = await openAdministered(receiver.environment);
  const sub = await subOf();
  const scopes = ['prices:read', 'admin:keys'];
  await ada.put(`/admin/users/${sub}/scopes`, { scopes, why: 'key holder' });
  const { access } = await login();
  const body = JSON.stringify({ password: USER.password });
  const headers = { 'Content-Type': 'application/json', ...asBearer(access) };
  expect((await send('/account', { method: 'DELETE', headers, body })).status).toBe(204);
  for (const act of ['delete', 'log-out']) {
    const refused = await as('helpdesk').post(`/admin/users/${sub}/${act}`, { why: 'out of spite' });
    expect([act, refused.status, refused.body.code]).toEqual([act, 403, 'scope_insufficient']);
  }
  expect((await ada.post(`/admin/users/${sub}/delete`, { why: 'asked for it' })).status).toBe(200);
  expect((await ada.get(`/admin/users/${sub}`)).body).toMatchObject({ state: 'deleted', scopes: null });
});

test('refuses a reset token from before the account was given more scopes', async () => {
  const { as, ada, subOf, post } = await openAdministered();
  const sub = await subOf();
  const reset = async () =>
    String((await as('helpdesk').post(`/admin/users/${sub}/reset-password`, { why: 'a call' })).body.resetToken);
  const set = async (resetToken: string) =>
    (await post('/password/reset', { resetToken, newPassword: 'a password of somebody' })).status;
  const before = await reset();
  await ada.put(`/admin/users/${sub}/scopes`, { scopes: ['prices:read', 'admin:keys'], why: 'key holder' });
  expect(await set(before)).toBe(400);
  await ada.put(`/admin/users/${sub}/scopes`, { scopes: ['prices:read'], why: 'no more' });
  const after = await reset();
  await ada.put(`/admin/users/${sub}/scopes`, { scopes: [], why: 'less still' });
  expect(await set(after)).toBe(204);
});

test('requires a confirmation to change how a client authenticates', async () => {
  const { ada, refresh, login } = await openAdministered();
  const change = (more: object) =>
    ada.put('/admin/clients/web', { name: 'Web', authMethod: 'client_secret_basic', why: 'x', ...more });
  const refused = await change({});
  expect([refused.status, refused.body.code]).toEqual([400, 'confirmation_missing']);
  const tokens = await login();
  expect((await refresh(tokens.refresh)).status).toBe(200);
  expect((await change({ confirm: 'everybody' })).status).toBe(200);
});
