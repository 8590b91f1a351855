import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';

const CONFIRMED = { confirm: 'everybody', why: 'out of spite' };

/** A user who has an admin scope that the operators of one area have not, with two tokens of one session. */
async function withGreaterUser() {
  const service = await openAdministered();
  const { ada, subOf, login, refresh, register } = service;
  const sub = await subOf();
  await ada.put(`/admin/users/${sub}/scopes`, { scopes: ['prices:read', 'admin:keys'], why: 'key holder' });
  await ada.patch(`/admin/users/${sub}/claims`, { claims: { tenant: 'acme' }, why: 'theirs alone' });
  const older = await login({ resource: undefined });
  const { access_token: newest } = (await refresh(older.refresh)).body;
  const bob = { username: 'bob', password: 'another password' };
  await register(bob);
  return { ...service, sub, older: older.access, newest: String(newest), bob };
}

test('refuses a cut-off of a user who has an admin scope that the administrator lacks', async () => {
  const { as, ada, sub, older, newest, bob, login } = await withGreaterUser();
  const [jti, olderJti] = [newest, older].map((token) => String(decodeJwt(token).jti));
  const expiresAt = Date.now() + 60_000;
  const bobsSub = decodeJwt((await login(bob)).access).sub;
  const cutoffs = [
    [{ token: newest }],
    [{ token: older }],
    [{ claim: 'jti', value: jti, expiresAt }],
    [{ claim: 'jti', value: olderJti, expiresAt }],
    [{ claim: 'tenant', value: 'acme' }],
    [{ claim: 'client_id', value: 'web' }],
    [{ claim: 'client_id', value: 'web', endsSession: false }],
    [{ claim: 'aud', value: 'prices' }],
    [{ claim: 'acr', value: 'aal1' }],
    [{ claim: 'scope', value: 'prices:read' }],
    [{ claim: 'iss' }],
    [
      { claim: 'sub', value: bobsSub },
      { claim: 'sub', value: sub },
    ],
  ];
  for (const some of cutoffs) {
    const { status, body, headers } = await as('revoker').post('/admin/revocations', { cutoffs: some, ...CONFIRMED });
    expect([some, status, body.code]).toEqual([some, 403, 'scope_insufficient']);
    expect(headers.get('www-authenticate')).toContain('admin:keys:read admin:keys:write');
  }
  expect((await as('revoker').post('/admin/emergency', CONFIRMED)).body.code).toBe('scope_insufficient');
  for (const act of ['disable', 'remove']) {
    expect((await as('clients').post(`/admin/clients/web/${act}`, CONFIRMED)).body.code).toBe('scope_insufficient');
  }
  const soft = { endSessions: false, ...CONFIRMED };
  expect((await as('clients').post('/admin/clients/web/disable', soft)).body.code).toBe('scope_insufficient');
  const narrower = { name: 'Web', authMethod: 'none', scope: 'prices:read', ...CONFIRMED };
  expect((await as('clients').put('/admin/clients/web', narrower)).body.code).toBe('scope_insufficient');

  const { access, answer } = await login(bob);
  for (const lesser of [
    [{ token: access }],
    [{ claim: 'sid', value: answer.sid }],
    [{ claim: 'tenant', value: 'x' }],
  ]) {
    const { status } = await as('revoker').post('/admin/revocations', { cutoffs: lesser, ...CONFIRMED });
    expect([lesser, status]).toEqual([lesser, 201]);
  }
  for (const some of cutoffs) {
    expect((await ada.post('/admin/revocations', { cutoffs: some, ...CONFIRMED })).status).toBe(201);
  }
});

test('lets an administrator of revocations end all sessions where no user has more admin scopes', async () => {
  const { as, login } = await openAdministered();
  await login();
  expect((await as('revoker').post('/admin/emergency', CONFIRMED)).status).toBe(201);
});
