import type { DurationMs } from '@rescind/revocation';

/** How long acknowledgements of the publisher usually take, and which events wait for one. Times are monotonic ms. */
export interface AcknowledgementState {
  /** How long the last publications took, oldest first. */
  readonly durations: readonly DurationMs[];
  /** How long an event waits for its acknowledgement, by `durations`, until it is overdue. */
  readonly patienceMs: DurationMs;
  /** When the present epoch was opened. */
  readonly epochSince: DurationMs;
  /** The events that wait for an acknowledgement, oldest first: up to which seq, and since when. */
  readonly waiting: readonly { readonly upTo: number; readonly since: DurationMs }[];
  /** When the first unacknowledged publication began; null: everything has been acknowledged. */
  readonly publishingSince: DurationMs | null;
  /** Which seq had been acknowledged when, oldest first, for some seconds. */
  readonly acknowledged: readonly { readonly seq: number; readonly at: DurationMs }[];
  /** When an event was last overdue; null: none has been for `CALM_MS`. */
  readonly overdueAt: DurationMs | null;
}

/** What the standby streams deliver while something is overdue. */
export interface Overdue {
  /** The events after this one: readers have read up to here. */
  readonly after: number;
  /** Whether events are delivered at all, or heartbeats only. */
  readonly withEvents: boolean;
}

const MAX_DURATIONS = 64;
const LEAST_PATIENCE_MS: DurationMs = 250;
const GREATEST_PATIENCE_MS: DurationMs = 1_000;
const USUAL_TIMES = 3;
/** How long every acknowledgement must have come in time until the standby streams stop delivering events. */
const CALM_MS: DurationMs = 10_000;
/** How far readers may be behind an acknowledgement. Events that they may not have read yet are delivered too. */
const READ_WITHIN_MS: DurationMs = 1_000;
/** An epoch younger than this has hardly a reader: readers fetch the event keys first, and read it from its beginning. */
const NEW_EPOCH_MS: DurationMs = 10_000;
/** How long acknowledgements are remembered: longer than READ_WITHIN_MS and the greatest patience together. */
const KEPT_MS: DurationMs = 5_000;
/** Acknowledgements of the same 50 ms count as one. */
const GRAIN_MS: DurationMs = 50;
/** Entries of `waiting`; further sends count as part of the last entry. */
const MAX_WAITING = 256;

/** The state at the start of a process. @param sentSeq the last seq that had been acknowledged before */
export function newAcknowledgements(
  sentSeq: number,
  head: number,
  now: DurationMs,
  { durations = [], epochSince = now }: Partial<Pick<AcknowledgementState, 'durations' | 'epochSince'>> = {},
): AcknowledgementState {
  return {
    durations,
    patienceMs: patienceOf(durations),
    epochSince,
    waiting: head > sentSeq ? [{ upTo: head, since: now }] : [],
    publishingSince: null,
    acknowledged: [{ seq: sentSeq, at: Number.NEGATIVE_INFINITY }],
    overdueAt: null,
  };
}

/** The state for another epoch: none of its events has been acknowledged. `overdueAt` is kept. */
export function inNewEpoch(state: AcknowledgementState, now: DurationMs): AcknowledgementState {
  return { ...newAcknowledgements(0, 0, now, state), epochSince: now, overdueAt: state.overdueAt };
}

export function noteAppended(state: AcknowledgementState, head: number, now: DurationMs): AcknowledgementState {
  const last = state.waiting.at(-1);
  const acknowledged = state.acknowledged.at(-1)?.seq ?? 0;
  if (head <= Math.max(last?.upTo ?? 0, acknowledged)) return state;
  const isNew = last === undefined || (last.since !== now && state.waiting.length < MAX_WAITING);
  const waiting = isNew
    ? [...state.waiting, { upTo: head, since: now }]
    : [...state.waiting.slice(0, -1), { upTo: head, since: last.since }];
  return { ...state, waiting };
}

/** Records the begin of a publication. After a failure the time of the first attempt is kept. */
export function notePublishing(state: AcknowledgementState, now: DurationMs): AcknowledgementState {
  return state.publishingSince === null ? { ...state, publishingSince: now } : state;
}

/** @param tookMs how long the publication took; undefined: nothing was published */
export function noteAcknowledged(
  state: AcknowledgementState,
  upTo: number,
  tookMs: DurationMs | undefined,
  now: DurationMs,
): AcknowledgementState {
  const durations = tookMs === undefined ? state.durations : [...state.durations, tookMs].slice(-MAX_DURATIONS);
  const at = Math.ceil(now / GRAIN_MS) * GRAIN_MS;
  const before = state.acknowledged.filter((entry) => entry.at !== at);
  const seq = Math.max(upTo, state.acknowledged.at(-1)?.seq ?? 0);
  return {
    ...state,
    durations,
    patienceMs: patienceOf(durations),
    waiting: state.waiting.filter((entry) => entry.upTo > seq),
    publishingSince: null,
    acknowledged: sinceTime([...before, { seq, at }], now - KEPT_MS),
  };
}

/** The last entry at or before a time, and all later ones. */
function sinceTime(
  entries: AcknowledgementState['acknowledged'],
  time: DurationMs,
): AcknowledgementState['acknowledged'] {
  return entries.slice(
    Math.max(
      0,
      entries.findLastIndex(({ at }) => at <= time),
    ),
  );
}

/** Since when the oldest waiting event or publication waits; infinity: none waits. */
function waitingSince({ waiting, publishingSince }: AcknowledgementState): DurationMs {
  return Math.min(waiting[0]?.since ?? Number.POSITIVE_INFINITY, publishingSince ?? Number.POSITIVE_INFINITY);
}

/** When the oldest waiting event or publication becomes overdue; null: none waits. */
export function overdueFrom(state: AcknowledgementState): DurationMs | null {
  const since = waitingSince(state);
  return since === Number.POSITIVE_INFINITY ? null : since + state.patienceMs;
}

/** Whether an event or a publication waits for longer than `patienceMs`. */
export function isTooLate(state: AcknowledgementState, now: DurationMs): boolean {
  const from = overdueFrom(state);
  return from !== null && now >= from;
}

/** Updates `overdueAt` by the present time. */
export function checkOverdue(state: AcknowledgementState, now: DurationMs): AcknowledgementState {
  if (isTooLate(state, now)) return { ...state, overdueAt: now };
  const isOver = state.overdueAt !== null && now - state.overdueAt >= CALM_MS;
  return isOver ? { ...state, overdueAt: null } : state;
}

/**
 * Up to which seq every reader that works has read: the last event that was acknowledged a second ago, or a second before the
 * oldest waiting event began to wait. A broker that stops acknowledging stops delivering at the same moment.
 */
export function readUpTo(state: AcknowledgementState, now: DurationMs): number {
  const [first] = sinceTime(state.acknowledged, Math.min(now, waitingSince(state)) - READ_WITHIN_MS);
  return first?.seq ?? 0;
}

/** What the standby streams deliver; null: nothing is overdue. */
export function overdueOf(state: AcknowledgementState, now: DurationMs): Overdue | null {
  if (state.overdueAt === null) return null;
  return { after: readUpTo(state, now), withEvents: now - state.epochSince >= NEW_EPOCH_MS };
}

/** The usual duration of an acknowledgement, the median; null: there has been none. */
export function usualMs({ durations }: Pick<AcknowledgementState, 'durations'>): DurationMs | null {
  return [...durations].sort((a, b) => a - b)[Math.floor(durations.length / 2)] ?? null;
}

function patienceOf(durations: readonly DurationMs[]): DurationMs {
  const usual = usualMs({ durations });
  if (usual === null) return GREATEST_PATIENCE_MS;
  return Math.min(GREATEST_PATIENCE_MS, Math.max(LEAST_PATIENCE_MS, USUAL_TIMES * usual));
}
