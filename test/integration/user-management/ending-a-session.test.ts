import { describe, expect, test } from 'vitest';
import type { Answer } from '../../support/user-management.ts';
import { openUserManagement, USER } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

const CSRF = { 'X-Rescind-CSRF': '1' };
const OTHER = { username: 'grace', password: 'battery horse correct' };
/** Shorter than a test, and a whole number of seconds. */
const SHORT_LIVED = { ACCESS_TOKEN_TTL: '1s', REFRESH_GRACE: '0s' };

interface Login {
  readonly access: string;
  readonly sid: string;
  /** `<name>=<value>`, as a browser sends it. */
  readonly cookie: string;
}

async function started(environment: Record<string, string> = {}) {
  const service = await openUserManagement(environment);
  await service.register();
  await service.register(OTHER);
  const cookieLogin = async (user = USER): Promise<Login> => {
    const answer = await service.post('/login', {
      ...user,
      storage: 'cookie',
      resource: service.accountAudience,
    });
    const { access_token: access, sid } = answer.body;
    return { access: String(access), sid: String(sid), cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '' };
  };
  const call = (path: string, headers: Record<string, string>, body?: string) =>
    service.send(path, { method: 'POST', headers, ...(body === undefined ? {} : { body }) });
  const refresh = (cookie: string) =>
    service.form('/oauth2/token', { grant_type: 'refresh_token' }, { Cookie: cookie, ...CSRF });
  const revoke = (cookie: string, headers: Record<string, string> = CSRF, fields: Record<string, string> = {}) =>
    service.form('/oauth2/revoke', { client_id: 'web', ...fields }, { Cookie: cookie, ...headers });
  const expired = async (access: string) => {
    const code = async () => (await service.send('/sessions', { headers: service.asBearer(access) })).body.code;
    await waitFor('the access token has expired', async () => (await code()) === 'token_expired');
  };
  return { ...service, cookieLogin, call, refreshByCookie: refresh, revokeByCookie: revoke, expired };
}

/** Which cookies an answer clears, by name. */
const cleared = ({ headers }: Answer) =>
  headers.getSetCookie().flatMap((header) => (/; Max-Age=0;/.test(header) ? [header.split('=')[0]] : []));

/** Same header and payload, another signature. */
const forged = (token: string) => `${token.slice(0, -8)}${token.at(-8) === 'A' ? 'B' : 'A'}${token.slice(-7)}`;

describe('/logout', () => {
  test('ends the session of an expired access token', async () => {
    const { login, call, asBearer, expired, refresh } = await started(SHORT_LIVED);
    const { access, refresh: token } = await login();
    await expired(access);
    expect((await call('/logout', asBearer(access))).status).toBe(204);
    expect((await refresh(token)).body.reason).toBe('logout');
  });

  test('refuses a revoked access token, and ends its session by the refresh token', async () => {
    const { login, call, asBearer, form, expired } = await started(SHORT_LIVED);
    const logout = async (token: string) => {
      const { status, body } = await call('/logout', asBearer(token));
      return [status, body.code];
    };
    const { access } = await login();
    expect(await logout(access)).toEqual([204, undefined]);
    expect(await logout(access)).toEqual([401, 'token_revoked']);
    await expired(access);
    expect(await logout(access)).toEqual([401, 'token_revoked']);

    const revoked = await login();
    await form('/oauth2/revoke', { token: revoked.access, client_id: 'web' });
    expect(await logout(revoked.access)).toEqual([401, 'token_revoked']);
    expect((await form('/oauth2/revoke', { token: revoked.refresh, client_id: 'web' })).status).toBe(200);
  });

  test('clears the cookie of a session that has ended, whatever the access token is', async () => {
    const { cookieLogin, call, asBearer } = await started();
    const { access, cookie } = await cookieLogin();
    expect((await call('/logout', asBearer(access))).status).toBe(204);
    const refused = await call('/logout', { Cookie: cookie, ...asBearer(access) });
    expect([refused.status, cleared(refused)]).toEqual([401, ['__Host-refresh-web']]);
    const again = await call('/logout', { Cookie: cookie, ...CSRF, ...asBearer(access) });
    expect([again.status, cleared(again)]).toEqual([204, ['__Host-refresh-web']]);
  });

  test('accepts null as an absent body, as generated clients send it, and refuses other bodies', async () => {
    const { login, call, asBearer } = await started();
    const logout = async (body: string) => {
      const headers = { ...asBearer((await login()).access), 'Content-Type': 'application/json' };
      return (await call('/logout', headers, body)).status;
    };
    for (const body of ['[]', '"web"', '{"client_id":1}', '{']) expect([body, await logout(body)]).toEqual([body, 400]);
    for (const body of ['null', '{}']) expect([body, await logout(body)]).toEqual([body, 204]);
  });

  test('refuses a token that this issuer did not sign, and nothing', async () => {
    const { login, call, asBearer, refresh } = await started();
    const { access, refresh: token } = await login();
    for (const headers of [asBearer(forged(access)), asBearer('nonsense'), asBearer(token), {}]) {
      expect((await call('/logout', headers)).status).toBe(401);
    }
    expect((await call('/logout', { Authorization: 'Basic d2ViOg==' })).status).toBe(401);
    expect((await refresh(token)).status).toBe(200);
  });

  test('ends the session of the cookie where the access token is missing, expired or not one of this issuer', async () => {
    const { cookieLogin, call, asBearer, expired, refreshByCookie } = await started(SHORT_LIVED);
    for (const kind of ['missing', 'expired', 'forged'] as const) {
      const { access, cookie } = await cookieLogin();
      if (kind === 'expired') await expired(access);
      const sent = { missing: {}, expired: asBearer(access), forged: asBearer(forged(access)) }[kind];
      const out = await call('/logout', { Cookie: cookie, ...CSRF, ...sent });
      expect([kind, out.status, cleared(out)]).toEqual([kind, 204, ['__Host-refresh-web']]);
      expect((await refreshByCookie(cookie)).body.reason).toBe('logout');
    }
  });

  test('requires the CSRF header where the cookie alone names the session', async () => {
    const { cookieLogin, call, asBearer, refreshByCookie } = await started();
    const { access, cookie } = await cookieLogin();
    const without = await call('/logout', { Cookie: cookie });
    expect([without.status, without.body.code]).toEqual([403, 'csrf_header_missing']);
    const withForged = await call('/logout', { Cookie: cookie, ...asBearer(forged(access)) });
    expect([withForged.status, withForged.body.code]).toEqual([401, 'token_signature_wrong']);
    expect((await refreshByCookie(cookie)).status).toBe(200);
  });

  test('clears the cookie of its own session, and not that of another', async () => {
    const { cookieLogin, login, call, asBearer, refreshByCookie } = await started();
    const inCookie = await cookieLogin();
    const other = await login();
    const out = await call('/logout', { Cookie: inCookie.cookie, ...CSRF, ...asBearer(other.access) });
    expect([out.status, cleared(out)]).toEqual([204, []]);
    const refreshed = await refreshByCookie(inCookie.cookie);
    expect(refreshed.status).toBe(200);
    // The token before the present one is of the same session.
    const own = await call('/logout', { Cookie: inCookie.cookie, ...asBearer(inCookie.access) });
    expect([own.status, cleared(own)]).toEqual([204, ['__Host-refresh-web']]);
  });

  test('clears the cookie of a session that no longer exists', async () => {
    const { call } = await started();
    const out = await call('/logout', { Cookie: '__Host-refresh-web=nonsense', ...CSRF });
    expect([out.status, cleared(out)]).toEqual([204, ['__Host-refresh-web']]);
  });

  test('uses the cookie of the named application where there are several', async () => {
    const { cookieLogin, call, refreshByCookie } = await started();
    const { cookie } = await cookieLogin();
    const both = `${cookie}; __Host-refresh-other=nonsense`;
    const json = { 'Content-Type': 'application/json' };
    const other = await call('/logout', { Cookie: both, ...CSRF, ...json }, '{"client_id":"other"}');
    expect([other.status, cleared(other)]).toEqual([204, ['__Host-refresh-other']]);
    expect((await call('/logout', { Cookie: both, ...CSRF, ...json }, '{"client_id":"none"}')).status).toBe(401);
    expect((await call('/logout', { Cookie: both, ...CSRF, ...json }, '{"unknown":1}')).status).toBe(400);
    expect((await refreshByCookie(cookie)).status).toBe(200);
    // With several cookies, that of the first-party application is used.
    expect(cleared(await call('/logout', { Cookie: both, ...CSRF }))).toEqual(['__Host-refresh-web']);
  });
});

describe('/oauth2/revoke', () => {
  test('revokes the refresh token of the cookie, with the CSRF header, and returns JSON', async () => {
    const { cookieLogin, revokeByCookie, refreshByCookie } = await started();
    const { cookie } = await cookieLogin();
    const without = await revokeByCookie(cookie, {});
    expect([without.status, without.body.code]).toEqual([403, 'csrf_header_missing']);
    for (const _time of [1, 2]) {
      const revoked = await revokeByCookie(cookie);
      expect([revoked.status, revoked.text, cleared(revoked)]).toEqual([200, '{}', ['__Host-refresh-web']]);
      expect(revoked.headers.get('content-type')).toMatch(/^application\/json\b/);
    }
    expect((await refreshByCookie(cookie)).body.reason).toBe('token_revoked');
    const neither = await revokeByCookie('', {});
    expect([neither.status, neither.body.error]).toEqual([400, 'invalid_request']);
  });

  test('clears the cookie with the session of its refresh token only', async () => {
    const { cookieLogin, login, revokeByCookie, refreshByCookie } = await started();
    const { access, cookie } = await cookieLogin();
    const other = await login();
    for (const token of [access, other.access, other.refresh, 'nonsense']) {
      const revoked = await revokeByCookie(cookie, {}, { token });
      expect([revoked.status, cleared(revoked)]).toEqual([200, []]);
    }
    expect((await refreshByCookie(cookie)).status).toBe(200);
    const token = cookie.slice(cookie.indexOf('=') + 1);
    expect(cleared(await revokeByCookie(cookie, {}, { token }))).toEqual(['__Host-refresh-web']);
  });
});

describe('the cookie', () => {
  test('is cleared with every invalid_grant of an ended session, and kept while the session lives', async () => {
    const { cookieLogin, form, login, refreshByCookie, call, asBearer } = await started({ REFRESH_GRACE: '0s' });
    const unknown = await refreshByCookie('__Host-refresh-web=nonsense');
    expect([unknown.body.error, cleared(unknown)]).toEqual(['invalid_grant', ['__Host-refresh-web']]);

    const out = await cookieLogin();
    await call('/logout', asBearer(out.access));
    const ended = await refreshByCookie(out.cookie);
    expect([ended.body.error, cleared(ended)]).toEqual(['invalid_grant', ['__Host-refresh-web']]);

    // A token in the body is not set as a cookie, and its session continues.
    const { refresh } = await login();
    const moved = await refreshByCookie(`__Host-refresh-web=${refresh}`);
    expect([moved.body.error, cleared(moved)]).toEqual(['invalid_grant', []]);
    expect((await form('/oauth2/token', { grant_type: 'refresh_token', refresh_token: refresh })).status).toBe(200);
  });

  test('is cleared when another request ends its session, and not when one ends another session', async () => {
    const { cookieLogin, send, call, asBearer } = await started();
    const present = await cookieLogin();
    const another = await cookieLogin();
    const grace = await cookieLogin(OTHER);
    const remove = (path: string, cookie: string) =>
      send(path, { method: 'DELETE', headers: { Cookie: cookie, ...asBearer(present.access) } });
    expect(cleared(await remove(`/sessions/${another.sid}`, present.cookie))).toEqual([]);
    const replaced = await cookieLogin();
    expect(cleared(await remove('/sessions', replaced.cookie))).toEqual(['__Host-refresh-web']);
    const everywhere = await call('/logout-everywhere', { Cookie: grace.cookie, ...asBearer(present.access) });
    expect([everywhere.status, cleared(everywhere)]).toEqual([204, []]);
  });
});
