import type { EpochMillis } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import type { SessionClaim } from './sessions.ts';

/** The identity of the log: outlives the outbox rows it was made from. */
export interface LogIdentity {
  /** The present epoch. Epochs compare as text. */
  readonly epoch: string;
  /** The greatest seq appended; 0 before the first. */
  readonly head: number;
  /** The id (`jti`) of the event there; null before the first. */
  readonly last: string | null;
  /** The lowest seq that still denies anything; head + 1 if none. Never falls within an epoch. */
  readonly floor: number;
}

/** The state that the issuer must never lose. */
export interface MetaReads {
  /** The issuer's clock never returns an earlier time, across restarts. 0 at first. */
  clockFloor(): Promise<EpochMillis>;
  /** The `iss` of the tokens; null before the first start. */
  issuer(): Promise<string | null>;
  /** `undefined` before the first epoch. */
  identity(): Promise<LogIdentity | undefined>;
  /** The greatest `exp` ever minted, in ms; 0 before the first. */
  greatestExp(): Promise<EpochMillis>;
  /** The epoch in which the clock was last set; null: never. */
  timeSince(): Promise<string | null>;
}

/** The identity of the log, its head and low watermark, and the floor of the clock. */
export interface Meta extends MetaReads {
  /** Never lowers it. */
  raiseClockFloor(floor: EpochMillis): Promise<void>;
  /** Sets the `iss` of the tokens. */
  setIssuer(issuer: string): Promise<void>;
  /** The head of this epoch is 0, and its floor 1. */
  openEpoch(epoch: string): Promise<void>;
  /** Sets the head of the present epoch, and the id of the event there. */
  moveHead(head: number, last: string): Promise<void>;
  /** Never lowers it. */
  moveFloor(floor: number): Promise<void>;
  /** Sets the epoch in which the clock was last set. */
  setTimeSince(epoch: string): Promise<void>;
  /** Sets the floor of the clock, to an earlier time too. */
  setClock(floor: EpochMillis): Promise<void>;
  /** Stores that the publisher has acknowledged every event of this epoch up to `seq`. */
  setSentSeq(epoch: string, seq: number): Promise<void>;
}

/** The members of an event that the relay publishes and counts. */
export interface EventText {
  readonly seq: number;
  /** The signed text: all that is kept of what the event denies and why. */
  readonly jws: string;
  /** The last segment of its type. */
  readonly type: string;
}

/** A signed event in its place: (`epoch`, `seq`) is its key. */
export interface OutboxRow extends EventText {
  /** The epoch in which the event was appended. */
  readonly epoch: string;
  /** The event's id. */
  readonly jti: string;
  /** The id of the revocation that the event is, or is a part of. */
  readonly txn: string;
  /** The greatest E of what it denies. */
  readonly expiresAt: EpochMillis;
  /** When it was appended, by the issuer's clock. */
  readonly appendedAt: EpochMillis;
}

/** Reads of the outbox. All of them read only rows of the present epoch, that of `Meta.openEpoch`. */
export interface OutboxReads {
  /** The row with the lowest seq. */
  lowest(): Promise<OutboxRow | undefined>;
  /** Rows that still deny at `at`, in order: the first `limit` above `after`. */
  liveAfter(at: EpochMillis, after: number, limit: number): Promise<OutboxRow[]>;
  /** The lowest seq that still denies at `at`. */
  lowestLive(at: EpochMillis): Promise<number | undefined>;
  /** Every part of one revocation, in order. */
  ofTxn(txn: string): Promise<OutboxRow[]>;
  /** The ids of revocations whose last row is below `seq`, the latest first. */
  txnsBefore(seq: number, limit: number): Promise<readonly { readonly seq: number; readonly txn: string }[]>;
}

/** The signed events that readers may still require. */
export interface Outbox extends OutboxReads {
  /** Of any epoch. Rejects when there is a row with this (epoch, seq), or this id. */
  append(row: OutboxRow): Promise<void>;
  /** Deletes the row of the present epoch with this seq. */
  delete(seq: number): Promise<void>;
  /** Deletes every row that is not of the present epoch. */
  deleteOtherEpochs(): Promise<void>;
}

/** The cut-offs of an issuer that may match a token. */
interface CutOffsFound {
  /** The names of the claims that cut-offs of this issuer use. */
  readonly names: readonly string[];
  /** The cut-offs by one of the requested values. */
  readonly rows: readonly CutOffRow[];
}

/** The issuer's own cut-offs: they commit in the transaction of the logout, so its answer and its view never differ. */
export interface RevocationReads {
  /** @param values by the name of a claim: the values that a token has in it */
  about(iss: string, values: (claim: string) => readonly string[]): Promise<CutOffsFound>;
  row(iss: string, claim: string, value: string): Promise<CutOffRow | undefined>;
}

/** The issuer's own cut-offs, with the writes. */
export interface Revocations extends RevocationReads {
  /** Merges by maximum (`mergeRows` of `@rescind/revocation`) with the stored row of the same (iss, claim, value). */
  merge(cutoff: CutOffRow): Promise<void>;
  /** Deletes the rows that expired before this time. Returns their number. */
  prune(before: EpochMillis): Promise<number>;
}

/** Every other issuer whose tokens the log ever cut off, also when its rows have been removed. */
export interface OtherIssuerReads {
  all(): Promise<readonly string[]>;
}

/** The other issuers, with the writes. */
export interface OtherIssuers extends OtherIssuerReads {
  /** Adds an issuer. A known one stays as it is. */
  add(iss: string): Promise<void>;
}

/** The stored times that are later than the clock. */
export interface StoredTimes {
  /** The users, clients and sessions with a soft cut-off by a time later than `at`. */
  softBeyond(
    iss: string,
    at: EpochMillis,
  ): Promise<readonly { readonly claim: SessionClaim; readonly value: string }[]>;
  /**
   * Makes every stored time that is later than `at` that time. A deadline is moved by as much as the time that it was counted
   * from. A later use of a token is deleted: it cannot be retried.
   * @param eventKeysUntil the latest end of the publication of a former event key
   */
  lower(at: EpochMillis, eventKeysUntil: EpochMillis): Promise<void>;
}

/** The last event of an epoch whose key was revoked. */
export interface ClosingEvent {
  readonly epoch: string;
  readonly jws: string;
}

/** Stored outside the outbox, which each epoch empties. */
export interface ClosingEvents {
  /** Stores it, as one that no publisher has acknowledged. */
  add(event: ClosingEvent): Promise<void>;
  /** Stores that a publisher has acknowledged the closing event of this epoch. */
  markSent(epoch: string): Promise<void>;
}

/**
 * The log as it is committed, for heartbeats, streams, the relay and health. Synchronous, and never in an open
 * transaction: on one machine a connection of its own answers from memory or the page cache.
 */
export interface CommittedLog {
  /** Undefined before the first epoch. */
  identity(): LogIdentity | undefined;
  /** Events of the present epoch, in order: the first `limit` above `after`. */
  read(after: number, limit: number): readonly EventText[];
  /** The id of the event with this seq; undefined: its row has been deleted. */
  idAt(seq: number): string | undefined;
  /** The row with the lowest seq. */
  lowest(): OutboxRow | undefined;
  /** The kid of the event key that signs. */
  eventKid(): string | undefined;
  /** The epoch in which the clock was last set; null: never. */
  timeSince(): string | null;
  /** The greatest `exp` ever minted; 0 before the first. */
  greatestExp(): EpochMillis;
  /** The greatest seq of this epoch that the publisher has acknowledged; lags, since duplicates are harmless. */
  sentSeq(epoch: string): number;
  /** The signed closing event of this epoch; undefined: it has none. */
  closingEvent(epoch: string): string | undefined;
  /** The closing events that no publisher has acknowledged yet, oldest first. */
  unsentClosingEvents(): readonly ClosingEvent[];
}
