import type { Boot, DurationMs, EpochMillis } from './clock.ts';
import type { Cutoff } from './cutoff.ts';

/**
 * What a reader keeps of one log, committed with the rows it stands for. A log is the `iss` of its events.
 * Fields marked (epoch) start anew with a newer epoch.
 */
export interface LogState {
  readonly log: string;
  /** The epoch read; empty before the first. Epochs compare as text. */
  readonly epoch: string;
  /** (epoch) The key that signs it. Absent: written by a version that did not keep it. */
  readonly epochKid?: string | null;
  /** Event keys that have been revoked: kept for ever. */
  readonly revokedEventKids?: readonly string[];
  /** (epoch) The greatest seq up to which every event has been applied. */
  readonly seq: number;
  /** (epoch) The id (`jti`) of the event there; null at 0, or unknown after a jump. */
  readonly id: string | null;
  /** (epoch) The greatest head seen. */
  readonly head: number;
  /** (epoch) The greatest floor seen. */
  readonly floor: number;
  /** The greatest `iat_ms` of a heartbeat applied. Never goes back; prunes the rows. */
  readonly logTime: EpochMillis;
  /** The `iat_ms` as of which the view was last whole; 0: never. */
  readonly wholeAt: EpochMillis;
  /** This machine's wall clock at the commit, as it was: also when it had been set back. */
  readonly savedAt: EpochMillis;
  /** The age of the view at `savedAt`, ms; null: unknown. Absent: written by a version that did not keep it. */
  readonly savedAgeMs?: DurationMs | null;
  /** How long this machine had been up at `savedAt`. Null or absent: unknown. */
  readonly savedBoot?: Boot | null;
  /** Why the view is suspect, or null. */
  readonly suspect: string | null;
  /** The signed event or heartbeat with the greatest (epoch, seq or head): proof for an issuer that was restored. */
  readonly proof: string | null;
  /** Where a way may start reading (for Kafka an offset). Only a hint. */
  readonly hint: string | null;
}

/** A signed event that this version does not understand, kept until a version that does reads it. */
export interface Quarantined {
  readonly log: string;
  readonly epoch: string;
  readonly seq: number;
  /** Its compact serialization. */
  readonly jws: string;
  readonly why: string;
}

/** What a reader commits in one transaction. */
export interface LogChange {
  readonly state: LogState;
  readonly cutoffs: readonly Cutoff[];
  readonly quarantine?: readonly Quarantined[];
  /** Quarantined events that have been read or that the floor has passed. */
  readonly release?: readonly Pick<Quarantined, 'epoch' | 'seq'>[];
}
