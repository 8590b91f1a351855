import type { EpochMillis } from './clock.ts';

/** A `deny` entry without `issuedUntil` denies whatever was issued, at any time: the value it has in a table. */
export const UNBOUNDED: EpochMillis = Number.MAX_SAFE_INTEGER;

/** The `expiresAt` of a row that no time forgets: a revoked key's thief writes any `exp`. */
export const NEVER: EpochMillis = Number.MAX_SAFE_INTEGER;

/** The `sessionUntil` of a row that ends no session: before every `iat`. */
export const NO_SESSION: EpochMillis = -1;

/** Claims whose cut-off may have no `issuedUntil`: their values are never used again for another token. */
export const UNBOUNDED_CLAIMS: ReadonlySet<string> = new Set(['jti', 'sid', 'kid']);

/**
 * One entry of an event's `deny`: refuse every token of `iss` whose claim `claim` has `value` and that was issued at or
 * before `issuedUntil`; forget this after `expiresAt`. Both times are milliseconds of the issuer's clock.
 */
export interface Denial {
  readonly iss: string;
  /** A claim's name; `kid` means the header's, `iss` everybody. */
  readonly claim: string;
  readonly value: string;
  /** Absent: unbounded, which only `jti`, `sid` and `kid` may be. */
  readonly issuedUntil?: EpochMillis;
  readonly expiresAt: EpochMillis;
  /** Whether the sessions of the tokens it denies end too (no refresh), or go on (a soft cut-off). */
  readonly endsSession: boolean;
}

/** Where an entry came from: of two entries equal in time, the later of these is named. */
export interface CutoffOrigin {
  /** The revocation's id: the same however often its event is appended anew. */
  readonly txn: string;
  /** A stable word such as `logout` or `password_changed`. */
  readonly reason: string;
  readonly epoch: string;
  readonly seq: number;
}

/** A row of the denylist: all denials of one (issuer, claim, value), merged. */
export interface Cutoff extends CutoffOrigin {
  readonly iss: string;
  readonly claim: string;
  readonly value: string;
  /** The greatest T; `UNBOUNDED` when one had none. */
  readonly issuedUntil: EpochMillis;
  /** The greatest E; `NEVER` for a key. */
  readonly expiresAt: EpochMillis;
  /** The greatest T of those that end the session; `NO_SESSION` when none does. */
  readonly sessionUntil: EpochMillis;
}

/** The row that one denial alone makes. */
export function toCutoff(denial: Denial, origin: CutoffOrigin): Cutoff {
  const issuedUntil = denial.issuedUntil ?? UNBOUNDED;
  return {
    iss: denial.iss,
    claim: denial.claim,
    value: denial.value,
    issuedUntil,
    expiresAt: denial.claim === 'kid' ? NEVER : denial.expiresAt,
    sessionUntil: denial.endsSession ? issuedUntil : NO_SESSION,
    txn: origin.txn,
    reason: origin.reason,
    epoch: origin.epoch,
    seq: origin.seq,
  };
}

/**
 * Merges two rows of the same (issuer, claim, value). Idempotent, commutative and associative, so duplicates, replays
 * and any order give the same row, and nothing can un-revoke.
 */
export function mergeCutoffs(a: Cutoff, b: Cutoff): Cutoff {
  const winner = wins(a, b) ? a : b;
  return {
    ...winner,
    issuedUntil: Math.max(a.issuedUntil, b.issuedUntil),
    expiresAt: Math.max(a.expiresAt, b.expiresAt),
    sessionUntil: Math.max(a.sessionUntil, b.sessionUntil),
  };
}

function wins(a: Cutoff, b: Cutoff): boolean {
  if (a.issuedUntil !== b.issuedUntil) return a.issuedUntil > b.issuedUntil;
  if (a.epoch !== b.epoch) return a.epoch > b.epoch;
  return a.seq >= b.seq;
}
