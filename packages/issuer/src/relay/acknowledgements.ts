import type { DurationMs } from '@rescind/revocation';

/** How the publisher acknowledges: how long it usually takes, and what waits for it. Times are monotonic ms. */
export interface AcknowledgementState {
  /** How long the last publications took, oldest first. */
  readonly durations: readonly DurationMs[];
  /** How long an acknowledgement is waited for, by `durations`, until what waits is overdue. */
  readonly patienceMs: DurationMs;
  /** When the present epoch was opened. */
  readonly epochSince: DurationMs;
  /** The events that wait, oldest first: up to which seq, and since when. */
  readonly waiting: readonly { readonly upTo: number; readonly since: DurationMs }[];
  /** When the first publication began that has not been acknowledged; null: none has. */
  readonly publishingSince: DurationMs | null;
  /** Which seq had been acknowledged when, oldest first, for some seconds. */
  readonly acknowledged: readonly { readonly seq: number; readonly at: DurationMs }[];
  /** When something was overdue for the last time; null: nothing has been, or not for long. */
  readonly overdueAt: DurationMs | null;
}

/** What the standby streams deliver while something is overdue. */
export interface Overdue {
  /** The events after this one: readers have read up to here. */
  readonly after: number;
  /** Whether events are delivered at all, or heartbeats only. */
  readonly withEvents: boolean;
}

const MOST_DURATIONS = 64;
const LEAST_PATIENCE_MS: DurationMs = 250;
const GREATEST_PATIENCE_MS: DurationMs = 1_000;
const USUAL_TIMES = 3;
/** So long everything must have been acknowledged in time until the standby streams are quiet again. */
const CALM_MS: DurationMs = 10_000;
/** Readers may be so far behind an acknowledgement. What they have not read yet is delivered with the rest. */
const READ_WITHIN_MS: DurationMs = 1_000;
/** So young an epoch has hardly a reader: they fetch the event keys first, and read it from its beginning. */
const NEW_EPOCH_MS: DurationMs = 10_000;
/** Longer than that and what may be waited for by far. */
const KEPT_MS: DurationMs = 5_000;
/** Acknowledgements of the same 50 ms count as one. */
const GRAIN_MS: DurationMs = 50;
/** Entries of `waiting`; further sends count as part of the last entry. */
const MOST_WAITING = 256;

/** What a process starts with. @param sentSeq what had been acknowledged before */
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

/** Another epoch: nothing of it has been acknowledged. What has been overdue stays so. */
export function inNewEpoch(state: AcknowledgementState, now: DurationMs): AcknowledgementState {
  return { ...newAcknowledgements(0, 0, now, state), epochSince: now, overdueAt: state.overdueAt };
}

export function noteAppended(state: AcknowledgementState, head: number, now: DurationMs): AcknowledgementState {
  const last = state.waiting.at(-1);
  const acknowledged = state.acknowledged.at(-1)?.seq ?? 0;
  if (head <= Math.max(last?.upTo ?? 0, acknowledged)) return state;
  const isNew = last === undefined || (last.since !== now && state.waiting.length < MOST_WAITING);
  const waiting = isNew
    ? [...state.waiting, { upTo: head, since: now }]
    : [...state.waiting.slice(0, -1), { upTo: head, since: last.since }];
  return { ...state, waiting };
}

/** A publication begins. One that follows a failure waits since that one began. */
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
  const durations = tookMs === undefined ? state.durations : [...state.durations, tookMs].slice(-MOST_DURATIONS);
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

/** The last entry of that time or before, and all after it. */
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

/** Since when the oldest waits of what waits; infinity: nothing does. */
function waitingSince({ waiting, publishingSince }: AcknowledgementState): DurationMs {
  return Math.min(waiting[0]?.since ?? Number.POSITIVE_INFINITY, publishingSince ?? Number.POSITIVE_INFINITY);
}

/** When the oldest of what waits becomes overdue; null: nothing waits. */
export function overdueFrom(state: AcknowledgementState): DurationMs | null {
  const since = waitingSince(state);
  return since === Number.POSITIVE_INFINITY ? null : since + state.patienceMs;
}

/** Whether something waits for longer than is usual. */
export function isTooLate(state: AcknowledgementState, now: DurationMs): boolean {
  const from = overdueFrom(state);
  return from !== null && now >= from;
}

/** Time has passed. */
export function checkOverdue(state: AcknowledgementState, now: DurationMs): AcknowledgementState {
  if (isTooLate(state, now)) return { ...state, overdueAt: now };
  const isOver = state.overdueAt !== null && now - state.overdueAt >= CALM_MS;
  return isOver ? { ...state, overdueAt: null } : state;
}

/**
 * What every reader has read that reads at all: the last event that was acknowledged a second ago, or a second before what
 * waits began to wait. A broker that stops to acknowledge stops to deliver at the same moment.
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

/** The usual acknowledgement: the median; null: there has been none. */
export function usualMs({ durations }: Pick<AcknowledgementState, 'durations'>): DurationMs | null {
  return [...durations].sort((a, b) => a - b)[Math.floor(durations.length / 2)] ?? null;
}

function patienceOf(durations: readonly DurationMs[]): DurationMs {
  const usual = usualMs({ durations });
  if (usual === null) return GREATEST_PATIENCE_MS;
  return Math.min(GREATEST_PATIENCE_MS, Math.max(LEAST_PATIENCE_MS, USUAL_TIMES * usual));
}
