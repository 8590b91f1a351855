import type { SessionStore } from '@rescind/client';
import { createSession, memoryStore } from '@rescind/client';
import { createFakeIssuer, createTestClock, settle } from '@rescind/client/test';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { LOGIN, scene } from '../../support/client.ts';

const TOKEN = '/oauth2/token';
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const json = (body: object, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json', ...headers } });
const tokens = (more: object) => ({
  access_token: 'e30.eyJuIjo5OX0.s',
  refresh_token: 'sid-1.1',
  sid: 'sid-1',
  expires_in: 900,
  ...more,
});

/** A session whose issuer responds so to the next refresh. */
async function refreshedBy(response: Response) {
  const all = scene();
  const ends: unknown[] = [];
  const session = all.open();
  session.onSessionEnd((end) => void ends.push(end));
  session.start();
  await session.login(LOGIN);
  all.issuer.faults.push(() => response);
  await session.renew().catch(() => undefined);
  return { ...all, session, ends };
}

describe('an issuer that responds oddly', () => {
  test.each([
    ['a life of 31,700 years', { expires_in: 1e12 }, [0, 0]],
    ['a life in text', { expires_in: '900', refresh_in: '450' }, [1, 8]],
    ['refresh_in beyond the life', { refresh_in: 1e9 }, [1, 8]],
    ['a negative refresh_in', { refresh_in: -5 }, [1, 8]],
    ['refresh_in 0', { refresh_in: 0 }, [1, 8]],
    ['refresh_in null', { refresh_in: null }, [1, 8]],
    ['refresh_in of no number', { refresh_in: 'soon' }, [1, 8]],
  ] as const)(
    'with %s: the session stays active, and renews as often as its life requires',
    async (_, odd, [min, max]) => {
      const { issuer, session, ends, advance } = await refreshedBy(json(tokens(odd)));
      const before = issuer.count(TOKEN);
      await advance(HOUR);
      const renewals = issuer.count(TOKEN) - before;
      expect(renewals).toBeGreaterThanOrEqual(min);
      expect(renewals).toBeLessThanOrEqual(max);
      expect([session.getSnapshot().status, ends]).toEqual(['active', []]);
    },
  );

  test.each([
    ['no life', { expires_in: undefined }],
    ['a life of 0', { expires_in: 0 }],
    ['a negative life', { expires_in: -900 }],
    ['a life of no number', { expires_in: 'long' }],
    ['a life below one second', { expires_in: 0.001 }],
    ['an empty access token', { access_token: '' }],
    ['an access token of another type', { access_token: { token: 'x' } }],
    ['no sid', { sid: undefined }],
  ])('with %s: the session waits with what it has, and asks again with pauses', async (_, odd) => {
    const { issuer, session, ends, advance } = await refreshedBy(json(tokens(odd)));
    expect(session.getSnapshot()).toMatchObject({ status: 'waiting', problem: 'unavailable', sid: 'sid-1' });
    await expect(session.getAccessToken()).resolves.toMatch(/^e30\./);
    await advance(5 * MINUTE);
    expect(issuer.count(TOKEN)).toBeLessThanOrEqual(3);
    expect([session.getSnapshot().status, ends]).toEqual(['active', []]);
  });

  test.each([
    ['a 500', 500],
    ['a 503', 503],
    ['a 429', 429],
    ['a 200', 200],
    ['a 418', 418],
  ])('invalid_grant with %s is no refusal of the issuer, and ends no session', async (_, status) => {
    const { session, ends, advance } = await refreshedBy(json({ error: 'invalid_grant' }, status));
    expect(session.getSnapshot().status).toBe('waiting');
    await advance(5 * MINUTE);
    expect([session.getSnapshot().status, ends]).toEqual(['active', []]);
  });

  test.each(['-5', '0', 'soon', '', '1e99', 'Thu, 01 Jan 1970 00:00:00 GMT'])(
    'with Retry-After %j: asks again within ten minutes, and not at once',
    async (after) => {
      const { issuer, session, advance } = await refreshedBy(json({}, 503, { 'retry-after': after }));
      await advance(900);
      expect(issuer.count(TOKEN)).toBe(1);
      await advance(8 * MINUTE);
      expect(session.getSnapshot().status).toBe('active');
    },
  );

  test('claims that are no object are no claims', async () => {
    const { session } = await refreshedBy(json(tokens({ access_token: `e30.${btoa('null')}.s` })));
    expect(session.getSnapshot()).toMatchObject({ status: 'active', claims: {} });
  });

  test('tokens of another session end this one as replaced, and are not used', async () => {
    const { session, ends } = await refreshedBy(json(tokens({ sid: 'sid-2' })));
    expect(ends).toEqual([{ reason: 'replaced', code: '', here: false }]);
    await expect(session.getAccessToken()).rejects.toMatchObject({ code: 'session_ended' });
  });

  test.each([
    ['a page of a proxy', () => new Response('<html>Welcome</html>'), 'unavailable'],
    ['an empty 204', () => new Response(null, { status: 204 }), 'unavailable'],
    ['a 404 of a proxy', () => new Response('not here', { status: 404 }), 'unavailable'],
    ['a 503 with a code', () => json({ code: 'read_only' }, 503), 'unavailable'],
    ['a 429', () => json({ code: 'rate_limited' }, 429, { 'retry-after': '7' }), 'login_refused'],
  ])('the response %s to a login is no refusal of the credentials unless it has a code', async (_, fault, code) => {
    const { open, issuer } = scene();
    const session = open();
    session.start();
    await settle();
    issuer.faults.push(fault);
    await expect(session.login(LOGIN)).rejects.toMatchObject({ code });
    expect(session.getSnapshot().status).toBe('anonymous');
    await session.login(LOGIN);
    expect(session.getSnapshot().status).toBe('active');
  });

  test('a redirect is not followed: another address would receive the refresh token', async () => {
    const { open, issuer } = scene();
    const redirects: unknown[] = [];
    const session = open({
      fetch: (input, init) => {
        redirects.push(init?.redirect);
        return issuer.fetch(input, init);
      },
    });
    await session.login(LOGIN);
    await session.renew();
    await session.logout();
    expect(redirects).toEqual(['error', 'error', 'error']);
  });
});

describe('a store that does not work', () => {
  test('a store that never accepts a write prevents no login', async () => {
    const { open } = scene();
    const session = open({ storage: { name: 'loses', read: async () => undefined, replace: async () => false } });
    await session.login(LOGIN);
    await session.renew();
    expect(session.getSnapshot().status).toBe('active');
    expect(await session.logout()).toEqual({ server: 'done' });
  });

  test('a full store keeps the session in memory over many renewals', async () => {
    const { open, issuer, advance } = scene();
    const full = {
      name: 'full',
      read: async () => undefined,
      replace: async () => Promise.reject(new DOMException('full', 'QuotaExceededError')),
    };
    const session = open({ storage: full });
    session.start();
    await session.login(LOGIN);
    await advance(HOUR);
    expect(session.getSnapshot().status).toBe('active');
    expect(issuer.ended('sid-1')).toBeUndefined();
    expect(issuer.count(TOKEN)).toBeLessThanOrEqual(8);
  });

  test('a store that cannot be read at the start leaves nobody logged in, and the session does not stay loading', async () => {
    const { open } = scene();
    const blocked = async () => Promise.reject(new DOMException('blocked', 'SecurityError'));
    const session = open({ storage: { name: 'blocked', read: blocked, replace: blocked } });
    session.start();
    await settle();
    expect(session.getSnapshot().status).toBe('anonymous');
    await expect(session.getAccessToken()).rejects.toMatchObject({ code: 'not_logged_in' });
    await session.login(LOGIN);
    expect(session.getSnapshot().status).toBe('active');
  });
});

describe('a page that shares its cookie alone', () => {
  afterEach(() => void vi.unstubAllGlobals());

  /** Two applications of this page, or two tabs of one, whose refresh token is in the cookie of the fake issuer. */
  function page() {
    vi.stubGlobal('document', {
      baseURI: 'https://app.example/',
      addEventListener: () => undefined,
      removeEventListener: () => undefined,
    });
    const time = createTestClock();
    const issuer = createFakeIssuer({ clock: time.clock, mode: 'cookie' });
    const open = (clientId = `web ${Math.random()}`, storage?: SessionStore) => {
      const session = createSession({
        ...(storage && { storage }),
        issuer: 'https://login.example',
        clientId,
        fetch: issuer.fetch,
        clock: time.clock,
        random: () => 0.5,
      });
      onTestFinished(() => session.stop());
      return session;
    };
    return { ...time, issuer, open };
  }

  test.each([['offline'] as const, [503] as const, ['hang'] as const])(
    'whose issuer cannot be reached at the start (%s) asks again by itself, and is logged in',
    async (fault) => {
      const { issuer, open, advance } = page();
      await open().login(LOGIN);
      issuer.faults.push(fault, fault);
      const session = open();
      session.getSnapshot();
      await advance(900);
      expect(session.getSnapshot().status).toBe('loading');
      await advance(MINUTE);
      expect(session.getSnapshot()).toMatchObject({ status: 'active', sid: 'sid-1' });
    },
  );

  test('whose issuer responds after a failure that nobody is logged in, shows that, and asks no more', async () => {
    const { issuer, open, advance } = page();
    issuer.faults.push('offline');
    const session = open();
    session.getSnapshot();
    await advance(MINUTE);
    expect(session.getSnapshot().status).toBe('anonymous');
    const asked = issuer.count(TOKEN);
    await advance(HOUR);
    expect(issuer.count(TOKEN)).toBe(asked);
  });

  test('whose hint of a session was deleted sends nothing at its start, and is logged in by the cookie on demand', async () => {
    const { issuer, open } = page();
    await open('web').login(LOGIN);
    const session = open('web', memoryStore('emptied'));
    session.getSnapshot();
    await settle();
    expect([session.getSnapshot().status, issuer.count(TOKEN)]).toEqual(['anonymous', 0]);
    await session.renew();
    expect(session.getSnapshot()).toMatchObject({ status: 'active', sid: 'sid-1' });
  });

  test('a login of another user in a second tab ends the session of the first, which sends nothing of the second', async () => {
    const { issuer, open } = page();
    const [first, second] = [open('web'), open('web')];
    await first.login(LOGIN);
    const ends: unknown[] = [];
    first.onSessionEnd((end) => void ends.push(end));
    await second.login({ ...LOGIN, username: 'grace' });
    await vi.waitFor(() => expect(ends).toEqual([{ reason: 'replaced', code: '', here: false }]), 10_000);
    await expect(first.getAccessToken()).rejects.toMatchObject({ code: 'session_ended' });
    expect(first.getSnapshot()).toMatchObject({ status: 'ended', endedBy: 'replaced', claims: {} });
    expect(second.getSnapshot()).toMatchObject({ status: 'active', claims: { sub: 'grace' } });
    expect(await second.getAccessToken()).toBeTruthy();
    expect(issuer.ended('sid-2')).toBeUndefined();
  });
});
