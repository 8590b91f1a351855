import type { Clock, Lock } from './environment.ts';
import { ignore, within } from './environment.ts';
import { SessionError, sessionOver } from './error.ts';
import type { IssuerCalls, SessionMode, TokenResponse } from './issuer-calls.ts';
import { recordOf } from './issuer-calls.ts';
import type { EndReason, SessionRecord, SessionStore } from './record.ts';
import { ageOf } from './record.ts';
import type { SessionEnd, SessionState } from './state.ts';

interface RenewalOptions {
  readonly state: SessionState;
  /** Never throws. */
  readonly store: SessionStore;
  readonly calls: IssuerCalls;
  readonly mode: SessionMode;
  readonly clock: Clock;
  readonly random: () => number;
  readonly lock: Lock;
  /** Empty: nothing shares the session. */
  readonly lockName: string;
  /** Tells other tabs that the store has changed. */
  readonly changed: () => void;
}

export interface Renewal {
  /**
   * Gets a newer access token. Concurrent calls share one flight.
   * @param failedToken nothing is done if another token is in use already
   * @throws SessionError
   */
  renew(failedToken?: string): Promise<void>;
  /** An access token for another audience (RFC 8707), by a refresh of its own. @throws SessionError */
  issueFor(resource: string): Promise<TokenResponse>;
  /** Adopts what another tab has stored. Never throws. */
  sync(): Promise<void>;
  /** Ms until the next scheduled attempt, or the next one at all; undefined: nobody is logged in. */
  dueInMs(isWake?: boolean): number | undefined;
  /** Resolves when nothing is on its way to the issuer any more. */
  settled(): Promise<unknown>;
}

/** What one exchange did: it ended the session, or brought a record, which another tab or the issuer made. */
type Outcome = { readonly tokens?: TokenResponse } & (
  | { readonly end: SessionEnd; readonly record?: undefined }
  | { readonly end?: undefined; readonly record: SessionRecord; readonly isReceived?: boolean }
);

/** Half of the pause after the first failure. */
const HALF_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 60_000;
/** A user's call wakes a session that waits, so often at most. */
const COOL_DOWN_MS = 5_000;
const BEAT_MS = 250;

export function createRenewal(options: RenewalOptions): Renewal {
  const { state, store, calls, mode, clock, random, lock, lockName, changed } = options;
  let flight: Promise<void> | undefined;
  let failures = 0;
  let failedAt = 0;
  let pauseMs = 0;
  let lastError: SessionError | undefined;

  /** A newer state of the session in the store; undefined: nothing newer. */
  function newer(stored: SessionRecord | undefined): Outcome | undefined {
    const current = state.held?.record;
    if (!stored || !current) return undefined;
    const isSame = stored.sid === current.sid;
    const reason = isSame ? stored.ended : stored.ended ? undefined : 'replaced';
    if (reason) return { end: { reason, code: '', here: false } };
    return isSame && stored.generation > current.generation ? { record: stored } : undefined;
  }

  /**
   * Runs under the lock; sends the token that is stored at this moment, never one that a caller remembers.
   * @returns undefined: a login or a logout came between
   */
  async function exchange(epoch: number, resource?: string): Promise<Outcome | undefined> {
    const stored = await store.read();
    const found = newer(stored);
    if (found?.end || (found && !resource)) return found;
    const current = found?.record ?? state.held?.record;
    if (state.epoch !== epoch) return undefined;
    const requestedAt = clock.now();
    const result = await calls.refresh(current?.refreshToken, resource);
    if (state.epoch !== epoch) return undefined;

    if (result.end) {
      // Another tab may be about to store what it has received.
      if (lockName) await within(clock, BEAT_MS * (1 + random()), new Promise(ignore));
      const other = newer(await store.read());
      if (!other && current) await store.replace(stored, endedRecord(current, result.end.reason));
      return other ?? result;
    }
    const { tokens } = result;
    // The cookie is that of another login.
    if (current && tokens.sid !== current.sid) return { end: { reason: 'replaced', code: '', here: false } };
    const received = recordOf(tokens, mode, requestedAt, current);
    const { generation, refreshToken } = received;
    // The access token of another audience is not the session's own.
    const record = resource && current ? { ...current, generation, refreshToken } : received;
    const isStored = await store.replace(stored, record);
    // Another tab was faster, with the same successor or a later one; a logout wins over both.
    const other = isStored ? undefined : newer(await store.read());
    return { ...(other ?? { record, isReceived: !resource }), tokens };
  }

  async function run(resource?: string): Promise<Outcome | undefined> {
    if (lastError && clock.monotonic() - failedAt < (lastError.retryAfterMs ?? Math.min(COOL_DOWN_MS, pauseMs))) {
      throw lastError;
    }
    const epoch = state.epoch;
    const work = () => exchange(epoch, resource);
    try {
      const outcome = await (lockName ? lock(lockName, work) : work());
      // A logout may have come between the write and now: it has replaced what was written.
      failures = 0;
      lastError = undefined;
      if (!outcome || state.epoch !== epoch) return undefined;
      if (outcome.end) state.end(outcome.end);
      else state.adopt(outcome.record, outcome.isReceived);
      changed();
      return outcome;
    } catch (error) {
      failures += 1;
      failedAt = clock.monotonic();
      // Such as one of the application's own lock.
      lastError = error instanceof SessionError ? error : new SessionError('unavailable', { cause: error });
      // Not all tabs at once; never sooner than the issuer asked for.
      const backoffMs = Math.min(HALF_BACKOFF_MS * 2 ** failures, LONGEST_BACKOFF_MS);
      pauseMs = (lastError.retryAfterMs ?? backoffMs) * (1 + random() * 0.5);
      state.problem(lastError.code);
      throw lastError;
    }
  }

  /** A session that is over is not renewed. In cookie mode only the issuer knows whether there is one. */
  function requireSession(): void {
    if (state.held) return;
    if (state.snapshot.status === 'ended') throw sessionOver();
    if (mode === 'body') throw new SessionError('not_logged_in');
  }

  /** One exchange after another: each consumes the token that the one before has received. */
  let last: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const running = last.then(work, work);
    last = running.catch(ignore);
    return running;
  }

  return {
    async renew(failedToken) {
      const current = state.held?.record.accessToken;
      if (failedToken && current && current !== failedToken) return;
      requireSession();
      flight ??= inTurn(() => run())
        .then(ignore)
        .finally(() => {
          flight = undefined;
        });
      await flight;
      if (!state.held) throw sessionOver();
    },
    async issueFor(resource) {
      requireSession();
      const outcome = await inTurn(() => run(resource));
      if (outcome?.record && outcome.tokens) return outcome.tokens;
      throw sessionOver();
    },
    async sync() {
      const stored = await store.read();
      const found = newer(stored);
      if (found?.end) state.end(found.end);
      else if (found) state.adopt(found.record);
      else if (stored && !stored.ended && state.snapshot.status === 'anonymous') state.adopt(stored);
    },
    settled: () => last,
    dueInMs(isWake) {
      const { held, snapshot } = state;
      // A page that could not ask for its session yet asks again.
      const isWaiting = lastError && (held || snapshot.status === 'loading');
      if (isWaiting && !isWake) return failedAt + pauseMs - clock.monotonic();
      return held ? held.dueMs - ageOf(held, clock) : isWaiting ? 0 : undefined;
    },
  };
}

/** What remains of a session in the store. */
export function endedRecord(record: SessionRecord, ended: EndReason, pendingRevocation?: string): SessionRecord {
  const generation = record.generation + 1;
  return { ...record, generation, accessToken: '', refreshToken: undefined, ended, pendingRevocation };
}
