import type { Clock } from './environment.ts';

/** Why a session ended. */
export type EndReason = 'logout' | 'revoked' | 'expired' | 'reuse' | 'account' | 'reauthentication' | 'replaced';

/**
 * A session as it is stored: the newest tokens, with the `sid` and a generation that grows with every change. A tab adopts only a
 * higher generation of the same `sid`. Once the session is over the record has `ended` and no tokens, so that a late write
 * of another tab cannot revive it.
 */
export interface SessionRecord {
  /** The id of the session at the issuer. */
  readonly sid: string;
  /** Grows with every change. */
  readonly generation: number;
  /** Empty once the session is over. */
  readonly accessToken: string;
  /** Absent in cookie mode. */
  readonly refreshToken?: string | undefined;
  /** Life of the access token from `requestedAt` on, in ms. */
  readonly expiresInMs: number;
  /** After how many ms from `requestedAt` on a refresh makes sense. */
  readonly refreshInMs: number;
  /** Wall time of this machine when the tokens were requested, in ms since 1970: a machine may sleep before a response arrives. */
  readonly requestedAt: number;
  /** How it ended; absent: it has not. */
  readonly ended?: EndReason;
  /** A token whose revocation the issuer has not confirmed yet: a logout without a connection. */
  readonly pendingRevocation?: string | undefined;
}

/** Where a session is stored. Tabs that share a store share the session. */
export interface SessionStore {
  /** Names the lock and the channel by which tabs coordinate; empty: nothing else reads this store. */
  readonly name: string;
  /** The stored record; undefined: there is none. */
  read(): Promise<SessionRecord | undefined>;
  /**
   * The part of the store that belongs to one client of one issuer. Default: the store belongs to one session.
   * @param key names both
   */
  of?(key: string): SessionStore;
  /**
   * Writes `next` in one step, if the stored record still has the `sid` and generation of `expected` (`undefined`: there is none).
   * @returns false: another one was stored meanwhile, and nothing was written
   */
  replace(expected: SessionRecord | undefined, next: SessionRecord): Promise<boolean>;
}

/** Whether `stored` is the record that a writer has read before. For implementations of `SessionStore.replace`. */
export function isSameRecord(stored: SessionRecord | undefined, expected: SessionRecord | undefined): boolean {
  return stored?.sid === expected?.sid && stored?.generation === expected?.generation;
}

/**
 * A store in the memory of this process.
 * @param name not empty where several sessions of one process share it
 */
export function memoryStore(name = ''): SessionStore {
  let stored: SessionRecord | undefined;
  return {
    name,
    read: async () => stored,
    async replace(expected, next) {
      if (!isSameRecord(stored, expected)) return false;
      stored = next;
      return true;
    },
  };
}

/** A record in use, with what is needed to know its age although clocks are set and machines sleep. */
export interface Held {
  readonly record: SessionRecord;
  readonly ageMs: number;
  readonly wall: number;
  readonly monotonic: number;
  /** Age at which it is renewed, in ms; other tabs choose another one. */
  readonly dueMs: number;
}

interface Holding {
  readonly clock: Clock;
  readonly leadMs: number;
  readonly random: () => number;
}

/**
 * @param isReceived whether it has just arrived. Otherwise it was read from the store, and if the wall clock was set back since, its age
 *   is unknown: it counts as expired
 */
export function hold(record: SessionRecord, { clock, leadMs, random }: Holding, isReceived = false): Held {
  const { expiresInMs, refreshInMs, requestedAt } = record;
  const wall = clock.now();
  const stored = wall - requestedAt;
  const latest = expiresInMs - Math.min(leadMs, expiresInMs / 4);
  return {
    record,
    wall,
    monotonic: clock.monotonic(),
    ageMs: stored >= 0 ? stored : isReceived ? 0 : expiresInMs,
    dueMs: Math.min(refreshInMs + random() * expiresInMs * 0.1, latest),
  };
}

/** A clock that stands still in sleep, or is set, errs in one direction: the later of both counts. */
export function ageOf({ ageMs, wall, monotonic }: Held, clock: Clock): number {
  return ageMs + Math.max(clock.now() - wall, clock.monotonic() - monotonic);
}

/** Ms until the access token expires; 0 and less: it has. */
export function remainingMs(held: Held, clock: Clock): number {
  return held.record.expiresInMs - ageOf(held, clock);
}

/** A text that is not empty, or undefined. */
export const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/** The payload of a JWT, which is not verified: the services do that. `{}` for anything else. */
export function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    const part = (token.split('.')[1] ?? '').replace(/-/g, '+').replace(/_/g, '/');
    const bytes = Uint8Array.from(atob(part), (character) => character.charCodeAt(0));
    return Object(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return {};
  }
}
