import { inactiveAfter } from '@rescind/client/inactivity';
import { settle } from '@rescind/client/test';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { API, LOGIN, scene } from '../../support/client.ts';

const TOKEN = '/oauth2/token';
const MINUTE = 60_000;

describe('renewing on time', () => {
  test('renews at refresh_in with jitter, and again after that', async () => {
    const { open, issuer, advance } = scene();
    const session = open();
    session.start();
    await session.login(LOGIN);
    await advance(7.4 * MINUTE);
    expect(issuer.count(TOKEN)).toBe(0);
    await advance(1 * MINUTE);
    expect(issuer.count(TOKEN)).toBe(1);
    await advance(60 * MINUTE);
    expect(issuer.count(TOKEN)).toBe(8);
    expect(session.getSnapshot().status).toBe('active');
  });

  test('renews a lead time before the end at the latest, whatever refresh_in says', async () => {
    const { open, issuer, advance } = scene();
    const session = open({ leadMs: 2 * MINUTE });
    session.start();
    const tokens = { access_token: 'a.b.c', expires_in: 900, refresh_in: 900, refresh_token: 'sid-1.1', sid: 'sid-1' };
    await session.login(tokens);
    await advance(12.9 * MINUTE);
    expect(issuer.count(TOKEN)).toBe(0);
    await advance(0.2 * MINUTE);
    expect(issuer.count(TOKEN)).toBe(1);
  });

  test('does nothing on time before start(), and nothing after stop()', async () => {
    const { open, issuer, advance, timers } = scene();
    const session = open();
    await session.login(LOGIN);
    expect(timers()).toBe(0);
    session.start();
    session.stop();
    await advance(60 * MINUTE);
    expect(issuer.count(TOKEN)).toBe(0);
    await expect(session.getAccessToken()).resolves.toMatch(/^e30\./);
    expect(issuer.count(TOKEN)).toBe(1);
  });

  test('a token with a long life overflows no timer', async () => {
    const { open, issuer, advance } = scene({ life: 90 * 86_400 });
    const session = open();
    session.start();
    await session.login(LOGIN);
    await advance(10 * MINUTE);
    expect(issuer.count(TOKEN)).toBe(0);
  });

  test('uses the token without waiting while an early renewal is on its way', async () => {
    const { open, issuer, advance } = scene();
    const session = open();
    await session.login(LOGIN);
    await advance(9 * MINUTE);
    issuer.faults.push('hang');
    const { status } = await session.fetch(`${API}/prices`);
    await settle();
    expect([status, issuer.count(TOKEN)]).toEqual([200, 1]);
  });

  test('stops renewing without input in any tab, and resumes at the next input', async () => {
    const { open, issuer, advance, clock } = scene();
    const page = new EventTarget();
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    onTestFinished(() => void vi.unstubAllGlobals());
    const session = open({ lifecycle: inactiveAfter(10 * MINUTE, clock.monotonic) });
    session.start();
    await session.login(LOGIN);
    await advance(60 * MINUTE);
    expect(issuer.count(TOKEN)).toBe(1);
    const other = inactiveAfter(10 * MINUTE, clock.monotonic);
    const stop = other.onWake(() => undefined);
    page.dispatchEvent(new Event('keydown'));
    await vi.waitFor(() => expect(issuer.count(TOKEN)).toBe(2), 10_000);
    expect(other.isActive?.()).toBe(true);
    stop();
    expect(() => inactiveAfter(0)).toThrow(TypeError);
  });
});

describe('one flight', () => {
  test('50 callers share one refresh', async () => {
    const { open, issuer, advance } = scene();
    const session = open();
    await session.login(LOGIN);
    await advance(20 * MINUTE);
    const tokens = await Promise.all(Array.from({ length: 50 }, () => session.getAccessToken()));
    expect([new Set(tokens).size, issuer.count(TOKEN)]).toEqual([1, 1]);
  });

  test('a call in the microtask in which the flight settles sends no used token', async () => {
    const { open, issuer } = scene();
    const session = open();
    await session.login(LOGIN);
    await session.renew().then(() => session.renew());
    await Promise.all([session.renew(), session.renew().then(() => session.renew())]);
    const sent = issuer.requests.filter(({ path }) => path === TOKEN).map(({ body }) => body);
    expect(new Set(sent).size).toBe(sent.length);
    expect(session.getSnapshot().status).toBe('active');
  });

  test('a refresh that never ends is given up after 10 s, and every caller gets the same error', async () => {
    const { open, issuer, advance } = scene();
    const session = open();
    await session.login(LOGIN);
    await advance(20 * MINUTE);
    issuer.faults.push('hang');
    const calls = [session.getAccessToken(), session.fetch(`${API}/a`), session.renew()].map((call) =>
      call.then(
        () => 'done',
        (error: Error & { code?: string }) => error.code,
      ),
    );
    await advance(10_000);
    expect(await Promise.all(calls)).toEqual(['offline', 'offline', 'offline']);
    await advance(5_000);
    await expect(session.getAccessToken()).resolves.toMatch(/^e30\./);
  });

  test('an abort rejects the call of its caller only', async () => {
    const { open, issuer, advance } = scene();
    const session = open();
    await session.login(LOGIN);
    await advance(20 * MINUTE);
    const abort = new AbortController();
    const calls = Array.from({ length: 10 }, (_, at) =>
      session.fetch(`${API}/a`, at === 0 ? {} : { signal: abort.signal }).then(
        ({ status }) => status,
        (error: Error) => error.name,
      ),
    );
    abort.abort();
    expect(await Promise.all(calls)).toEqual([200, ...Array(9).fill('AbortError')]);
    expect([issuer.count(TOKEN), session.getSnapshot().status]).toEqual([1, 'active']);
  });

  test('listeners that throw, wait for the session or never end affect no other listener and no call', async () => {
    const { open, advance } = scene();
    const report = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const session = open();
    const seen: string[] = [];
    session.subscribe(() => {
      throw new Error('of a listener');
    });
    session.subscribe(async () => void seen.push(await session.getAccessToken()));
    session.subscribe(() => new Promise<void>(() => undefined));
    await session.login(LOGIN);
    await advance(20 * MINUTE);
    await expect(session.getAccessToken()).resolves.toMatch(/^e30\./);
    await settle();
    expect(seen.length).toBeGreaterThanOrEqual(2);
    expect(report).toHaveBeenCalled();
  });
});

describe('a failure that is not a logout', () => {
  const empty = new Response('', { status: 200 });
  const faults = [
    ...[408, 429, 500, 502, 503, 504].map((status) => [`a ${status}`, status] as const),
    ['no connection', 'offline'] as const,
    ['a lost response', 'lost'] as const,
    ['an empty 200', () => empty] as const,
    ['a 200 of a captive portal', () => new Response('<html>Welcome</html>')] as const,
    ['a cut body', () => new Response('{"access_token":"e30.')] as const,
    ['a 404 of a proxy', () => new Response('<html>not here</html>', { status: 404 })] as const,
    ['a refused client', () => new Response('{"error":"invalid_client"}', { status: 401 })] as const,
  ];
  test.each(faults)('%s keeps the session, which then renews', async (_, fault) => {
    const { open, issuer, advance } = scene();
    const ends: unknown[] = [];
    const session = open();
    session.onSessionEnd((end) => void ends.push(end));
    session.start();
    await session.login(LOGIN);
    issuer.faults.push(fault);
    await advance(8.26 * MINUTE);
    expect(session.getSnapshot()).toMatchObject({ status: 'waiting', sid: 'sid-1' });
    await expect(session.getAccessToken()).resolves.toMatch(/^e30\./);
    await advance(10 * MINUTE);
    expect(session.getSnapshot().status).toBe('active');
    expect(ends).toEqual([]);
  });

  test('offline for five minutes: at most 12 attempts, and one at once when the connection is back', async () => {
    const { open, issuer, advance } = scene();
    let wake: () => void = () => undefined;
    const lifecycle = {
      onWake(listener: () => void) {
        wake = listener;
        return () => undefined;
      },
    };
    const session = open({ lifecycle });
    session.start();
    await session.login(LOGIN);
    await advance(7.5 * MINUTE);
    issuer.faults.push(...Array<'offline'>(200).fill('offline'));
    await advance(0.5 * MINUTE);
    const before = issuer.count(TOKEN);
    await advance(5 * MINUTE);
    expect(issuer.count(TOKEN) - before).toBeGreaterThanOrEqual(4);
    expect(issuer.count(TOKEN) - before).toBeLessThanOrEqual(12);
    issuer.faults.length = 0;
    await advance(6_000);
    wake();
    await settle();
    expect(session.getSnapshot().status).toBe('active');
  });

  test('failures in a row change the snapshot once, and the claims stay', async () => {
    const { open, issuer, advance } = scene();
    const session = open();
    session.start();
    await session.login(LOGIN);
    await settle();
    const { claims } = session.getSnapshot();
    let changes = 0;
    session.subscribe(() => {
      changes += 1;
    });
    issuer.faults.push(...Array<'offline'>(50).fill('offline'));
    await advance(12 * MINUTE);
    expect(issuer.count(TOKEN)).toBeGreaterThan(3);
    expect([changes, session.getSnapshot()]).toMatchObject([1, { status: 'waiting', problem: 'offline', claims }]);
  });

  test('a caller waits for no attempt during the cool-down, and gets the same error', async () => {
    const { open, issuer, advance } = scene();
    const session = open();
    await session.login(LOGIN);
    await advance(20 * MINUTE);
    issuer.faults.push('offline', 'offline');
    for (let call = 0; call < 10; call += 1) await expect(session.getAccessToken()).rejects.toThrow('offline');
    expect(issuer.count(TOKEN)).toBe(1);
  });

  test.each([
    ['seconds', '120', 120_000],
    ['a date', new Date(1_800_000_000_000 + 20 * MINUTE + 120_000).toUTCString(), 120_000],
    ['an hour, of which five minutes count', '3600', 300_000],
  ])('obeys Retry-After: %s', async (_, retryAfter, pause) => {
    const { open, issuer, advance } = scene();
    const session = open();
    await session.login(LOGIN);
    await advance(20 * MINUTE);
    const busy = () => new Response('{"code":"busy"}', { status: 503, headers: { 'retry-after': retryAfter } });
    issuer.faults.push(busy);
    await expect(session.getAccessToken()).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: pause });
    await advance(pause - 1_000);
    await expect(session.getAccessToken()).rejects.toThrow('unavailable');
    expect(issuer.count(TOKEN)).toBe(1);
    await advance(1_000);
    await expect(session.getAccessToken()).resolves.toMatch(/^e30\./);
  });

  test('the response to a refresh is lost, and the machine sleeps for a day: the same session continues', async () => {
    const { open, issuer, advance, sleep } = scene();
    const session = open();
    await session.login(LOGIN);
    await advance(20 * MINUTE);
    issuer.faults.push('lost');
    await expect(session.getAccessToken()).rejects.toThrow('offline');
    sleep(24 * 60 * MINUTE);
    await advance(6_000);
    await expect(session.getAccessToken()).resolves.toMatch(/^e30\./);
    expect(session.getSnapshot()).toMatchObject({ status: 'active', sid: 'sid-1' });
  });
});

describe('the end of a session', () => {
  test.each([
    ['grant_reused', undefined, 'reuse'],
    ['grant_suspended', 'suspended', 'account'],
    ['reauthentication_required', 'password_reset', 'reauthentication'],
    ['grant_invalid', 'logout_others', 'logout'],
    ['grant_invalid', 'session_revoked', 'revoked'],
    ['grant_invalid', undefined, 'expired'],
  ])('%s (%s) ends it once, as %s, and nothing is sent after that', async (code, reason, expected) => {
    const { open, issuer, advance } = scene();
    const ends: unknown[] = [];
    const session = open();
    session.onSessionEnd((end) => void ends.push(end));
    session.start();
    await session.login(LOGIN);
    await advance(MINUTE);
    const refusal = JSON.stringify({ error: 'invalid_grant', code, reason });
    issuer.faults.push(() => new Response(refusal, { status: 400 }));
    const refused = session.renew().catch((error: { code?: string }) => error.code);
    await advance(1_000);
    expect(await refused).toBe('session_ended');
    const sent = issuer.requests.length;
    await advance(60 * MINUTE);
    await expect(session.fetch(`${API}/prices`)).rejects.toMatchObject({ code: 'session_ended' });
    await expect(session.getAccessToken()).rejects.toMatchObject({ code: 'session_ended' });
    await expect(session.renew()).rejects.toMatchObject({ code: 'session_ended' });
    expect(issuer.requests.length).toBe(sent);
    expect(ends).toEqual([{ reason: expected, code, here: true }]);
    expect(session.getSnapshot()).toMatchObject({ status: 'ended', endedBy: expected, claims: {} });
  });
});

test('changed claims arrive with the next renewal', async () => {
  const { open, issuer } = scene();
  const session = open();
  await session.login(LOGIN);
  const before = session.getSnapshot();
  expect(before.claims).toMatchObject({ sub: 'ada', role: 'reader' });
  expect(session.getSnapshot()).toBe(before);
  issuer.changeClaims('auditor');
  const { status } = await session.fetch(`${API}/prices`);
  expect([status, session.getSnapshot().claims.role]).toEqual([200, 'auditor']);
});

test('10,000 sessions outside of a page leave no timer', async () => {
  const { open, timers } = scene();
  for (let at = 0; at < 10_000; at += 1) expect(open({ storage: 'memory' }).getSnapshot().status).toBe('loading');
  await settle();
  expect(timers()).toBe(0);
});
