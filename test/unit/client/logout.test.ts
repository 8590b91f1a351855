import { settle } from '@rescind/client/test';
import { describe, expect, test, vi } from 'vitest';
import { LOGIN, scene } from '../../support/client.ts';

const MINUTE = 60_000;

describe('logging out', () => {
  test('ends the session in this tab at once, and at the issuer', async () => {
    const { open, issuer, store } = scene();
    const session = open();
    await session.login(LOGIN);
    const leaving = session.logout();
    await settle();
    expect(session.getSnapshot()).toMatchObject({ status: 'ended', endedBy: 'logout' });
    expect(await leaving).toEqual({ server: 'done' });
    expect(issuer.ended('sid-1')).toBe('logout');
    expect(JSON.stringify(await store.read())).not.toMatch(/sid-1\.|e30/);
  });

  test('without a connection ends the session in this tab, and at the issuer at the next start', async () => {
    const { open, issuer, store } = scene();
    const session = open();
    await session.login(LOGIN);
    issuer.faults.push('offline');
    expect(await session.logout()).toEqual({ server: 'pending' });
    expect([session.getSnapshot().status, issuer.ended('sid-1')]).toEqual(['ended', undefined]);
    const next = open();
    next.start();
    await vi.waitFor(() => expect(issuer.ended('sid-1')).toBe('logout'), 10_000);
    expect(next.getSnapshot().status).toBe('anonymous');
    await vi.waitFor(async () => expect((await store.read())?.pendingRevocation).toBeUndefined(), 10_000);
  });

  test('succeeds for a session that the issuer has ended before', async () => {
    const { open, issuer } = scene();
    const session = open();
    await session.login(LOGIN);
    issuer.faults.push(401);
    expect(await session.logout()).toEqual({ server: 'done' });
  });

  test('sends the request before anything is stored, so that the page may be left at once', async () => {
    const { open, issuer, store } = scene();
    const session = open();
    await session.login(LOGIN);
    const { replace } = store;
    store.replace = () => new Promise(() => undefined);
    void session.logout();
    await vi.waitFor(() => expect(issuer.ended('sid-1')).toBe('logout'), 10_000);
    store.replace = replace;
  });

  test('lets a login wait until the issuer has answered, whose response clears the cookie', async () => {
    const { open, issuer, advance } = scene({ mode: 'cookie' });
    const session = open();
    await session.login(LOGIN);
    issuer.faults.push('hang');
    void session.logout();
    await settle();
    const login = session.login(LOGIN);
    await settle();
    expect([issuer.count('/logout'), issuer.count('/login')]).toEqual([1, 1]);
    await advance(10_000);
    await login;
    expect(issuer.count('/login')).toBe(2);
    expect(session.getSnapshot()).toMatchObject({ status: 'active', sid: 'sid-2' });
  });

  test('without a login sends nothing', async () => {
    const { open, issuer } = scene();
    expect(await open().logout()).toEqual({ server: 'done' });
    expect(issuer.requests).toEqual([]);
  });

  test('in cookie mode waits for a refresh that is on its way, for two seconds at most', async () => {
    const { open, issuer, advance } = scene({ mode: 'cookie' });
    const session = open();
    await session.login(LOGIN);
    issuer.faults.push('hang');
    const renewing = session.renew().catch((error: { code?: string }) => error.code);
    const leaving = session.logout();
    await advance(1_900);
    expect(issuer.count('/logout')).toBe(0);
    await advance(200);
    expect(await leaving).toEqual({ server: 'done' });
    await advance(10_000);
    expect(await renewing).toBe('offline');
    expect(session.getSnapshot().status).toBe('ended');
  });

  test('wins over a renewal at whatever moment it comes', async () => {
    for (let moment = 0; moment < 60; moment += 1) {
      const { open, issuer, store } = scene();
      const session = open({ lock: (_, work) => work() });
      await session.login(LOGIN);
      const renewing = session.renew().catch((error: { code?: string }) => error.code);
      for (let turn = 0; turn < moment; turn += 1) await undefined;
      expect(await session.logout()).toEqual({ server: 'done' });
      await renewing;
      await settle();
      expect([moment, session.getSnapshot().status, issuer.ended('sid-1')]).toEqual([moment, 'ended', 'logout']);
      expect(JSON.stringify(await store.read())).not.toMatch(/e30\.|sid-1\.\d/);
      expect(await store.read()).toMatchObject({ ended: 'logout' });
    }
  });

  test('a later login begins another session', async () => {
    const { open, issuer } = scene();
    const session = open();
    const ends: string[] = [];
    session.onSessionEnd(({ reason }) => void ends.push(reason));
    await session.login(LOGIN);
    await session.logout();
    await session.login(LOGIN);
    await session.renew();
    expect(session.getSnapshot()).toMatchObject({ status: 'active', sid: 'sid-2' });
    expect([ends, issuer.ended('sid-2')]).toEqual([['logout'], undefined]);
  });
});

describe('logging in', () => {
  test('a refused login has the issuer’s code, and changes nothing', async () => {
    const { open } = scene();
    const session = open();
    const refused = session.login({ ...LOGIN, password: 'wrong' });
    await expect(refused).rejects.toMatchObject({
      code: 'login_refused',
      serverCode: 'credentials_wrong',
      status: 401,
    });
    await expect(session.getAccessToken()).rejects.toMatchObject({ code: 'not_logged_in' });
    expect(session.getSnapshot().status).toBe('anonymous');
  });

  test('no error quotes a password or a token', async () => {
    const { open, issuer } = scene();
    const session = open();
    const wrong = await session.login({ ...LOGIN, password: 'wrong' }).catch(String);
    issuer.faults.push('offline');
    const offline = await session.login({ ...LOGIN, password: 'secret-1' }).catch(String);
    expect(`${wrong} ${offline}`).not.toMatch(/secret-1|e30/);
  });

  test('the response of a login with a cookie is refused in body mode', async () => {
    const { open } = scene();
    const tokens = { access_token: 'e30.e30.s', expires_in: 900, sid: 'a' };
    await expect(open().login(tokens)).rejects.toMatchObject({ code: 'wrong_setup' });
  });

  test('in cookie mode no script sees the refresh token', async () => {
    const { open, issuer, store } = scene({ mode: 'cookie' });
    const session = open();
    await session.login({ ...LOGIN });
    await session.renew();
    expect((await store.read())?.refreshToken).toBeUndefined();
    expect(issuer.requests.at(-1)?.body).not.toContain('refresh_token=');
  });

  test('in cookie mode a lost cookie ends the session with a code of its own', async () => {
    const { open, issuer, advance } = scene({ mode: 'cookie' });
    const session = open();
    const ends: unknown[] = [];
    session.onSessionEnd((end) => void ends.push(end));
    await session.login(LOGIN);
    issuer.dropCookie();
    const renewing = session.renew().catch((error: { code?: string }) => error.code);
    await advance(1_000);
    expect(await renewing).toBe('session_ended');
    expect(ends).toEqual([{ reason: 'expired', code: 'cookie_missing', here: true }]);
  });
});

describe('time', () => {
  test('after a reload the age of the token is known', async () => {
    const { open, issuer, advance } = scene();
    await open().login(LOGIN);
    await advance(14.9 * MINUTE);
    const reloaded = open();
    await reloaded.getAccessToken();
    expect(issuer.count('/oauth2/token')).toBe(0);
    await advance(0.2 * MINUTE);
    await reloaded.getAccessToken();
    expect(issuer.count('/oauth2/token')).toBe(1);
  });

  test.each([
    ['ten minutes ahead', 10 * MINUTE],
    ['ten minutes behind', -10 * MINUTE],
  ])('a wall clock that is %s changes nothing', async (_, off) => {
    const { open, issuer, advance, setWall } = scene();
    setWall(off);
    const session = open();
    session.start();
    await session.login(LOGIN);
    await advance(60 * MINUTE);
    expect(issuer.count('/oauth2/token')).toBe(7);
    open().start();
    await advance(1_000);
    expect(issuer.count('/oauth2/token')).toBe(7);
  });

  test('a clock that is set forward renews once, one that is set back changes nothing', async () => {
    const { open, issuer, advance, setWall } = scene();
    const session = open();
    session.start();
    await session.login(LOGIN);
    setWall(10 * MINUTE);
    await advance(MINUTE);
    expect(issuer.count('/oauth2/token')).toBe(1);
    await advance(5 * MINUTE);
    setWall(-10 * MINUTE);
    await advance(4 * MINUTE);
    expect(issuer.count('/oauth2/token')).toBe(2);
  });

  test('a token from before the clock was set back is renewed after a reload', async () => {
    const { open, issuer, setWall } = scene();
    await open().login(LOGIN);
    setWall(-10 * MINUTE);
    await open().getAccessToken();
    expect(issuer.count('/oauth2/token')).toBe(1);
  });

  test('a machine that slept for an hour uses no token from before', async () => {
    const { open, issuer, sleep } = scene();
    const session = open();
    await session.login(LOGIN);
    const before = await session.getAccessToken();
    sleep(60 * MINUTE);
    expect(await session.getAccessToken()).not.toBe(before);
    expect(issuer.count('/oauth2/token')).toBe(1);
  });
});
