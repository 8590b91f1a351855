import type { DurationMs, Fields, LogLevel } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { toRow } from '@rescind/revocation/cut-off';
import type { Quarantined } from '@rescind/revocation/log-state';
import type { CounterName, MetricLabels } from '@rescind/revocation/metrics';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { EventRecord } from '../../event/record.ts';
import type { TransportSettings } from '../../transport.ts';
import { feedDescriptionOptions, toTransportSettings } from '../../transport.ts';
import { countSuspension, savedAge } from './age.ts';
import type {
  FollowerCoreOptions,
  FollowerEffect,
  FollowerState,
  FollowerStep,
  InputTime,
  TransportRole,
  TransportState,
} from './types.ts';

const coreOptions = optionsOf<FollowerCoreOptions>('createFollowerCore', {
  log: required(option.text('the iss of the events')),
  feed: required(feedDescriptionOptions),
  silenceMs: option.duration(),
  maxStalenessMs: option.duration({ min: 0 }),
});

/** The options with their defaults filled in. */
export interface FollowerSettings {
  readonly log: string;
  readonly primary: TransportSettings;
  readonly fallback: TransportSettings | null;
  readonly silenceMs: DurationMs;
  readonly maxStalenessMs: DurationMs;
}

export function toFollowerSettings(options: FollowerCoreOptions): FollowerSettings {
  const { log, feed, silenceMs = 3_000, maxStalenessMs = 300_000 } = coreOptions(options);
  const fallback = feed.fallback === undefined ? null : toTransportSettings(feed.fallback);
  return { log, primary: toTransportSettings(feed.primary), fallback, silenceMs, maxStalenessMs };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

interface CountedMetric {
  readonly metric: CounterName;
  readonly labels: Readonly<Record<string, string>>;
  by: number;
}

/** A step under construction: a writable copy of the state, and the effects. */
export interface Draft extends Writable<FollowerState> {
  readonly settings: FollowerSettings;
  readonly at: InputTime;
  readonly before: FollowerState;
  readonly cutoffs: CutOffRow[];
  readonly quarantine: Quarantined[];
  readonly release: { readonly epoch: string; readonly seq: number }[];
  readonly effects: FollowerEffect[];
  /** Counts of this step, which become effects at its end. */
  readonly counts: Map<string, CountedMetric>;
  /** The last counted metric, which is mostly counted again. */
  lastCounted: CountedMetric | null;
  /** The transport on which this step found a gap: it delivered something that only follows lost records. */
  gapOn: TransportRole | null;
  /** Whether a fresh heartbeat of the primary transport has reached the position. */
  isPrimaryGood: boolean;
  /** A heartbeat that the view may become complete by although newer records wait for a key. */
  awaitedHeartbeat: FollowerState['heartbeat'];
  /** Whether the age is to be committed although nothing else has changed. */
  isAgeToSave: boolean;
}

export function beginDraft(settings: FollowerSettings, before: FollowerState, at: InputTime): Draft {
  return {
    ...before,
    age: countSuspension(before.age, at),
    settings,
    at,
    before,
    cutoffs: [],
    quarantine: [],
    release: [],
    effects: [],
    counts: new Map(),
    lastCounted: null,
    gapOn: null,
    isPrimaryGood: false,
    isAgeToSave: false,
    awaitedHeartbeat: null,
  };
}

/** Ends a step: one commit at most, before everything else. */
export function finishDraft(draft: Draft): FollowerStep {
  const suspect = draft.cause ?? suspectOf(draft);
  if (suspect !== draft.logState.suspect) draft.logState = { ...draft.logState, suspect };
  const effects: FollowerEffect[] = [];
  if (isWorthCommitting(draft)) {
    draft.logState = { ...draft.logState, ...savedAge(draft) };
    const { wall, monotonic, boot } = draft.at;
    draft.saved = { wall, monotonic, boot };
    const { logState: state, cutoffs, quarantine, release } = draft;
    effects.push({ kind: 'commit', change: { state, cutoffs, quarantine, release } });
  }
  for (const { metric, labels, by } of draft.counts.values()) effects.push({ kind: 'count', metric, labels, by });
  effects.push(...draft.effects);
  return { state: toState(draft), effects };
}

function suspectOf({ quarantined, eventKeys }: Draft): string | null {
  if (quarantined.size > 0) return 'quarantined';
  return eventKeys.unknown.size > 0 ? 'keys' : null;
}

/** A hint alone causes no transaction: the next one stores it. */
function isWorthCommitting({ before, logState, cutoffs, quarantine, release, isAgeToSave }: Draft): boolean {
  if (isAgeToSave || cutoffs.length + quarantine.length + release.length > 0) return true;
  const old = before.logState;
  return (
    logState !== old &&
    (logState.epoch !== old.epoch ||
      logState.seq !== old.seq ||
      logState.id !== old.id ||
      logState.head !== old.head ||
      logState.floor !== old.floor ||
      logState.logTime !== old.logTime ||
      logState.logTimeEpoch !== old.logTimeEpoch ||
      logState.timeSince !== old.timeSince ||
      logState.wholeAt !== old.wholeAt ||
      logState.wholeWall !== old.wholeWall ||
      logState.epochKid !== old.epochKid ||
      logState.revokedEventKids !== old.revokedEventKids ||
      logState.suspect !== old.suspect)
  );
}

function toState(draft: Draft): FollowerState {
  const {
    logState,
    cause,
    quarantined,
    segment,
    heartbeat,
    age,
    saved,
    transport,
    ready,
    transports,
    goodAt,
    jitterMs,
    answeredAt,
  } = draft;
  const { isHeartbeatFromFuture, repair, eventKeys, standby } = draft;
  const times = { goodAt, jitterMs, answeredAt };
  const reading = { logState, cause, quarantined, segment, heartbeat, age, saved, isHeartbeatFromFuture };
  return { ...reading, transport, ready, transports, ...times, repair, eventKeys, standby };
}

/** What an event denies, as rows of the denylist. */
export function addRows({ cutoffs }: Draft, record: EventRecord): void {
  for (const cutOff of record.cutOffs) cutoffs.push(toRow(cutOff, record));
}

const NO_LABELS = {};

export function count<M extends CounterName>(
  draft: Draft,
  metric: M,
  labels: MetricLabels<M> = NO_LABELS as MetricLabels<M>,
  by = 1,
): void {
  const last = draft.lastCounted;
  const counted = last?.metric === metric && last.labels === labels ? last : countedFor(draft, metric, labels);
  counted.by += by;
  draft.lastCounted = counted;
}

function countedFor({ counts }: Draft, metric: CounterName, labels: Readonly<Record<string, string>>): CountedMetric {
  const key = `${metric} ${Object.values(labels).join(' ')}`;
  const counted = counts.get(key) ?? { metric, labels, by: 0 };
  counts.set(key, counted);
  return counted;
}

export function log(draft: Draft, level: LogLevel, event: string, fields: Fields = {}): void {
  draft.effects.push({ kind: 'log', level, event, fields: { log: draft.settings.log, ...fields } });
}

export function changeTransport(draft: Draft, transport: TransportRole, change: Partial<TransportState>): void {
  draft.transports = { ...draft.transports, [transport]: { ...draft.transports[transport], ...change } };
}

/** A single transport is the primary. */
export function transportOf({ primary, fallback }: FollowerSettings, transport: TransportRole): TransportSettings {
  return transport === 'fallback' ? (fallback ?? primary) : primary;
}

/** Whether the fallback transport has a standby stream while the primary is read. */
export function canStandBy({ fallback }: FollowerSettings): boolean {
  return fallback?.standby === true;
}
