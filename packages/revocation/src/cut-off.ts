import { randomBytes } from 'node:crypto';
import type { EpochMillis } from './clock.ts';

/** The `issuedUntil` of a cut-off that denies tokens issued at any time. */
export const UNBOUNDED: EpochMillis = Number.MAX_SAFE_INTEGER;

/** The `expiresAt` of a cut-off that never expires: a thief of a key may write any `exp`. */
export const NEVER: EpochMillis = Number.MAX_SAFE_INTEGER;

/** The `sessionUntil` of a cut-off that ends no session: before every `iat`. */
export const NO_SESSION: EpochMillis = -1;

/** Claims whose cut-off may be `UNBOUNDED`: their values are never used again for another token. */
export const UNBOUNDED_CLAIMS: ReadonlySet<string> = new Set(['jti', 'sid', 'kid']);

/**
 * Denies every token of `iss` whose claim `claim` has `value` and that was issued at or before `issuedUntil`. It expires after
 * `expiresAt`. Times are milliseconds of the issuer's clock.
 */
export interface CutOff {
  /** The issuer of the tokens. */
  readonly iss: string;
  /** The name of a claim; `kid` is that of the header, and `iss` denies all tokens of the issuer. */
  readonly claim: string;
  /** The value of that claim. */
  readonly value: string;
  /** T; only of `jti`, `sid` and `kid` it may be `UNBOUNDED`: issued at any time. */
  readonly issuedUntil: EpochMillis;
  /** E; `NEVER` for a key. */
  readonly expiresAt: EpochMillis;
  /**
   * Sessions of tokens that were issued up to here end too (no refresh). Of one cut-off: `issuedUntil`, or `NO_SESSION` for a
   * soft one. Of merged ones: the greatest.
   */
  readonly sessionUntil: EpochMillis;
}

/** What one act revokes, for one reason. Plans, events and responses have this shape. */
export interface Revocation {
  /** Its id, which stays the same when its events are appended again (RFC 8417 section 2.2). */
  readonly txn: string;
  /** A stable word such as `logout` or `password_changed`: lower case letters, digits and underscores, at most 64. */
  readonly reason: string;
  /** At least one. */
  readonly cutOffs: readonly CutOff[];
}

/** A row of a denylist: all cut-offs of one (issuer, claim, value), merged, with the event that the latest of them came from. */
export interface CutOffRow extends CutOff, Omit<Revocation, 'cutOffs'> {
  /** The epoch of that event. */
  readonly epoch: string;
  /** The seq of that event in its epoch. */
  readonly seq: number;
}

/** The row of a single cut-off of an event. */
export function toRow(cutOff: CutOff, { txn, reason, epoch, seq }: Omit<CutOffRow, keyof CutOff>): CutOffRow {
  const { iss, claim, value, issuedUntil, expiresAt, sessionUntil } = cutOff;
  return { iss, claim, value, issuedUntil, expiresAt, sessionUntil, txn, reason, epoch, seq };
}

/**
 * Merges two rows of the same (issuer, claim, value). Idempotent, commutative and associative, so duplicates, replays
 * and any order give the same row, and nothing can un-revoke.
 */
export function mergeRows(a: CutOffRow, b: CutOffRow): CutOffRow {
  const winner = compareCutOffs(a, b) ? a : b;
  return {
    ...winner,
    issuedUntil: Math.max(a.issuedUntil, b.issuedUntil),
    expiresAt: Math.max(a.expiresAt, b.expiresAt),
    sessionUntil: Math.max(a.sessionUntil, b.sessionUntil),
  };
}

function compareCutOffs(a: CutOffRow, b: CutOffRow): boolean {
  if (a.issuedUntil !== b.issuedUntil) return a.issuedUntil > b.issuedUntil;
  if (a.epoch !== b.epoch) return a.epoch > b.epoch;
  return a.seq >= b.seq;
}

const BYTES = 16;
const TIME_BYTES = 6;
const VERSION_AT = 6;
const VARIANT_AT = 8;

/**
 * Creates the id of a revocation, its `txn`: the bits of a UUID of version 7 (RFC 9562 section 5.7) as base64url. It begins with the
 * time, so whoever holds a row knows since when, also of a row that denies whatever was issued.
 */
export function createRevocationId(at: EpochMillis): string {
  const bits = randomBytes(BYTES);
  bits.writeUIntBE(at, 0, TIME_BYTES);
  bits[VERSION_AT] = 0x70 | ((bits[VERSION_AT] ?? 0) & 0x0f);
  bits[VARIANT_AT] = 0x80 | ((bits[VARIANT_AT] ?? 0) & 0x3f);
  return bits.toString('base64url');
}

/** The time that a revocation's id begins with; undefined where it has none, such as in the logs of others. */
export function revokedAt(txn: string): EpochMillis | undefined {
  const bits = bitsOf(txn);
  if (bits?.length !== BYTES) return undefined;
  if ((bits[VERSION_AT] ?? 0) >> 4 !== 7 || (bits[VARIANT_AT] ?? 0) >> 6 !== 2) return undefined;
  const at = bits.readUIntBE(0, TIME_BYTES);
  return at > EARLIEST && at < LATEST ? at : undefined;
}

/** One random id of 64 looks like one of version 7; of these one in a hundred has a time in between. */
const EARLIEST = Date.UTC(2020);
const LATEST = Date.UTC(2100);

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const BASE64URL = /^[\w-]{22}$/;

function bitsOf(txn: string): Buffer | undefined {
  if (BASE64URL.test(txn)) return Buffer.from(txn, 'base64url');
  return UUID.test(txn) ? Buffer.from(txn.replaceAll('-', ''), 'hex') : undefined;
}
