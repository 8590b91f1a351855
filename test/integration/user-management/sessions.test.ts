import { join } from 'node:path';
import Database from 'better-sqlite3';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FEED_SECRET, openUserManagement, USER } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

async function started(environment?: Record<string, string>) {
  const service = await openUserManagement(environment);
  expect((await service.register()).status).toBe(201);
  return service;
}

describe('logging in', () => {
  test('returns an access token of RFC 9068 and a refresh token, and forbids caches to store them', async () => {
    const { post } = await started();
    const answer = await post('/login', { ...USER, deviceName: 'Ada’s telephone ☎', client_id: 'web' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.body).toMatchObject({ token_type: 'Bearer', expires_in: 900, scope: 'prices:read orders:read' });
    const token = String(answer.body.access_token);
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'RS256', typ: 'at+jwt' });
    const claims = decodeJwt(token);
    expect(claims).toMatchObject({ aud: ['prices', 'orders'], client_id: 'web', scope: 'prices:read orders:read' });
    expect(claims.sub).toMatch(/^[\w-]{22}$/);
    expect(JSON.stringify(claims)).not.toContain(USER.username);
  });

  test('narrows the scope on request, and refuses a wider one', async () => {
    const { post } = await started();
    expect((await post('/login', { ...USER, scope: 'prices:read' })).body.scope).toBe('prices:read');
    const refused = await post('/login', { ...USER, scope: 'prices:read prices:premium' });
    expect([refused.status, refused.body.code]).toEqual([400, 'scope_invalid']);
  });

  test('security 46: gives the same response to a wrong password and an unknown name', async () => {
    const { post } = await started();
    const wrong = await post('/login', { ...USER, password: 'correct horse batterx' });
    const unknown = await post('/login', { ...USER, username: 'nobody' });
    expect(wrong.status).toBe(401);
    expect(wrong.body.code).toBe('credentials_wrong');
    expect([unknown.status, unknown.text]).toEqual([wrong.status, wrong.text]);
  });

  test('refuses an unknown client', async () => {
    const { post } = await started();
    const refused = await post('/login', { ...USER, client_id: 'another' });
    expect([refused.status, refused.body.code]).toEqual([401, 'client_invalid']);
  });

  test('security 49: serves 200 concurrent logins, and checks and refreshes tokens meanwhile', async () => {
    const service = await started({ LOGINS_PER_MINUTE: '1000' });
    const { access, refresh } = await service.login();
    let ended = 0;
    const logins = Array.from({ length: 200 }, async (_none, index) => {
      const { status } = await service.post('/login', index % 2 === 0 ? USER : { ...USER, username: `nobody${index}` });
      ended++;
      return status;
    });
    // All of them have arrived, and most wait for a hash.
    await waitFor('a login has ended', () => ended > 0);
    const basic = { Authorization: `Basic ${btoa(`prices:${FEED_SECRET}`)}` };
    const introspected = await service.form('/oauth2/introspect', { token: access }, basic);
    expect(introspected.body).toMatchObject({ active: true });
    expect((await service.refresh(refresh)).status).toBe(200);
    expect(await service.accepts(access)).toBe(400);
    const before = ended;
    expect((await Promise.all(logins)).filter((_status, index) => index % 2 === 0)).toEqual(Array(100).fill(200));
    // None of these waited for the pending hashes.
    expect(before).toBeLessThan(100);
  });
});

describe('registering', () => {
  test('security 45: starts without any account', async () => {
    const { directory, close } = await openUserManagement();
    await close();
    const database = new Database(join(directory, 'user-management.sqlite'), { readonly: true });
    onTestFinished(() => void database.close());
    expect(database.prepare('SELECT count(*) FROM accounts').pluck().get()).toBe(0);
  });

  test('registers a name once, however it is written', async () => {
    const { register } = await started();
    for (const username of ['ada', 'ADA', 'ａｄａ']) {
      const answer = await register({ username, password: 'another password' });
      expect([answer.status, answer.body.code]).toEqual([409, 'username_taken']);
    }
  });

  test('registers one of two concurrent requests for a name', async () => {
    const { register } = await openUserManagement();
    const answers = await Promise.all(Array.from({ length: 4 }, () => register()));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
  });

  test.each([
    ['too short', 'seven77'],
    ['one of the commonest', 'Password1'],
    ['one of the commonest', '1qaz2wsx'],
    ['too long', 'x'.repeat(129)],
    ['the name', 'ada.lovelace'],
    ['half a character', 'a lonely \ud800 surrogate'],
  ])('security 44, 45: a password that is %s is refused with what would be right', async (_why, password) => {
    const { register } = await openUserManagement();
    const answer = await register({ username: 'Ada.Lovelace', password });
    expect([answer.status, answer.body.code]).toEqual([400, 'password_refused']);
    expect(answer.body.issues).toEqual([{ path: 'password', message: expect.stringMatching(/^must /) }]);
  });

  test('security 44: accepts any Unicode password without truncation, normalized over keyboards', async () => {
    const { register, post } = await openUserManagement();
    const password = `${'🐎'.repeat(120)} Ångström`;
    expect((await register({ username: 'ada', password: password.normalize('NFD') })).status).toBe(400);
    const taken = `${'🐎'.repeat(100)} Ångström`;
    expect((await register({ username: 'ada', password: taken.normalize('NFD') })).status).toBe(201);
    expect((await post('/login', { username: 'ada', password: taken.normalize('NFC') })).status).toBe(200);
    expect((await post('/login', { username: 'ada', password: taken.slice(0, -1) })).status).toBe(401);
    expect((await post('/login', { username: 'ada', password: ` ${taken}` })).status).toBe(401);
  });
});

describe('logging out', () => {
  test('ends that session with its access token and refresh token, and no other', async () => {
    const service = await started();
    const [laptop, phone] = [await service.login(), await service.login()];
    const answer = await service.send('/logout', { method: 'POST', headers: service.asBearer(laptop.access) });
    expect([answer.status, answer.text]).toEqual([204, '']);
    expect(await service.accepts(laptop.access)).toBe(401);
    const refused = await service.refresh(laptop.refresh);
    expect([refused.status, refused.body.error]).toEqual([400, 'invalid_grant']);
    expect(await service.accepts(phone.access)).toBe(400);
    expect((await service.refresh(phone.refresh)).status).toBe(200);
    const again = await service.send('/logout', { method: 'POST', headers: service.asBearer(laptop.access) });
    expect([again.status, again.body.code]).toEqual([401, 'token_revoked']);
  });

  test('ends all sessions everywhere, and not a login in the same second', async () => {
    const service = await started();
    const before = [await service.login(), await service.login()];
    const headers = service.asBearer(before[0]?.access ?? '');
    expect((await service.send('/logout-everywhere', { method: 'POST', headers })).status).toBe(204);
    const after = await service.login();
    for (const { access, refresh } of before) {
      expect(await service.accepts(access)).toBe(401);
      expect((await service.refresh(refresh)).status).toBe(400);
    }
    expect(await service.accepts(after.access)).toBe(400);
    expect((await service.refresh(after.refresh)).status).toBe(200);
  });

  test('refuses no token, two tokens, and one in the address (RFC 6750 section 3)', async () => {
    const service = await started();
    const { access } = await service.login();
    const none = await service.send('/logout', { method: 'POST' });
    expect([none.status, none.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
    const basic = await service.send('/logout', { method: 'POST', headers: { Authorization: 'Basic YTpi' } });
    expect([basic.status, basic.body.code]).toEqual([401, 'token_missing']);
    const bad = await service.send('/logout', { method: 'POST', headers: service.asBearer('nonsense') });
    expect(bad.status).toBe(401);
    expect(bad.headers.get('www-authenticate')).toContain('error="invalid_token"');
    const address = await service.send(`/logout?access_token=${access}`, { method: 'POST' });
    expect([address.status, address.body.code]).toEqual([400, 'request_invalid']);
    expect(await service.accepts(access)).toBe(400);
  });
});

describe('changing the password', () => {
  const next = 'another correct horse';

  test('ends every session, returns an access token, and invalidates the old password', async () => {
    const service = await started();
    const [here, elsewhere] = [await service.login(), await service.login({ scope: 'prices:read account' })];
    const changed = await service.post(
      '/password',
      { currentPassword: USER.password, newPassword: next },
      service.asBearer(here.access),
    );
    const pair = service.tokensOf(changed);
    expect(changed.headers.get('cache-control')).toBe('no-store');
    for (const { access, refresh } of [here, elsewhere]) {
      expect(await service.accepts(access)).toBe(401);
      expect((await service.refresh(refresh)).status).toBe(400);
    }
    expect(await service.accepts(pair.access)).toBe(400);
    expect(pair.answer.refresh_token).toBeUndefined();
    expect((await service.post('/login', USER)).status).toBe(401);
    expect((await service.post('/login', { ...USER, password: next })).status).toBe(200);
  });

  test('requires the current password, and a valid new one', async () => {
    const service = await started();
    const { access } = await service.login();
    const change = (currentPassword: string, newPassword: string) =>
      service.post('/password', { currentPassword, newPassword }, service.asBearer(access));
    expect((await change('not the password', next)).body.code).toBe('credentials_wrong');
    expect((await change(USER.password, 'short')).body.code).toBe('password_refused');
    expect((await change(USER.password, 'x'.repeat(129))).body.code).toBe('password_refused');
    expect(await service.accepts(access)).toBe(400);
    expect((await service.post('/login', USER)).status).toBe(200);
  });

  test('applies one of two concurrent changes', async () => {
    const service = await started();
    const [first, second] = [await service.login(), await service.login()];
    const answers = await Promise.all(
      [first, second].map(({ access }, index) =>
        service.post(
          '/password',
          { currentPassword: USER.password, newPassword: `${next} ${index}` },
          service.asBearer(access),
        ),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401]);
  });

  test('ends the session of a concurrent login with the old password', async () => {
    const service = await started();
    const { access } = await service.login();
    const [changed, ...logins] = await Promise.all([
      service.post('/password', { currentPassword: USER.password, newPassword: next }, service.asBearer(access)),
      ...Array.from({ length: 8 }, () => service.post('/login', { ...USER, resource: service.accountAudience })),
    ]);
    expect(changed?.status).toBe(200);
    for (const login of logins) {
      if (login.status === 200) expect(await service.accepts(String(login.body.access_token))).toBe(401);
      else expect(login.status).toBe(401);
    }
  });
});
