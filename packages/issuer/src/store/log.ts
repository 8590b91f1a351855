import type { ClockFloor, Cutoff, EpochMillis, Find } from '@rescind/revocation';
import type { SessionClaim } from './sessions.ts';

/** The identity of the log: outlives the outbox rows it was made from. */
export interface LogIdentity {
  readonly epoch: string;
  /** The greatest seq appended; 0 before the first. */
  readonly head: number;
  /** The id (`jti`) of the event there; null before the first. */
  readonly last: string | null;
  /** The lowest seq that still denies anything; head + 1 if none. Never falls within an epoch. */
  readonly floor: number;
}

/** The one row of what the issuer must never forget. */
export interface Meta {
  readonly clockFloor: ClockFloor;
  issuer(): string | null;
  setIssuer(issuer: string): void;
  /** `undefined` before the first epoch. */
  identity(): LogIdentity | undefined;
  openEpoch(epoch: string): void;
  moveHead(head: number, last: string): void;
  moveFloor(floor: number): void;
  /** The epoch in which the clock was last set; null: never. */
  timeSince(): string | null;
  setTimeSince(epoch: string): void;
  /** Sets the floor of the clock, to an earlier time too. */
  setClock(floor: EpochMillis): void;
  /** The greatest `exp` ever minted, in ms. */
  greatestExp(): EpochMillis;
  raiseGreatestExp(exp: EpochMillis): void;
  /** The greatest seq of this epoch that the publisher has acknowledged; lags, since duplicates are harmless. */
  sentSeq(epoch: string): number;
  setSentSeq(epoch: string, seq: number): void;
}

/** A signed event of the present epoch, in its place. */
export interface OutboxRow {
  readonly seq: number;
  readonly jti: string;
  readonly txn: string;
  /** What it says (JSON), to say it anew. */
  readonly revocation: string;
  /** The greatest E of what it denies. */
  readonly expiresAt: EpochMillis;
  readonly appendedAt: EpochMillis;
}

export interface NewOutboxRow extends Omit<OutboxRow, 'seq'> {
  readonly jws: string;
}

export interface Outbox {
  /** The seq it was given. */
  append(row: NewOutboxRow): number;
  read(after: number, limit: number): readonly { readonly seq: number; readonly jws: string }[];
  idAt(seq: number): string | undefined;
  bottom(): OutboxRow | undefined;
  /** Every row that still denies at `at`, in order. */
  live(at: EpochMillis): OutboxRow[];
  /** The first of them above `after`. */
  liveAfter(at: EpochMillis, after: number, limit: number): OutboxRow[];
  /** The lowest seq that still denies at `at`. */
  lowestLive(at: EpochMillis): number | undefined;
  /** Every part of one revocation, in order. */
  ofTxn(txn: string): OutboxRow[];
  /** Revocations by their last row, downwards from before `seq`. */
  txnsBefore(seq: number, limit: number): readonly { readonly seq: number; readonly txn: string }[];
  delete(seq: number): void;
  /** Forgets everything: the next seq is 1. */
  clear(): void;
  count(): number;
}

/** The issuer's own rows: they commit in the transaction of the logout, so its answer and its view never differ. */
export interface Revocations extends Find {
  merge(cutoff: Cutoff): void;
  prune(before: EpochMillis): number;
}

/** Every other issuer about whose tokens the log ever said anything, also when its rows have been removed. */
export interface OtherIssuers {
  add(iss: string): void;
  all(): readonly string[];
}

/** What a clock that was ahead has left in the tables. Everything inside the caller's transaction. */
export interface StoredTimes {
  /** Whose tokens of before a time a soft cut-off denies that lies beyond `at`. */
  softBeyond(iss: string, at: EpochMillis): readonly { readonly claim: SessionClaim; readonly value: string }[];
  /**
   * Makes every stored time that is later than `at` that time. A deadline is moved by as much as the time that it was counted
   * from. A use of a token that is later is forgotten: nobody may retry it.
   * @param eventKeysUntil the latest end of the publication of a former event key
   */
  lower(at: EpochMillis, eventKeysUntil: EpochMillis): void;
}

/** The last event of an epoch whose key was revoked. */
export interface LastWord {
  readonly epoch: string;
  readonly jws: string;
}

/** Kept outside the outbox, which an epoch begins anew. */
export interface LastWords {
  add(word: LastWord): void;
  find(epoch: string): string | undefined;
  /** Those that no publisher has acknowledged yet, oldest first. */
  unsent(): LastWord[];
  markSent(epoch: string): void;
}
