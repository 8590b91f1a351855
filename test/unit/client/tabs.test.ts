import type { SessionEnd, SessionRecord, SessionStore } from '@rescind/client';
import { memoryStore } from '@rescind/client';
import { settle } from '@rescind/client/test';
import { describe, expect, test, vi } from 'vitest';
import { API, LOGIN, scene } from '../../support/client.ts';

const TOKEN = '/oauth2/token';
const MINUTE = 60_000;

/** Two tabs of one session. */
async function twoTabs(
  options: Parameters<typeof scene>[0] = {},
  more: Parameters<ReturnType<typeof scene>['open']>[0] = {},
) {
  const all = scene(options);
  const ends: (readonly [tab: string, end: SessionEnd])[] = [];
  const open = (name: string) => {
    const session = all.open(more);
    session.onSessionEnd((end) => void ends.push([name, end]));
    session.start();
    return session;
  };
  const a = open('a');
  await a.login(LOGIN);
  const b = open('b');
  await settle();
  return { ...all, a, b, ends };
}

describe('two tabs', () => {
  test('the second one finds the session of the first', async () => {
    const { a, b, issuer } = await twoTabs();
    expect(b.getSnapshot()).toMatchObject({ status: 'active', sid: 'sid-1' });
    expect(await b.getAccessToken()).toBe(await a.getAccessToken());
    expect(issuer.count(TOKEN)).toBe(0);
  });

  test('share one refresh, and adopt what it received', async () => {
    const { a, b, issuer, advance } = await twoTabs();
    await advance(20 * MINUTE);
    const before = issuer.count(TOKEN);
    await advance(20 * MINUTE);
    expect(issuer.count(TOKEN) - before).toBeLessThanOrEqual(3);
    await Promise.all([a.renew(), b.renew()]);
    expect(await a.getAccessToken()).toBe(await b.getAccessToken());
  });

  test('both wake after an hour of sleep: one request', async () => {
    const { a, b, issuer, advance, sleep } = await twoTabs();
    sleep(60 * MINUTE);
    const tokens = await Promise.all([a.getAccessToken(), b.getAccessToken(), a.getAccessToken(), b.getAccessToken()]);
    await advance(0);
    expect([new Set(tokens).size, issuer.count(TOKEN)]).toEqual([1, 1]);
  });

  test('one that was logged out elsewhere ends with the reason, and the other one reports the logout as its own', async () => {
    const { a, ends } = await twoTabs();
    expect(await a.logout()).toEqual({ server: 'done' });
    await vi.waitFor(() => expect(ends).toHaveLength(2), 10_000);
    expect(ends).toEqual([
      ['a', { reason: 'logout', code: '', here: true }],
      ['b', { reason: 'logout', code: '', here: false }],
    ]);
  });

  test('another login ends the session of the other tab as replaced, which sends nothing of the new one', async () => {
    const { a, b, ends, issuer } = await twoTabs();
    await a.login({ ...LOGIN, username: 'grace' });
    await vi.waitFor(() => expect(ends).toHaveLength(2), 10_000);
    expect(ends.map(([tab, { reason, here }]) => [tab, reason, here]).sort()).toEqual([
      ['a', 'replaced', true],
      ['b', 'replaced', false],
    ]);
    await expect(b.fetch(`${API}/prices`)).rejects.toMatchObject({ code: 'session_ended' });
    expect(a.getSnapshot().claims.sub).toBe('grace');
    await vi.waitFor(() => expect(issuer.ended('sid-1')).toBe('logout'), 10_000);
    expect(issuer.ended('sid-2')).toBeUndefined();
  });

  test('a login appears in a tab that had no session', async () => {
    const { open } = scene();
    const [a, b] = [open(), open()];
    for (const tab of [a, b]) tab.start();
    await settle();
    expect(b.getSnapshot().status).toBe('anonymous');
    await a.login(LOGIN);
    await vi.waitFor(() => expect(b.getSnapshot().status).toBe('active'), 10_000);
  });

  test('a tab that missed every message reads the store when it wakes', async () => {
    const { open, issuer } = scene();
    const wakes: (() => void)[] = [];
    const lifecycle = {
      onWake(listener: () => void) {
        wakes.push(listener);
        return () => undefined;
      },
    };
    const a = open();
    await a.login(LOGIN);
    const frozen = open({ lifecycle });
    frozen.start();
    await frozen.getAccessToken();
    const ends: unknown[] = [];
    frozen.onSessionEnd((end) => void ends.push(end));
    await a.logout();
    await a.login({ ...LOGIN, username: 'grace' });
    for (const wake of wakes) wake();
    await vi.waitFor(() => expect(ends).toEqual([{ reason: 'replaced', code: '', here: false }]), 10_000);
    expect(issuer.count(TOKEN)).toBe(0);
  });

  test('in body mode each tab with a memory of its own has a session of its own, which the others leave alone', async () => {
    const { open, issuer } = scene();
    const [a, b] = [open({ storage: 'memory' }), open({ storage: 'memory' })];
    await a.login(LOGIN);
    await expect(b.getAccessToken()).rejects.toMatchObject({ code: 'not_logged_in' });
    await b.login({ ...LOGIN, username: 'grace' });
    for (const tab of [a, b, a]) await tab.renew();
    await b.logout();
    await a.renew();
    expect(a.getSnapshot()).toMatchObject({ status: 'active', sid: 'sid-1', claims: { sub: 'ada' } });
    expect([issuer.ended('sid-1'), issuer.ended('sid-2')]).toEqual([undefined, 'logout']);
  });

  test('in cookie mode a tab with a memory of its own asks the issuer when another one logs out', async () => {
    const { a, b, ends } = await twoTabs({ mode: 'cookie' });
    await a.logout();
    await vi.waitFor(() => expect(b.getSnapshot().status).toBe('ended'), 10_000);
    expect(ends.map(([tab]) => tab)).toEqual(['a', 'b']);
  });
});

describe('the lock', () => {
  test('a lock that is held for ever delays a renewal by five seconds', { timeout: 60_000 }, async () => {
    const { open, issuer, advance, store } = scene();
    const session = open();
    await session.login(LOGIN);
    await advance(20 * MINUTE);
    const held = Promise.withResolvers<void>();
    const name = `rescind https://login.example web ${store.name}`;
    const { locks } = navigator as unknown as {
      locks: { request(name: string, work: () => Promise<void>): Promise<void> };
    };
    const holding = locks.request(name, () => held.promise);
    const [token, early] = await Promise.all([session.getAccessToken(), settle().then(() => issuer.count(TOKEN))]);
    expect([token.slice(0, 4), early]).toEqual(['e30.', 0]);
    held.resolve();
    await holding;
  });

  test.each([
    ['is missing', undefined],
    ['refuses an opaque origin', { request: () => Promise.reject(new DOMException('no', 'SecurityError')) }],
    [
      'throws',
      {
        request: () => {
          throw new DOMException('no', 'SecurityError');
        },
      },
    ],
  ])('the session renews where it %s', async (_, locks) => {
    vi.stubGlobal('navigator', { locks });
    try {
      const { a, b, issuer, advance } = await twoTabs();
      await advance(20 * MINUTE);
      await Promise.all([a.renew(), b.renew(), a.getAccessToken(), b.getAccessToken()]);
      expect(issuer.count(TOKEN)).toBeGreaterThan(0);
      expect([a.getSnapshot().status, b.getSnapshot().status]).toEqual(['active', 'active']);
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test('without any lock, 200 concurrent renewals of two tabs end no session', async () => {
    const { a, b, ends, issuer, advance } = await twoTabs({}, { lock: (_, work) => work() });
    for (let round = 0; round < 200; round += 1) {
      await Promise.all([a.renew(), b.renew()]);
      await advance(1_000);
    }
    expect(ends).toEqual([]);
    expect(issuer.count(TOKEN)).toBeGreaterThanOrEqual(200);
    expect(await a.getAccessToken()).toBe(await b.getAccessToken());
  });

  test('a lock of the application that rejects is reported as `unavailable`, and the session waits', async () => {
    const { open } = scene();
    const session = open({ lock: () => Promise.reject(new Error('of the lock')) });
    await session.login(LOGIN);
    await expect(session.renew()).rejects.toMatchObject({ code: 'unavailable' });
    expect(session.getSnapshot().status).toBe('waiting');
  });

  test('no source of this package steals a lock', async () => {
    const { globSync, readFileSync } = await import('node:fs');
    const sources = globSync('packages/client/src/**/*.ts');
    expect(sources.length).toBeGreaterThan(8);
    expect(sources.filter((file) => /steal\s*:/.test(readFileSync(file, 'utf8')))).toEqual([]);
  });
});

describe('the store', () => {
  /** A store whose writes of one tab arrive late. */
  function slow(store: SessionStore) {
    const writes: (() => void)[] = [];
    const late: SessionStore = {
      name: store.name,
      read: store.read,
      async replace(expected, next) {
        await new Promise<void>((resolve) => void writes.push(resolve));
        return store.replace(expected, next);
      },
    };
    return { late, writes };
  }

  test('a late write of an older pair changes nothing, and its tab adopts the newer one', async () => {
    const { open, store, issuer } = scene();
    const free = { lock: <T>(_: string, work: () => Promise<T>) => work() };
    const a = open(free);
    await a.login(LOGIN);
    const { late, writes } = slow(store);
    const b = open({ ...free, storage: late });
    await b.getAccessToken();
    const renewing = b.renew();
    await vi.waitFor(() => expect(writes).toHaveLength(1), 10_000);
    await a.renew();
    await a.renew();
    writes[0]?.();
    await renewing;
    expect(await b.getAccessToken()).toBe(await a.getAccessToken());
    expect((await store.read())?.generation).toBe(3);
    expect(issuer.ended('sid-1')).toBeUndefined();
  });

  test('a tab whose token is refused because another one was faster adopts what that one has stored, and deletes nothing', async () => {
    const { open, issuer, store, advance } = scene();
    const free = { lock: <T>(_: string, work: () => Promise<T>) => work() };
    const [a, b] = [open(free), open(free)];
    await a.login(LOGIN);
    await b.getAccessToken();
    const ends: unknown[] = [];
    b.onSessionEnd((end) => void ends.push(end));
    issuer.faults.push(async () => {
      await a.renew();
      return new Response('{"error":"invalid_grant","code":"grant_invalid"}', { status: 400 });
    });
    const renewing = b.renew();
    await advance(1_000);
    await renewing;
    expect(ends).toEqual([]);
    expect(await b.getAccessToken()).toBe(await a.getAccessToken());
    expect(await store.read()).toMatchObject({ generation: 2, refreshToken: 'sid-1.2' });
  });

  test('a refresh that is on its way when the user logs out does not log in again', async () => {
    const { open, store, issuer } = scene();
    const { late, writes } = slow(store);
    const session = open({ storage: late });
    const login = session.login(LOGIN);
    await vi.waitFor(() => expect(writes).toHaveLength(1), 10_000);
    writes.shift()?.();
    await login;
    const renewing = session.renew().catch((error: { code?: string }) => error.code);
    await vi.waitFor(() => expect(writes).toHaveLength(1), 10_000);
    const leaving = session.logout();
    await vi.waitFor(() => expect(writes).toHaveLength(2), 10_000);
    for (const write of [...writes].reverse()) write();
    await vi.waitFor(() => expect(writes.length).toBeGreaterThanOrEqual(3), 10_000);
    const timer = setInterval(() => writes.forEach((write) => void write()), 1);
    expect([await leaving, await renewing]).toEqual([{ server: 'done' }, 'session_ended']);
    clearInterval(timer);
    expect(await store.read()).toMatchObject({ ended: 'logout', accessToken: '' });
    expect(JSON.stringify(await store.read())).not.toContain('e30.');
    expect(issuer.ended('sid-1')).toBe('logout');
  });

  test('one that fails keeps the session in memory, and names the problem', async () => {
    const { open, advance } = scene();
    const broken: SessionStore = {
      name: 'broken',
      read: () => Promise.reject(new Error('denied')),
      replace: () => Promise.reject(new Error('full')),
    };
    const session = open({ storage: broken });
    await session.login(LOGIN);
    await advance(20 * MINUTE);
    await expect(session.getAccessToken()).resolves.toMatch(/^e30\./);
    expect(session.getSnapshot()).toMatchObject({ status: 'active' });
  });

  test('one that was emptied by hand is filled again', async () => {
    const { open } = scene();
    let inner = memoryStore('emptied');
    const store: SessionStore = { name: 'emptied', read: () => inner.read(), replace: (a, b) => inner.replace(a, b) };
    const session = open({ storage: store });
    await session.login(LOGIN);
    inner = memoryStore('emptied');
    await session.renew();
    expect(await store.read()).toMatchObject({ sid: 'sid-1', generation: 2 });
  });

  test('writes only where the record is the one that was read', async () => {
    const store = memoryStore('one');
    const record = { sid: 'a', generation: 1 } as SessionRecord;
    expect(await store.replace(undefined, record)).toBe(true);
    expect(await store.replace(undefined, { ...record, generation: 2 })).toBe(false);
    expect(await store.replace({ ...record, sid: 'b' }, { ...record, generation: 2 })).toBe(false);
    expect(await store.replace(record, { ...record, generation: 2 })).toBe(true);
    expect(await store.read()).toMatchObject({ generation: 2 });
  });
});
