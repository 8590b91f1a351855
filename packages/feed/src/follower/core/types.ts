import type { Boot, DurationMs, EpochMillis, Fields, LogLevel } from '@rescind/revocation';
import type { LogChange, LogState } from '@rescind/revocation/log-state';
import type { CounterName, HistogramName } from '@rescind/revocation/metrics';
import type { DecodedRecord } from '../../event/record.ts';
import type { StartPosition } from '../../ports.ts';
import type { FeedDescription } from '../../transport.ts';

/** The primary transport of a feed, or the fallback, which is read when the primary is silent or has a gap. */
export type TransportRole = 'primary' | 'fallback';

/** The time of an input, and a random number, so that nothing in the core asks for either. */
export interface InputTime {
  /** The wall clock. */
  readonly wall: EpochMillis;
  /** The monotonic clock. */
  readonly monotonic: DurationMs;
  /** How long the machine has been up. Absent: unknown. */
  readonly boot?: Boot | undefined;
  /** 0 ≤ random < 1. */
  readonly random: number;
}

/** An input. The driver submits one at a time and runs its effects before the next. */
export type FollowerInput =
  /** The transport requested its start position: the response is `startOf(state, transport)` of the state AFTER this step. */
  | { readonly kind: 'startRequested'; readonly transport: TransportRole; readonly at: InputTime }
  | { readonly kind: 'opened'; readonly transport: TransportRole; readonly at: InputTime }
  | { readonly kind: 'lost'; readonly transport: TransportRole; readonly reason: string; readonly at: InputTime }
  /** A batch in the order of the transport. Nothing of a transport that has been closed or restarted meanwhile. */
  | {
      readonly kind: 'records';
      readonly transport: TransportRole;
      readonly records: readonly DecodedRecord[];
      readonly at: InputTime;
    }
  /** Time passes: every 100 ms or so. */
  | { readonly kind: 'tick'; readonly at: InputTime }
  /** A set of event keys was fetched, whatever for. */
  | { readonly kind: 'keys'; readonly set: FetchedSet; readonly at: InputTime }
  /** The fetch of a `fetchKeys` effect has failed. */
  | { readonly kind: 'keysFailed'; readonly at: InputTime }
  /** The process ends: the age of now is committed. */
  | { readonly kind: 'stop'; readonly at: InputTime };

/** The kids of a set of event keys, and the epoch it names with the key that signs it; null: an issuer of a version that names none. */
export interface FetchedSet {
  /** The kids of every key of the set. */
  readonly kids: readonly string[];
  /** The epoch that the set names; null: none. */
  readonly epoch: string | null;
  /** The kid of the key that signs this epoch; null: the set names none. */
  readonly epochKid: string | null;
  /** When the fetch began, monotonic ms. */
  readonly begunAt: DurationMs;
}

/** The effects that the driver runs, in order. */
export type FollowerEffect =
  /**
   * At most one, and the first. The step counts once what the change denies is enforced; the rows and the state become durable
   * later, in one transaction.
   */
  | { readonly kind: 'commit'; readonly change: LogChange }
  /**
   * Open this transport's connection, in place of the one that is open. `primary` once, at the start; `fallback` to be read, or to
   * stand by.
   */
  | { readonly kind: 'open'; readonly transport: TransportRole; readonly standby: boolean }
  /** Close the fallback transport's connection. What it still delivers is dropped. */
  | { readonly kind: 'close'; readonly transport: TransportRole }
  /** Drop what is open and start again from `startOf`. */
  | { readonly kind: 'restart'; readonly transport: TransportRole; readonly reason: string }
  /** Fetch the set of event keys now, past every cache; `keys` or `keysFailed` answers. One at a time. */
  | { readonly kind: 'fetchKeys' }
  /** Submit this to the issuer by a transport that can. A failure is counted; the core submits again. */
  | { readonly kind: 'submitEvidence'; readonly jws: string }
  /** The instance is ready, once: a live heartbeat completed the view, or no transport responds and the stored view is young. */
  | { readonly kind: 'ready'; readonly by: 'heartbeat' | 'age' }
  /** Passed to the telemetry port unchanged. */
  | {
      readonly kind: 'count';
      readonly metric: CounterName;
      readonly labels: Readonly<Record<string, string>>;
      readonly by: number;
    }
  | { readonly kind: 'observe'; readonly metric: HistogramName; readonly value: number }
  /** An event that was delivered live is enforced. */
  | {
      readonly kind: 'applied';
      readonly txn: string;
      readonly epoch: string;
      readonly seq: number;
      readonly at: EpochMillis;
    }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly event: string; readonly fields: Fields };

/** What an instance knows of one log, and how old that is. */
export interface View {
  /** Once true, true for the life of the process. */
  readonly ready: boolean;
  /** The position has reached the greatest known head, by a heartbeat received since the start, and nothing is suspect. */
  readonly complete: boolean;
  /** `gap`, `fork`, `epoch`, `quarantined`, `keys` or `clock`: why the view may be incomplete; otherwise null. */
  readonly suspect: string | null;
  /** How old the view may be at most: since the time as of which it was complete, by the worst of the clocks. Infinity: unknown. */
  readonly ageMs: DurationMs;
  /** The greatest time of a heartbeat applied: prunes the rows, and is compared with `exp`. 0: none yet. */
  readonly logTime: EpochMillis;
  /** A row that expired before this time may be removed from memory; 0: none may. */
  readonly prunableBefore: EpochMillis;
  /** The epoch read; empty before the first. */
  readonly epoch: string;
  /** The greatest seq of this epoch up to which every event has been applied. */
  readonly seq: number;
  /** The greatest head of this epoch known. */
  readonly head: number;
  /** Events known of and not yet in order applied: head − seq. */
  readonly lag: number;
  /** The name of the transport that the newest good heartbeat came by. */
  readonly transport: string | null;
}

/** The options of `createFollowerCore`. */
export interface FollowerCoreOptions {
  /** The log to follow: the `iss` of its events. */
  readonly log: string;
  /** The transports by name and abilities, in the order of preference. One only repairs itself. */
  readonly feed: FeedDescription;
  /** How long the primary transport may be silent, in ms, before the fallback is read; default 3 000. */
  readonly silenceMs?: DurationMs | undefined;
  /** The age, in ms, up to which a stored view makes an instance ready when no transport responds; default 300 000. */
  readonly maxStalenessMs?: DurationMs | undefined;
}

/** The follower's logic: pure. State and input give state and effects. */
export interface FollowerCore {
  /**
   * @param stored the stored state of this log
   * @param quarantined the quarantined events, decoded again by `EventDecoder.decode`: a newer version may understand them
   */
  start(stored: LogState | undefined, quarantined: readonly QuarantinedAgain[], at: InputTime): FollowerStep;
  /** The state and the effects after an input. Changes neither of its arguments. */
  step(state: FollowerState, input: FollowerInput): FollowerStep;
  /**
   * Whether a tick at this time would change nothing and have no effect, so that it may be omitted. Conservative: false when in doubt. It
   * must be asked as often as ticks are due.
   */
  isQuiet(state: FollowerState, at: InputTime): boolean;
  /** From where a transport is to read. */
  startOf(state: FollowerState, transport: TransportRole): StartPosition;
  /** The view at a time, by a state. */
  view(state: FollowerState, at: InputTime): View;
}

/** The result of an input: the next state, and the effects to run. */
export interface FollowerStep {
  /** The next state. */
  readonly state: FollowerState;
  /** To be run in this order. */
  readonly effects: readonly FollowerEffect[];
}

/** A quarantined event and what this version makes of it. */
export interface QuarantinedAgain {
  /** The epoch of the event. */
  readonly epoch: string;
  /** The seq of the event in its epoch. */
  readonly seq: number;
  /** The event as this version decodes it. */
  readonly record: DecodedRecord;
}

/** A transport, as the core sees it. */
export interface TransportState {
  /** Whether the log is read by it. */
  readonly isRead: boolean;
  /** Whether it is kept open as a standby stream. */
  readonly standby: boolean;
  /** Whether a connection is open. */
  readonly open: boolean;
  /** Whether it has been lost, or could not be opened, since it was last open. */
  readonly lost: boolean;
  /** How often a connection was opened. */
  readonly openings: number;
  /** When it was taken, opened or last restarted, monotonic ms. */
  readonly since: DurationMs;
  /** When it last delivered a signed record, monotonic ms. */
  readonly receivedAt: DurationMs;
  /** Whether the next heartbeat is the one that opens the connection, made after the reader asked. */
  readonly opening: boolean;
  /** What was known when it asked from where to start: an opening heartbeat from the same log cannot know less. */
  readonly requested: { readonly epoch: string; readonly head: number } | null;
  /** Restarts because of silence in a row. */
  readonly stalls: number;
}

/** When the fallback transport is read in place of its standby stream. Times are monotonic ms. */
export interface StandbyState {
  /** Whether the primary transport has reached the present since the process started. */
  readonly isPrimaryLive: boolean;
  /** The last event of this epoch that the primary transport delivered: it is not silent while it delivers later ones. */
  readonly primaryAt: { readonly epoch: string; readonly seq: number };
  /** The position that stays below the head; how long it has, and after how long the log is read by the second. */
  readonly behind: {
    readonly seq: number;
    readonly passedMs: DurationMs;
    readonly checkedAt: DurationMs;
    readonly waitMs: DurationMs;
  } | null;
  /** When it was last read because of that, and for how long at least. */
  readonly hold: { readonly startedAt: DurationMs; readonly ms: DurationMs } | null;
}

/** Why a view is suspect, quarantined events and unknown keys excepted. */
export type Cause = 'gap' | 'fork' | 'epoch';

/** Consecutive events beyond a gap, applied and chained by `prev`. The position passes over them when it reaches them. */
interface Segment {
  readonly from: number;
  readonly prev: string | null;
  readonly to: number;
  readonly id: string;
}

/** A time by the clocks of this process. */
interface ClockReading {
  readonly wall: EpochMillis;
  readonly monotonic: DurationMs;
}

/** The age of a view at a time; it grows with the faster of the clocks. Infinity: unknown. */
export interface AgeSample extends ClockReading {
  readonly ageMs: DurationMs;
  readonly boot: Boot | undefined;
}

/** A heartbeat that the view may become complete by. */
interface KnownHeartbeat {
  readonly at: EpochMillis;
  /** The issuer's wall clock then. */
  readonly wall: EpochMillis;
  /** Whether a live heartbeat has been received since the start. */
  readonly live: boolean;
  /** Whether this one was live: otherwise its age is unknown. */
  readonly isLive: boolean;
  /** When it was received, by both clocks of this process. */
  readonly received: ClockReading;
  readonly head: number;
  readonly headId: string | null;
  /** Whether `last` was the id held when the position was at `head`: only then is it the same log that was read. */
  readonly agrees: boolean;
}

/** The state of the core, as plain data. Only `logState` is read outside the core. */
export interface FollowerState {
  /** The state that the next commit writes, and the newest hint. */
  readonly logState: LogState;
  /** Why the view is suspect; null: not for one of these causes. */
  readonly cause: Cause | null;
  /** The quarantined events, by `epoch:seq`. */
  readonly quarantined: ReadonlyMap<string, { readonly epoch: string; readonly seq: number }>;
  /** Null: nothing beyond the position has been applied. */
  readonly segment: Segment | null;
  /** The newest heartbeat of this process and epoch that had the greatest head known. Cleared by a fork. */
  readonly heartbeat: KnownHeartbeat | null;
  /** The age when the view became complete, or when this process started. */
  readonly age: AgeSample;
  /** The time of the last commit of this process; wall −∞: none yet. By comparison with it the core notices that the wall clock was set since. */
  readonly saved: ClockReading & { readonly boot: Boot | undefined };
  /** Whether the last heartbeat of the epoch was from the future. */
  readonly isHeartbeatFromFuture: boolean;
  /** The name of the transport of the newest good heartbeat; null: none yet. */
  readonly transport: string | null;
  /** Once true, true for the life of the process. */
  readonly ready: boolean;
  /** Their states, by role. */
  readonly transports: Readonly<Record<TransportRole, TransportState>>;
  /** When the primary transport was last good, and how much longer than `silenceMs` its silence is borne. */
  readonly goodAt: DurationMs;
  readonly jitterMs: DurationMs;
  /** When a transport last responded. This delays readiness by age. */
  readonly answeredAt: DurationMs;
  /** The repair of a view that is suspect or behind. */
  readonly repair: RepairState;
  /** The event keys that are known, missing or revoked. */
  readonly eventKeys: EventKeysState;
  /** When the fallback transport is read. */
  readonly standby: StandbyState;
}

/** A newer epoch that a record announced: the key that signed the record, and when it was received, monotonic ms. */
export interface AnnouncedEpoch {
  readonly kid: string;
  /** The record itself: evidence of this epoch for an issuer that was restored. */
  readonly jws: string;
  readonly since: DurationMs;
}

/** What waits for a set of event keys, each with the monotonic time of its receipt. */
export interface EventKeysState {
  readonly epochs: ReadonlyMap<string, AnnouncedEpoch>;
  /** Kids of records that could not be verified. */
  readonly unknown: ReadonlyMap<string, DurationMs>;
  /** Kids that an event signed by another key calls revoked. */
  readonly doubted: ReadonlyMap<string, DurationMs>;
  /** The last event by which a key that is not the one followed revoked itself, until a set fetched since shows who signs. */
  readonly selfRevoked: { readonly kid: string; readonly jws: string; readonly since: DurationMs } | null;
  /** Kids that a set did not have, until when they are not fetched again. */
  readonly absent: ReadonlyMap<string, DurationMs>;
  readonly tokens: number;
  readonly refilledAt: DurationMs;
  readonly freeAt: DurationMs;
  /** Whether the next fetch costs no token. */
  readonly isFree: boolean;
  readonly dueAt: DurationMs | null;
  /** The fetch under way, and the heartbeat as of which the view would have been complete then. */
  readonly requested: { readonly since: DurationMs; readonly heartbeat: KnownHeartbeat | null } | null;
  /** In a row. */
  readonly failures: number;
}

/** The repair of a gap or a fork, by the fallback transport if there is one. */
interface RepairState {
  /** When the next attempt is due, monotonic ms; null: nothing is to be repaired. */
  readonly dueAt: DurationMs | null;
  /** Whether that attempt must restart the transport even if it makes progress: it reads from the wrong position. */
  readonly mustRestart: boolean;
  /** Consecutive attempts, from 0 again after a quiet time. */
  readonly attempts: number;
  /** The position at the last attempt: one that makes progress is not restarted. */
  readonly seq: number;
  /** When the last repair ended, monotonic ms. */
  readonly mendedAt: DurationMs;
  /** When the evidence was last submitted, monotonic ms; null: not for this fork. */
  readonly submittedAt: DurationMs | null;
}
