import type { Boot, DurationMs, EpochMillis } from './clock.ts';
import { CLOCK_TOLERANCE_MS } from './clock.ts';
import type { CutOffRow } from './cut-off.ts';

/**
 * The state of one log at a reader, committed with the rows that it stands for. A log is the `iss` of its events.
 * Fields marked (epoch) start anew with a newer epoch.
 */
export interface LogState {
  /** The `iss` of the events of the log. */
  readonly log: string;
  /** The epoch read; empty before the first. Epochs compare as text. */
  readonly epoch: string;
  /** (epoch) The key that signs it. Absent: written by a version that did not keep it. */
  readonly epochKid?: string | null;
  /** Event keys that have been revoked: stored for ever. */
  readonly revokedEventKids?: readonly string[];
  /** (epoch) The greatest seq up to which every event has been applied. */
  readonly seq: number;
  /** (epoch) The id (`jti`) of the event there; null at 0, or unknown after a jump. */
  readonly id: string | null;
  /** (epoch) The greatest head seen. */
  readonly head: number;
  /** (epoch) The greatest floor seen. */
  readonly floor: number;
  /**
   * The greatest `iat_ms` of a heartbeat applied; prunes the rows. Goes back only when the issuer's clock was set, in the commit
   * that makes the view complete in that epoch or a later one.
   */
  readonly logTime: EpochMillis;
  /** The epoch of the heartbeat that `logTime` is of. Absent: written by a version that did not keep it. */
  readonly logTimeEpoch?: string;
  /** The latest epoch in which the issuer's clock was set, as far as is known; null or absent: never. */
  readonly timeSince?: string | null;
  /** The `iat_ms` as of which the view was last complete; 0: never. */
  readonly wholeAt: EpochMillis;
  /** The issuer's wall clock in the heartbeat of `wholeAt`: the age goes by the lesser. Absent: `wholeAt`. */
  readonly wholeWall?: EpochMillis;
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
  /** Where the primary transport may start reading (for Kafka an offset). Only a hint. */
  readonly hint: string | null;
}

/** A signed event that this version does not understand, stored until a version that does reads it. */
export interface Quarantined {
  /** The `iss` of the event. */
  readonly log: string;
  /** The epoch of the event. */
  readonly epoch: string;
  /** The seq of the event in its epoch. */
  readonly seq: number;
  /** Its compact serialization. */
  readonly jws: string;
  /** Why this version does not understand it. */
  readonly reason: string;
}

/** What a reader commits in one transaction. */
export interface LogChange {
  /** The state after the change. */
  readonly state: LogState;
  /** The rows to merge into those that are stored. */
  readonly cutoffs: readonly CutOffRow[];
  /** Events to quarantine. Default: none. */
  readonly quarantine?: readonly Quarantined[];
  /** Quarantined events that have been read or that the floor has passed. */
  readonly release?: readonly Pick<Quarantined, 'epoch' | 'seq'>[];
}

/** Whether log time is from before the issuer's clock was last set: it may be ahead, until the view is complete in a later epoch. */
export function isLogTimeOld({ logTimeEpoch = '', timeSince = null }: LogTimes): boolean {
  return timeSince !== null && logTimeEpoch < timeSince;
}

type LogTimes = Pick<LogState, 'logTime' | 'logTimeEpoch' | 'timeSince'> & Partial<Pick<LogState, 'epoch'>>;

/**
 * The time before which a row must have expired to be removed: log time less the tolerance, and never later than the wall
 * clock of this machine. 0: nothing may be removed, also when the log time is of an epoch before the one followed: the clock
 * of that epoch may be ahead of the events of this one.
 * @param wall of this machine, ms
 */
export function prunableBefore(times: LogTimes, wall: EpochMillis): EpochMillis {
  const { epoch, logTimeEpoch = '' } = times;
  const isOfEarlierEpoch = epoch !== undefined && (epoch === '' || logTimeEpoch < epoch);
  if (isLogTimeOld(times) || isOfEarlierEpoch) return 0;
  return Math.max(0, Math.min(times.logTime - CLOCK_TOLERANCE_MS, wall));
}
