import type { Clock, Lock, Session, SessionEnd, SessionRecord, SessionStore } from '@rescind/client';
import { createSession, memoryStore } from '@rescind/client';
import { openTestIssuer } from '@rescind/issuer/testing';
import type { Telemetry } from '@rescind/revocation';
import { RescindError, silentTelemetry } from '@rescind/revocation';

/** The counts, as measured at the issuer. */
export interface RefreshReport {
  readonly seed: number;
  /** Uses of refresh tokens, by what came of them: `rotated`, `repeated`, `recovered`, `reused`. */
  readonly results: Readonly<Record<string, number>>;
  readonly refreshes: number;
  readonly restarts: number;
  readonly faults: Readonly<Record<string, number>>;
  /** The violations, in words; empty if there are none. */
  readonly violations: readonly string[];
}

const ISSUER = 'https://issuer.test';
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** A small generator of random numbers (mulberry32): the same seed, the same run. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** The clocks and timers of the machine that the tabs run on. */
function createTime(offset: number, start: number) {
  let elapsed = 0;
  let awake = 0;
  let id = 0;
  const timers = new Map<number, { readonly at: number; readonly run: () => void }>();
  const clock: Clock = {
    now: () => start + offset + elapsed,
    monotonic: () => awake,
    setTimeout(run, delayMs) {
      id += 1;
      // Whole milliseconds, which the issuer requires of its clock.
      timers.set(id, { at: awake + Math.max(0, Math.ceil(delayMs)), run });
      return id;
    },
    clearTimeout: (timer) => void timers.delete(timer as number),
  };
  return {
    clock,
    /** The next timer within `ms`, and how long it is until then. */
    next(ms: number) {
      const [first] = [...timers].sort(([, one], [, other]) => one.at - other.at);
      if (first === undefined || first[1].at - awake > ms) return undefined;
      timers.delete(first[0]);
      return { run: first[1].run, inMs: Math.max(0, first[1].at - awake) };
    },
    pass(ms: number, isAwake: boolean) {
      elapsed += ms;
      if (isAwake) awake += ms;
    },
  };
}

/** A tab that can be killed in the middle of anything: from then on it writes nothing. */
interface Tab {
  readonly session: Session;
  readonly kill: () => void;
}

/**
 * Two tabs of one machine refresh a session of the real issuer, in memory, until there were `refreshes` uses of refresh tokens: responses
 * are lost and late, requests fail and hang, the store is slow, tabs are killed at any moment and opened again, the machine sleeps for hours, its clock is
 * wrong by up to ten minutes, and one tab in three has no lock.
 */
export async function runRefreshes(seed: number, refreshes: number): Promise<RefreshReport> {
  const random = createRandom(seed);
  const results: Record<string, number> = {};
  const faults: Record<string, number> = {};
  const violations: string[] = [];
  const telemetry: Telemetry = {
    ...silentTelemetry,
    count(name, labels) {
      if (name !== 'rescind_refresh_total') return;
      const result = String(labels !== undefined && 'result' in labels ? labels.result : '');
      results[result] = (results[result] ?? 0) + 1;
    },
  };
  await using kit = await openTestIssuer({ issuer: ISSUER, telemetry, at: 1_800_000_000_000 });
  const { issuer } = kit;
  const time = createTime(Math.round((random() - 0.5) * 20 * MINUTE), 1_800_000_000_000);
  const count = () => Object.values(results).reduce((sum, each) => sum + each, 0);

  let busy = 0;
  let deliveredAt = kit.clock.now();
  /** Refresh tokens whose successor has been stored. */
  const exchanged = new Set<string>();

  async function refresh(token: string): Promise<Response> {
    busy += 1;
    try {
      return Response.json(await issuer.refresh({ refreshToken: token, clientId: 'web' }));
    } catch (error) {
      if (!(error instanceof RescindError)) throw error;
      const { status, oauth, code, reason } = error;
      return Response.json({ error: oauth, code, reason }, { status });
    } finally {
      busy -= 1;
    }
  }

  /** The network of one tab. */
  const networkOf = (isAlive: () => boolean) =>
    (async (_: string, init: RequestInit) => {
      if (!isAlive()) throw new TypeError('the tab is gone');
      const token = new URLSearchParams(String(init.body)).get('refresh_token') ?? '';
      const fault = pick(random, { none: 60, lost: 12, offline: 6, failed: 8, late: 10, hangs: 2, garbage: 2 });
      faults[fault] = (faults[fault] ?? 0) + 1;
      if (exchanged.has(token)) violations.push(`a token was sent whose successor was stored (after ${count()})`);
      if (fault === 'offline') throw new TypeError('fetch failed');
      if (fault === 'failed') return new Response('<html>502</html>', { status: 502 });
      const response = await refresh(token);
      if (fault === 'lost') throw new TypeError('fetch failed');
      if (fault === 'garbage') return new Response('{"access_token":"e30');
      if (fault === 'hangs' || fault === 'late') {
        const wait = fault === 'late' ? random() * 9 * SECOND : HOUR;
        await new Promise<void>((resolve, reject) => {
          const timer = time.clock.setTimeout(resolve, wait);
          init.signal?.addEventListener('abort', () => {
            time.clock.clearTimeout(timer);
            reject(init.signal?.reason);
          });
        });
      }
      if (isAlive() && response.status === 200) deliveredAt = kit.clock.now();
      return response;
    }) as typeof globalThis.fetch;

  const shared = memoryStore(`refreshes ${seed}`);
  let holder: Promise<unknown> | undefined;
  /** As Web Locks, by the time of this run: a tab waits five seconds for another one that keeps the lock, and goes on. */
  const lock: Lock = async (_, work) => {
    const until = time.clock.monotonic() + 5 * SECOND;
    while (holder !== undefined && time.clock.monotonic() < until) {
      const waited = Promise.withResolvers<void>();
      const timer = time.clock.setTimeout(waited.resolve, until - time.clock.monotonic());
      await Promise.race([holder, waited.promise]);
      time.clock.clearTimeout(timer);
    }
    const running = work();
    const released = running
      .catch(() => undefined)
      .then(() => {
        if (holder === released) holder = undefined;
      });
    holder = released;
    return running;
  };
  /** One use of the store in five is late, so that those of two tabs change their order. */
  async function slowly(): Promise<void> {
    if (random() < 0.8) return;
    faults.slow = (faults.slow ?? 0) + 1;
    await new Promise<void>((resolve) => void time.clock.setTimeout(resolve, random() * 2 * SECOND));
  }

  function openTab(isLocked: boolean): Tab {
    let isAlive = true;
    const store: SessionStore = {
      name: shared.name,
      async read() {
        await slowly();
        return shared.read();
      },
      // A killed tab writes nothing, also what it has received already.
      async replace(expected, next) {
        await slowly();
        if (!isAlive) throw new Error('the tab is gone');
        const isStored = await shared.replace(expected, next);
        if (isStored && expected?.refreshToken !== next.refreshToken) exchanged.add(expected?.refreshToken ?? '');
        return isStored;
      },
    };
    const session = createSession({
      issuer: ISSUER,
      mode: 'body',
      storage: store,
      fetch: networkOf(() => isAlive),
      clock: time.clock,
      random,
      lock: isLocked ? lock : (_, work) => work(),
    });
    session.onSessionEnd((end: SessionEnd) => {
      if (isAlive) violations.push(`logged out: ${end.reason} ${end.code} (after ${count()})`);
    });
    session.start();
    const kill = () => {
      isAlive = false;
      session.stop();
    };
    return { session, kill };
  }

  /** Runs until everything waits for a timer. */
  async function idle(): Promise<void> {
    for (let quiet = 0; quiet < 4; quiet = busy > 0 ? 0 : quiet + 1)
      await new Promise((resolve) => setImmediate(resolve));
  }

  async function pass(ms: number): Promise<void> {
    let left = Math.round(ms);
    await idle();
    for (let next = time.next(left); next !== undefined; next = time.next(left)) {
      time.pass(next.inMs, true);
      kit.clock.advance(next.inMs);
      left -= next.inMs;
      next.run();
      await idle();
    }
    time.pass(left, true);
    kit.clock.advance(left);
    await idle();
  }

  function sleep(ms: number): void {
    // A client that receives no response for longer than the recovery loses its session, which is no violation.
    if (kit.clock.now() - deliveredAt + ms > 20 * HOUR) return;
    time.pass(ms, false);
    kit.clock.advance(ms);
  }

  /** Gets a token from a tab, which the issuer must accept. */
  async function use(tab: Tab): Promise<void> {
    let token: string;
    try {
      token = await tab.session.getAccessToken();
    } catch {
      // The tab is offline. Any other fault shows as the end of the session.
      return;
    }
    try {
      await issuer.verify(token);
    } catch (error) {
      violations.push(`handed out a dead token: ${String(error)}`);
    }
  }

  const policy = { refreshTokenTtlMs: 'never' } as const;
  const login = { sub: 'ada', clientId: 'web', audience: 'shop', credentialVersion: 1, policy };
  const tokens = await issuer.transaction((tx) => tx.beginSession(login));
  const tabs = [openTab(true), openTab(random() < 0.5)];
  const loggingIn = tabs[0]?.session.login(tokens);
  await pass(MINUTE);
  await loggingIn;
  let restarts = 0;
  const pending = new Set<Promise<unknown>>();
  const begin = (work: Promise<unknown>) => {
    const settled = work.catch(() => undefined).finally(() => pending.delete(settled));
    pending.add(settled);
  };

  while (count() < refreshes && violations.length === 0) {
    const at = Math.floor(random() * 2);
    const tab = tabs[at] as Tab;
    const action = pick(random, { use: 20, renew: 40, both: 20, pass: 15, sleep: 2, restart: 3 });
    if (action === 'use') begin(use(tab));
    if (action === 'renew') begin(tab.session.renew());
    if (action === 'both') for (const each of tabs) begin(each.session.renew());
    if (action === 'pass') await pass(random() * 10 * MINUTE);
    if (action === 'sleep') sleep(Math.round(random() * 8 * HOUR));
    if (action === 'restart') {
      tab.kill();
      tabs[at] = openTab(random() < 0.67);
      restarts += 1;
    }
    await pass(random() < 0.5 ? 0 : random() * 6 * SECOND);
  }
  await pass(MINUTE);
  for (const tab of tabs) tab.kill();
  const stored: SessionRecord | undefined = await shared.read();
  if (stored?.ended !== undefined) violations.push(`the store says that the session ended: ${stored.ended}`);
  if ((results.reused ?? 0) > 0) violations.push(`the issuer saw ${results.reused} reuses`);
  return { seed, results, refreshes: count(), restarts, faults, violations };
}

function pick<K extends string>(random: () => number, weights: Readonly<Record<K, number>>): K {
  const entries = Object.entries(weights) as [K, number][];
  let left = random() * entries.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [name, weight] of entries) {
    left -= weight;
    if (left < 0) return name;
  }
  return entries[0]?.[0] as K;
}
