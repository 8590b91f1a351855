import { expect, test } from 'vitest';
import type { Answer } from '../../support/user-management.ts';
import { openUserManagement, USER } from '../../support/user-management.ts';

const CSRF = { 'X-Rescind-CSRF': '1' };

async function started(environment?: Record<string, string>) {
  const service = await openUserManagement(environment);
  await service.register();
  const login = (more: object = {}) =>
    service.post('/login', { ...USER, storage: 'cookie', resource: service.accountAudience, ...more });
  const refresh = (cookie: string, headers: Record<string, string> = CSRF, more: Record<string, string> = {}) =>
    service.form('/oauth2/token', { grant_type: 'refresh_token', ...more }, { Cookie: cookie, ...headers });
  return { ...service, loginByCookie: login, refreshByCookie: refresh };
}

/** The cookie that was set, as a browser sends it back. */
function cookieOf({ headers }: Answer): string {
  const [cookie, another] = headers.getSetCookie();
  expect(another).toBeUndefined();
  return cookie?.split(';')[0] ?? '';
}

test('security 53: sets the refresh token in a host-only HttpOnly cookie, and in no body', async () => {
  const service = await started();
  const first = await service.loginByCookie();
  expect(first.status).toBe(200);
  expect(first.body.refresh_token).toBeUndefined();
  const [header = ''] = first.headers.getSetCookie();
  const [pair = '', ...attributes] = header.split('; ');
  expect(pair).toMatch(/^__Host-refresh-web=[\w.~-]{40,}$/);
  expect(attributes.filter((one) => !one.startsWith('Expires='))).toEqual([
    `Max-Age=${7 * 24 * 60 * 60}`,
    'Path=/',
    'HttpOnly',
    'Secure',
    'SameSite=Strict',
  ]);

  const second = await service.refreshByCookie(cookieOf(first));
  expect([second.status, second.body.refresh_token, second.body.sid]).toEqual([200, undefined, first.body.sid]);
  expect(cookieOf(second)).not.toBe(cookieOf(first));
  const value = pair.slice(pair.indexOf('=') + 1);
  expect(first.text + second.text + service.lines.join('')).not.toContain(value);
});

test('security 53: requires the CSRF header for a request by cookie', async () => {
  const service = await started();
  const cookie = cookieOf(await service.loginByCookie());
  const forged = await service.refreshByCookie(cookie, {});
  expect([forged.status, forged.body.code, forged.body.error]).toEqual([403, 'csrf_header_missing', 'invalid_request']);
  expect((await service.refreshByCookie(`${cookie}; ${cookie}`)).status).toBe(400);
  // The refused request has not used the token up.
  expect((await service.refreshByCookie(cookie)).status).toBe(200);
});

test('refuses the token of a cookie in a body, and that of a body in a cookie', async () => {
  const service = await started();
  const first = await service.loginByCookie();
  const [name = '', value = ''] = cookieOf(first).split('=');
  const moved = await service.refresh(value);
  expect([moved.status, moved.body.code]).toEqual([400, 'grant_invalid']);
  const native = await service.login();
  expect((await service.refreshByCookie(`${name}=${native.refresh}`)).status).toBe(400);
  expect((await service.refreshByCookie(cookieOf(first))).status).toBe(200);
  expect((await service.refresh(native.refresh)).status).toBe(200);
});

test('clears the cookie at a logout and at a reuse', async () => {
  const service = await started({ REFRESH_GRACE: '0s' });
  const first = await service.loginByCookie();
  const { access_token } = first.body;
  for (const path of ['/logout', '/logout-everywhere']) {
    const again = path === '/logout' ? access_token : (await service.loginByCookie()).body.access_token;
    const out = await service.send(path, { method: 'POST', headers: service.asBearer(String(again)) });
    expect(out.status).toBe(204);
    expect(out.headers.getSetCookie()[0]).toMatch(
      /^__Host-refresh-web=; Max-Age=0; Path=\/;.* HttpOnly; Secure; SameSite=Strict$/,
    );
  }
  expect((await service.refreshByCookie(cookieOf(first))).status).toBe(400);

  const stolen = cookieOf(await service.loginByCookie());
  expect((await service.refreshByCookie(stolen)).status).toBe(200);
  const reused = await service.refreshByCookie(stolen);
  expect([reused.status, reused.body.code, cookieOf(reused)]).toEqual([400, 'grant_reused', '__Host-refresh-web=']);
});

test('returns no cookie and no refresh token to a request by access token', async () => {
  const service = await started();
  const { body } = await service.loginByCookie();
  const changed = await service.post(
    '/password',
    { currentPassword: USER.password, newPassword: 'something else entirely' },
    service.asBearer(String(body.access_token)),
  );
  expect([changed.status, changed.body.refresh_token]).toEqual([200, undefined]);
  expect(changed.headers.getSetCookie().filter((cookie) => !cookie.includes('Max-Age=0'))).toEqual([]);
});
