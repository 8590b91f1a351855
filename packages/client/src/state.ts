import type { Clock } from './environment.ts';
import { globals } from './environment.ts';
import type { SessionErrorCode } from './error.ts';
import type { EndReason, Held, SessionRecord } from './record.ts';
import { claimsOf, hold } from './record.ts';

/**
 * - `loading`: the store has not been read yet
 * - `anonymous`: nobody is logged in
 * - `active`: logged in
 * - `waiting`: logged in, but the issuer cannot be reached, or does not respond with tokens; the session retries by itself
 * - `ended`: the session is over
 */
type SessionStatus = 'loading' | 'anonymous' | 'active' | 'waiting' | 'ended';

/** What a user interface shows. Frozen, and the same object until something changes. */
export interface SessionSnapshot {
  /** Whether there is a session, and whether the issuer can be reached. */
  readonly status: SessionStatus;
  /** Claims of the access token. Empty unless somebody is logged in. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Absent: there is no session. */
  readonly sid?: string;
  /** The last failure, while it lasts. */
  readonly problem?: SessionErrorCode | undefined;
  /** With `ended` only: why. */
  readonly endedBy?: EndReason;
}

/** How a session ended. */
export interface SessionEnd {
  /** Why it ended. */
  readonly reason: EndReason;
  /** The `code` of the issuer's response, or `''` where another tab received it. */
  readonly code: string;
  /** Whether this tab ended it. */
  readonly here: boolean;
}

/** The session in use. Its members change; whoever awaits something reads them again. */
export interface SessionState {
  readonly snapshot: SessionSnapshot;
  readonly held: Held | undefined;
  /** Grows with every login and logout: what was requested before is not applied afterwards. */
  readonly epoch: number;
  /** @param isReceived see `hold` */
  adopt(record: SessionRecord, isReceived?: boolean): void;
  /** Begins another epoch; if somebody is logged in, ends the session. */
  end(end: SessionEnd): void;
  /** Nobody is logged in, as far as is known. Without effect once that was known. */
  anonymous(): void;
  problem(code: SessionErrorCode): void;
  subscribe(listener: () => void): () => void;
  onEnd(listener: (end: SessionEnd) => void): () => void;
}

interface Options {
  readonly clock: Clock;
  readonly leadMs: number;
  readonly random: () => number;
}

export const LOADING: SessionSnapshot = Object.freeze({ status: 'loading', claims: {} });

export function createState(options: Options): SessionState {
  const listeners = new Set<() => void>();
  const endListeners = new Set<(end: SessionEnd) => void>();

  function show(next: SessionSnapshot): void {
    state.snapshot = Object.freeze(next);
    call(listeners, undefined);
  }

  const state = {
    snapshot: LOADING,
    held: undefined as Held | undefined,
    epoch: 0,
    adopt(record: SessionRecord, isReceived?: boolean) {
      const { held } = state;
      const isSame = held?.record.accessToken === record.accessToken;
      // The same access token with another refresh token: its age is known.
      state.held = isSame ? { ...held, record } : hold(record, options, isReceived);
      show({ status: 'active', claims: claimsOf(record.accessToken), sid: record.sid });
    },
    end(end: SessionEnd) {
      state.epoch += 1;
      if (!state.held) return state.anonymous();
      state.held = undefined;
      show({ ...LOADING, status: 'ended', endedBy: end.reason });
      call(endListeners, end);
    },
    anonymous() {
      if (state.snapshot.status === 'loading') show({ ...LOADING, status: 'anonymous' });
    },
    problem(code: SessionErrorCode) {
      const { snapshot, held } = state;
      if (code === snapshot.problem) return;
      const status = code === 'storage_unavailable' ? 'active' : 'waiting';
      show({ ...snapshot, status: held ? status : snapshot.status, problem: code });
    },
    subscribe: (listener: () => void) => add(listeners, listener),
    onEnd: (listener: (end: SessionEnd) => void) => add(endListeners, listener),
  };
  return state;
}

function add<T>(to: Set<T>, listener: T): () => void {
  if (typeof listener !== 'function') throw new TypeError('not a function');
  to.add(listener);
  return () => void to.delete(listener);
}

/** Calls each listener in a microtask of its own: no lock is held then, and one that throws or waits affects no other. */
function call<T>(listeners: ReadonlySet<(value: T) => unknown>, value: T): void {
  for (const listener of listeners) {
    Promise.resolve()
      .then(() => listener(value))
      .catch(globals.reportError ?? console.error);
  }
}
