import type { DurationMs } from '@rescind/revocation';
import { option, optionsOf } from '@rescind/revocation/options';
import type { AcknowledgementState, Overdue } from './acknowledgements.ts';
import {
  checkOverdue,
  inNewEpoch,
  newAcknowledgements,
  noteAcknowledged,
  noteAppended,
  notePublishing,
  overdueOf,
  readUpTo,
} from './acknowledgements.ts';

/** A heartbeat that is not sent yet. */
interface PendingHeartbeat {
  readonly jws: string;
  readonly head: number;
}

/** The state of the relay, as plain data. */
export interface RelayState {
  /** The present epoch of the outbox. */
  readonly epoch: string;
  /** Every event up to here has been acknowledged by the publisher. */
  readonly sentSeq: number;
  /** The seq of the last event of the outbox, by the inputs so far. */
  readonly head: number;
  /** The newest heartbeat not yet sent. */
  readonly heartbeat: PendingHeartbeat | null;
  /** The send under way: one at a time, in order. */
  readonly inFlight: RelaySend | null;
  /** Consecutive failures. */
  readonly failures: number;
  /** Monotonic ms before which nothing is sent. */
  readonly notBefore: DurationMs;
  /** How long the publisher takes, and what of that is overdue. */
  readonly acknowledgements: AcknowledgementState;
}

/** An input of the relay. `now` is monotonic ms. */
export type RelayInput =
  /** After a commit that appended events, and after a change of the epoch: the present state of the outbox. */
  | { readonly kind: 'appended'; readonly epoch: string; readonly head: number; readonly now: DurationMs }
  /** A heartbeat has just been made. */
  | {
      readonly kind: 'heartbeat';
      readonly epoch: string;
      readonly jws: string;
      readonly head: number;
      readonly now: DurationMs;
    }
  /** The send under way is handed to the publisher. */
  | { readonly kind: 'publishing'; readonly now: DurationMs }
  /** The send under way was acknowledged: its input is what `composeBatch` returned. */
  | {
      readonly kind: 'sent';
      readonly upTo: number;
      readonly withHeartbeat: boolean;
      /** How long the publisher took. Absent: nothing was published. */
      readonly tookMs?: DurationMs;
      readonly now: DurationMs;
    }
  | { readonly kind: 'failed'; readonly now: DurationMs }
  /** Sent every 100 ms or so: ends a back-off, and finds overdue events. */
  | { readonly kind: 'tick'; readonly now: DurationMs };

/** Asks the driver to read the rows of `epoch` above `after` (at most `limit`), to publish what `composeBatch` makes of them, and to report the result as an input. */
export interface RelaySend {
  /** The epoch of the rows to read. */
  readonly epoch: string;
  /** The seq above which to read. */
  readonly after: number;
  /** At most so many rows. */
  readonly limit: number;
  /** To be published once the events up to its head are; null: none. */
  readonly heartbeat: PendingHeartbeat | null;
}

/** An effect that the driver runs. */
export type RelayEffect =
  | { readonly kind: 'send'; readonly send: RelaySend }
  /** Asks the driver to store the sent position. If it is lost, events are sent twice. */
  | { readonly kind: 'mark'; readonly epoch: string; readonly sentSeq: number };

interface RelayStep {
  readonly state: RelayState;
  readonly effects: readonly RelayEffect[];
}

/** The records of one send, in order. */
interface RelayBatch {
  readonly records: readonly string[];
  /** For the `sent` input. */
  readonly upTo: number;
  readonly withHeartbeat: boolean;
}

interface RelayCoreOptions {
  /** Events in one send; default 500. */
  readonly limit?: number;
}

const relayOptions = optionsOf<RelayCoreOptions>('createRelayCore', { limit: option.count({ min: 1 }) });

/** The relay's logic: pure. */
export interface RelayCore {
  /**
   * @param marked the last stored `mark`; one of another epoch is ignored
   * @param known when the epoch was opened (default: now), and how long acknowledgements took
   */
  start(
    outbox: { readonly epoch: string; readonly head: number },
    marked: { readonly epoch: string; readonly sentSeq: number } | undefined,
    now: DurationMs,
    known?: Partial<Pick<AcknowledgementState, 'durations' | 'epochSince'>>,
  ): RelayStep;
  /** The state and the effects after an input. Changes neither of its arguments. */
  step(state: RelayState, input: RelayInput): RelayStep;
  /** The events that the standby streams deliver because their acknowledgement is overdue; null: none is. */
  overdue(state: RelayState, now: DurationMs): Overdue | null;
  /** The seq up to which working readers have read Kafka: it was acknowledged a second ago. */
  readUpTo(state: RelayState, now: DurationMs): number;
}

/** The wait after the first failure, doubled from failure to failure up to the greatest. */
const FIRST_WAIT_MS: DurationMs = 250;
/** Short, so that waiting events are sent soon after Kafka is back; one send in 5 s is no load for a broker. */
const GREATEST_WAIT_MS: DurationMs = 5_000;
/** One request of a few hundred kilobytes: far below the megabyte a broker takes. */
const DEFAULT_LIMIT = 500;

/**
 * Makes the relay's logic. One send at a time, in the order of the outbox; a heartbeat is sent directly after the event
 * it calls the head. Whatever was not acknowledged is sent again: duplicates are harmless, holes are not.
 *
 * @throws TypeError for an unknown option, and a `limit` that is not a whole number above 0
 */
export function createRelayCore(options: RelayCoreOptions = {}): RelayCore {
  const { limit = DEFAULT_LIMIT } = relayOptions(options);
  return {
    start(outbox, marked, now, known) {
      const sentSeq = marked?.epoch === outbox.epoch ? Math.min(marked.sentSeq, outbox.head) : 0;
      const acknowledgements = newAcknowledgements(sentSeq, outbox.head, now, known);
      const nothing = { heartbeat: null, inFlight: null, failures: 0, notBefore: now };
      return sendNext(limit, { ...outbox, sentSeq, ...nothing, acknowledgements }, now);
    },
    step(state, input) {
      const { state: taken, effects } = take(state, input);
      const next = sendNext(limit, taken, input.now);
      return { state: next.state, effects: [...effects, ...next.effects] };
    },
    overdue: ({ acknowledgements }, now) => overdueOf(acknowledgements, now),
    readUpTo: ({ acknowledgements }, now) => readUpTo(acknowledgements, now),
  };
}

function take(state: RelayState, input: RelayInput): RelayStep {
  switch (input.kind) {
    case 'appended':
      return still(withHead({ ...inEpoch(state, input.epoch, input.now), head: input.head }, input.now));
    case 'heartbeat': {
      const current = inEpoch(state, input.epoch, input.now);
      const heartbeat = { jws: input.jws, head: input.head };
      return still(withHead({ ...current, head: Math.max(current.head, input.head), heartbeat }, input.now));
    }
    case 'publishing':
      return still({ ...state, acknowledgements: notePublishing(state.acknowledgements, input.now) });
    case 'sent':
      return state.inFlight === null ? still(state) : acknowledged(state, state.inFlight, input);
    case 'failed': {
      if (state.inFlight === null) return still(state);
      const failures = state.failures + 1;
      const wait = Math.min(GREATEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (failures - 1));
      return still({ ...state, inFlight: null, failures, notBefore: input.now + wait });
    }
    case 'tick':
      return still({ ...state, acknowledgements: checkOverdue(state.acknowledgements, input.now) });
  }
}

function withHead(state: RelayState, now: DurationMs): RelayState {
  return { ...state, acknowledgements: noteAppended(state.acknowledgements, state.head, now) };
}

/** The state for a new epoch, which is another log: none of its events has been sent, and the rest of the old one is not needed. */
function inEpoch(state: RelayState, epoch: string, now: DurationMs): RelayState {
  if (state.epoch === epoch) return state;
  const acknowledgements = inNewEpoch(state.acknowledgements, now);
  // A running send of the old epoch ends first, since sends do not overlap.
  return { ...state, epoch, sentSeq: 0, head: 0, heartbeat: null, failures: 0, acknowledgements };
}

function acknowledged(
  state: RelayState,
  { epoch, heartbeat }: RelaySend,
  { upTo, withHeartbeat, tookMs, now }: Extract<RelayInput, { kind: 'sent' }>,
): RelayStep {
  const sentSeq = epoch === state.epoch ? Math.max(state.sentSeq, upTo) : state.sentSeq;
  const acknowledgements = noteAcknowledged(state.acknowledgements, sentSeq, tookMs, now);
  const rested: RelayState = { ...state, inFlight: null, failures: 0, acknowledgements };
  if (epoch !== state.epoch) return still(rested);
  const isSent = withHeartbeat && state.heartbeat?.jws === heartbeat?.jws;
  const marks: RelayEffect[] = sentSeq === state.sentSeq ? [] : [{ kind: 'mark', epoch, sentSeq }];
  return { state: { ...rested, sentSeq, heartbeat: isSent ? null : state.heartbeat }, effects: marks };
}

function sendNext(limit: number, state: RelayState, now: DurationMs): RelayStep {
  const isDue = state.inFlight === null && now >= state.notBefore;
  if (!isDue || (state.sentSeq >= state.head && state.heartbeat === null)) return still(state);
  const send: RelaySend = { epoch: state.epoch, after: state.sentSeq, limit, heartbeat: state.heartbeat };
  return { state: { ...state, inFlight: send }, effects: [{ kind: 'send', send }] };
}

function still(state: RelayState): RelayStep {
  return { state, effects: [] };
}

/**
 * Composes one send. The heartbeat comes directly after the event that it names as the head, so that the view of a reader is
 * complete there; it is left out while its head is not in the batch. With empty `records` there is nothing to publish.
 *
 * @param rows the outbox above `send.after`, in order, at most `send.limit`; rows that deny nothing any more may be missing
 */
export function composeBatch(
  send: RelaySend,
  rows: readonly { readonly seq: number; readonly jws: string }[],
): RelayBatch {
  const { heartbeat } = send;
  const isAll = rows.length < send.limit;
  const last = rows.at(-1)?.seq ?? send.after;
  const withHeartbeat = heartbeat !== null && (isAll || last >= heartbeat.head);
  const before = withHeartbeat ? rows.filter(({ seq }) => seq <= heartbeat.head) : rows;
  const records = before.map(({ jws }) => jws);
  if (withHeartbeat) records.push(heartbeat.jws, ...rows.slice(before.length).map(({ jws }) => jws));
  return { records, upTo: Math.max(last, withHeartbeat ? heartbeat.head : 0), withHeartbeat };
}
