import type { DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { issuedAt } from '@rescind/revocation/judge';
import type { VerifiedToken } from '@rescind/token';
import type { SeenToken, VerifiedTokenCache } from '../cache/verified-token-cache.ts';
import type { Decider, Decision, Refused } from '../decision.ts';
import { denial } from '../decision.ts';
import type { RoutePolicy } from '../route.ts';
import type { SoftExpiry } from '../soft-expiry.ts';
import { softExpiryTime } from '../soft-expiry.ts';
import { createExpiryWheel } from './expiry-wheel.ts';
import { createTokenIndex } from './token-index.ts';

/** Why a token must be replaced by a newer one of the same session. */
export interface RenewalRequest {
  /** `token_expired`: it expires soon. `token_revoked`: it is refused from now on, and its session has not ended. */
  readonly code: 'token_expired' | 'token_soft_expired' | 'token_revoked';
  /** Without a newer token the connection ends after this time, in ms. */
  readonly withinMs: DurationMs;
}

/** A user of a token for longer than one request, such as a socket. */
export interface TokenWatcher {
  /** Called once for each token that has to be replaced; of a token whose renewal was requested before, during `watch` or `replace`. */
  onRenew(request: RenewalRequest): void;
  /** Called once, when the token is no longer accepted and no renewal is awaited; in the tick in which a revocation is enforced. */
  onEnd(refused: Refused): void;
}

/** A token that is followed until it ends. */
export interface WatchedToken {
  readonly token: VerifiedToken;
  /** Decides again, with the route of the watch. Cheap: some 0.3 µs where nothing has changed. It never asks for a renewal. */
  decide(): Decision;
  /**
   * Follows a newer token of the same session, which the guard has just accepted, in place of this one.
   * @throws RescindError `token_claim_wrong` for another `iss`, `sub` or `sid`, or an earlier `iat`; `stopping`; `token_key_unknown` as `watch`
   */
  replace(token: VerifiedToken): void;
  /** Stops. @param ended why a connection was ended, for `rescind_sockets_ended_total`; absent: the client closed it */
  close(ended?: string): void;
}

/** A live token, once, however many connections use it. */
interface LiveToken {
  readonly seen: SeenToken;
  readonly watchers: Set<Watching>;
  state: 'valid' | 'renewing' | 'ended';
  /** When it ends unless it is replaced. */
  endsAt: EpochMillis;
  renewal: RenewalRequest['code'] | undefined;
}

interface Watching {
  readonly watcher: TokenWatcher;
  live: LiveToken;
}

/** The index of live tokens. */
export interface LiveTokens {
  watch(token: VerifiedToken, watcher: TokenWatcher, route: RoutePolicy): WatchedToken;
  /** Ends what is due, and reports metrics. The guard calls it every second. */
  tick(): void;
  /** Ends all. */
  close(): void;
}

export interface LiveTokensParts {
  readonly decider: Decider;
  readonly cache: Pick<VerifiedTokenCache, 'follow'>;
  readonly softExpiry: SoftExpiry | false;
  readonly telemetry: Telemetry;
  onCommitted(listener: (cutoffs: readonly CutOffRow[]) => void): void;
}

/** How long before its end a token is to be renewed: at most this, and at most a third of its life. */
const RENEW_BEFORE_MS: DurationMs = 30_000;
/** How long a renewal after a soft revocation or a soft expiry may take. */
const RENEWAL_GRACE_MS: DurationMs = 30_000;
/** So long tokens are examined and ended in one turn of the event loop. The end of a socket takes some 0.1 ms. */
const SLICE_MS: DurationMs = 4;
/** The pause between two slices, in which the event loop handles requests, and the close events of the connections that have ended. */
const PAUSE_MS: DurationMs = 4;

export function createLiveTokens(parts: LiveTokensParts): LiveTokens {
  const { decider, cache, telemetry } = parts;
  const tokens = new Map<string, LiveToken>();
  const index = createTokenIndex<LiveToken>();
  const wheel = createExpiryWheel<LiveToken>();
  const work = createSlices<LiveToken>(examine);
  let connections = 0;
  let isClosed = false;

  const indexed = ({ seen: { token, trusted } }: LiveToken) => trusted.toIndexed(token);

  function notify(live: LiveToken, call: (watcher: TokenWatcher) => void, watchings = [...live.watchers]): void {
    for (const watching of watchings) {
      // Another watcher's call may have closed or moved this one.
      if (!live.watchers.has(watching)) continue;
      try {
        call(watching.watcher);
      } catch (error) {
        telemetry.log('error', 'token_watcher_failed', { error: error instanceof Error ? error.message : 'unknown' });
      }
    }
  }

  function end(live: LiveToken, refused: Refused): void {
    if (live.state === 'ended') return;
    live.state = 'ended';
    remove(live);
    notify(live, (watcher) => watcher.onEnd(refused));
  }

  function remove(live: LiveToken): void {
    if (tokens.get(live.seen.text) === live) tokens.delete(live.seen.text);
    index.delete(indexed(live), live);
    wheel.delete(live);
  }

  function requestRenewal(live: LiveToken, code: RenewalRequest['code'], at: EpochMillis, endsAt: EpochMillis): void {
    if (live.renewal === code) return;
    live.state = 'renewing';
    live.renewal = code;
    live.endsAt = Math.min(live.endsAt, endsAt);
    wheel.set(live, live.endsAt);
    const withinMs = Math.max(0, live.endsAt - at);
    notify(live, (watcher) => watcher.onRenew({ code, withinMs }));
  }

  /** Judges a token by the rows, and ends it or asks for its renewal. */
  function examine(live: LiveToken): void {
    if (live.state === 'ended') return;
    const refused = judged(live);
    if (refused === undefined) return;
    const at = decider.time();
    const isSoft = refused.revoked !== undefined && !refused.revoked.endsSession;
    if (isSoft) requestRenewal(live, 'token_revoked', at, at + RENEWAL_GRACE_MS);
    else end(live, refused);
  }

  function judged({ seen: { trusted, token } }: LiveToken): Refused | undefined {
    try {
      return denial(trusted, token);
    } catch (error) {
      // Fails closed: a token that cannot be judged is not used any longer.
      return { accepted: false, error: error instanceof RescindError ? error : new RescindError('internal') };
    }
  }

  function committed(cutoffs: readonly CutOffRow[]): void {
    if (tokens.size === 0) return;
    const found: LiveToken[] = [];
    for (const cutoff of cutoffs) {
      const entries = index.find(cutoff);
      if (entries === undefined) work.addAll(tokens);
      else for (const entry of entries) found.push(entry);
    }
    work.add(found);
  }

  function dueAt(live: LiveToken, at: EpochMillis): void {
    if (live.state === 'ended') return;
    const { until } = live.seen;
    if (live.state === 'valid' && at < until) {
      if (softTime(live) <= at) requestRenewal(live, 'token_soft_expired', at, at + RENEWAL_GRACE_MS);
      else requestRenewal(live, 'token_expired', at, until);
      return;
    }
    const refused = judged(live);
    end(live, refused ?? { accepted: false, error: new RescindError('token_expired') });
  }

  const softTime = ({ seen: { token } }: LiveToken): EpochMillis =>
    parts.softExpiry === false ? Number.POSITIVE_INFINITY : softExpiryTime(token.payload, parts.softExpiry);

  function follow(token: VerifiedToken): LiveToken {
    const known = tokens.get(token.token);
    if (known !== undefined) return known;
    const trusted = decider.trustedOf(token.token);
    const seen = cache.follow(token, trusted);
    if (seen === undefined) throw new RescindError('token_key_unknown');
    const live: LiveToken = {
      seen,
      watchers: new Set(),
      state: 'valid',
      endsAt: seen.until,
      renewal: undefined,
    };
    tokens.set(seen.text, live);
    index.add(indexed(live), live);
    const lifeMs = Math.max(0, seen.until - (issuedAt(token.payload) ?? seen.until));
    wheel.set(live, Math.min(seen.until - Math.min(RENEW_BEFORE_MS, lifeMs / 3), softTime(live)));
    return live;
  }

  function join(watching: Watching): void {
    const { live } = watching;
    const requested = live.renewal;
    live.watchers.add(watching);
    // A cut-off may have arrived between the decision and this call.
    examine(live);
    if (requested === undefined || live.state !== 'renewing' || live.renewal !== requested) return;
    // The other watchers were called when the renewal was requested.
    const withinMs = Math.max(0, live.endsAt - decider.time());
    notify(live, (watcher) => watcher.onRenew({ code: requested, withinMs }), [watching]);
  }

  function leave(watching: Watching): void {
    const { live } = watching;
    live.watchers.delete(watching);
    if (live.watchers.size > 0) return;
    live.state = 'ended';
    remove(live);
  }

  parts.onCommitted(committed);
  return {
    watch(token, watcher, given) {
      if (isClosed) throw new RescindError('stopping', { retryAfter: 1 });
      // The wheel asks for renewals; nothing is introspected in the middle of a connection.
      const route = { ...given, softExpiry: false, introspect: undefined } as const;
      const policy: RoutePolicy = route.stale === 'introspect' ? { ...route, stale: 'deny' } : route;
      const live = follow(token);
      const watching: Watching = { watcher, live };
      connections += 1;
      let isOpen = true;
      join(watching);
      return {
        get token() {
          return watching.live.seen.token;
        },
        decide: () => decider.decideFollowed(watching.live.seen, policy),
        replace(next) {
          requireSameSession(watching.live.seen.token, next);
          if (!isOpen || next.token === watching.live.seen.text) return;
          if (isClosed) throw new RescindError('stopping', { retryAfter: 1 });
          const successor = follow(next);
          leave(watching);
          watching.live = successor;
          join(watching);
        },
        close(ended) {
          if (!isOpen) return;
          isOpen = false;
          connections -= 1;
          leave(watching);
          if (ended !== undefined) telemetry.count('rescind_sockets_ended_total', { reason: ended });
        },
      };
    },
    tick() {
      const at = decider.time();
      const due = wheel.due(at);
      work.add(due, (live) => dueAt(live, at));
      telemetry.gauge('rescind_live_tokens', tokens.size);
      telemetry.gauge('rescind_live_connections', connections);
    },
    close() {
      isClosed = true;
      const error = new RescindError('stopping', { retryAfter: 1 });
      for (const live of [...tokens.values()]) end(live, { accepted: false, error });
    },
  };
}

/** @throws RescindError `token_claim_wrong` */
function requireSameSession({ payload: before }: VerifiedToken, { payload: next }: VerifiedToken): void {
  for (const name of ['iss', 'sub', 'sid'] as const) {
    if (before[name] === next[name]) continue;
    throw new RescindError('token_claim_wrong', { detail: `${name} is that of another session` });
  }
  if (Number(next.iat) < Number(before.iat)) {
    throw new RescindError('token_claim_wrong', { detail: 'iat is earlier than that of the token before' });
  }
}

interface Slices<T> {
  /** Begins the work at once, and continues in slices if there is much. */
  add(entries: readonly T[], run?: (entry: T) => void): void;
  /** Does the work on all entries of this map, in slices. */
  addAll(entries: ReadonlyMap<string, T>): void;
}

interface Work<T> {
  readonly entries: Iterator<T>;
  readonly run: (entry: T) => void;
}

/** Long work in slices, so that requests are answered in between. Little work does not wait for the rest of long work. */
function createSlices<T>(work: (entry: T) => void): Slices<T> {
  const queue: Work<T>[] = [];
  let walk: { isStarted: boolean } | undefined;
  let isScheduled = false;

  function schedule(): void {
    if (isScheduled || queue.length === 0) return;
    isScheduled = true;
    setTimeout(() => {
      isScheduled = false;
      const [first] = queue;
      if (first !== undefined && isDone(first)) queue.shift();
      schedule();
    }, PAUSE_MS);
  }

  return {
    add(entries, run = work) {
      const given = { entries: entries.values(), run };
      if (!isDone(given)) queue.push(given);
      schedule();
    },
    addAll(entries) {
      // A walk that has not begun meets this change too.
      if (walk !== undefined && !walk.isStarted) return;
      const own = { isStarted: false };
      walk = own;
      const iterate = function* () {
        own.isStarted = true;
        yield* entries.values();
      };
      queue.push({ entries: iterate(), run: work });
      schedule();
    },
  };
}

/** Works for a slice. @returns whether all is done */
function isDone<T>({ entries, run }: Work<T>): boolean {
  const until = performance.now() + SLICE_MS;
  do {
    const { done, value } = entries.next();
    if (done) return true;
    run(value);
  } while (performance.now() < until);
  return false;
}
