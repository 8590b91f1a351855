import type { LogState } from '@rescind/revocation/log-state';
import type { EventRecord, UnknownVersionRecord } from '../../event/record.ts';
import type { Draft } from './draft.ts';
import { addRows, count, log } from './draft.ts';
import { acceptsKey } from './event-keys.ts';
import { forkFound } from './repair.ts';
import { isStandby } from './transports.ts';
import type { TransportRole } from './types.ts';

/** Applies an event, wherever it stands: it is idempotent. Only the next one in order moves the position. */
export function applyEvent(draft: Draft, transport: TransportRole, record: EventRecord | UnknownVersionRecord): void {
  const isFollowed = acceptsKey(draft, record);
  applyCutOffs(draft, record);
  if (!isFollowed || record.epoch < draft.logState.epoch) {
    countEvent(draft, record, record.epoch < draft.logState.epoch ? 'old_epoch' : 'other_epoch');
    return;
  }
  if (record.kind === 'not-understood') quarantineEvent(draft, record);
  if (record.seq <= draft.logState.seq) {
    countEvent(draft, record, 'duplicate');
    return;
  }
  if (record.seq > draft.logState.seq + 1) {
    countEvent(draft, record, 'beyond_gap');
    raiseHead(draft, record.seq, record.jws);
    extendSegment(draft, record);
    // Before a live record a missing event is lost, not merely unread.
    if (record.live && !isStandby(draft, transport)) draft.gapOn = transport;
    return;
  }
  countEvent(draft, record, 'applied');
  if (isIdKnown(draft.logState) && record.prev !== draft.logState.id) {
    // Before it replaces the evidence: the record that it contradicts is worth more to the issuer.
    forkFound(draft, 'prev');
    return;
  }
  raiseHead(draft, record.seq, record.jws);
  moveTo(draft, record.seq, record.id);
  adoptSegment(draft);
}

/** Moves the position to the low watermark: the events below it deny nothing any more. */
export function jumpToLowWatermark(draft: Draft): void {
  const below = draft.logState.floor - 1;
  if (draft.logState.seq >= below) return;
  log(draft, 'info', 'feed_jumped_to_low_watermark', { from: draft.logState.seq, to: below });
  moveTo(draft, below, null);
  adoptSegment(draft);
}

/** Raises the known head. The record that states it is evidence for an issuer that has been restored. */
export function raiseHead(draft: Draft, head: number, jws: string): void {
  const { logState } = draft;
  if (head <= logState.head && logState.proof !== null) return;
  // In a fork the evidence of the lost branch counts.
  const proof = draft.cause === 'fork' && logState.proof !== null ? logState.proof : jws;
  draft.logState = { ...logState, head: Math.max(logState.head, head), proof };
}

/** Whether the id at the position is known. At seq 0 there is no event, and so no id to know. */
export function isIdKnown({ seq, id }: LogState): boolean {
  return seq === 0 || id !== null;
}

/** Moves the position. If it reaches the head of an earlier heartbeat, the ids must be equal. */
function moveTo(draft: Draft, seq: number, id: string | null): void {
  draft.logState = { ...draft.logState, seq, id };
  const { heartbeat } = draft;
  if (heartbeat === null || heartbeat.agrees || heartbeat.head !== seq) return;
  if (id !== null && id !== heartbeat.headId) {
    forkFound(draft, 'last');
    return;
  }
  draft.logState = { ...draft.logState, id: heartbeat.headId };
  draft.heartbeat = { ...heartbeat, agrees: true };
}

function applyCutOffs(draft: Draft, record: EventRecord | UnknownVersionRecord): void {
  if (record.kind !== 'event') return;
  addRows(draft, record);
  if (record.skipped > 0) count(draft, 'rescind_feed_entries_skipped_total', {}, record.skipped);
  if (record.clamped > 0) count(draft, 'rescind_feed_entries_clamped_total', {}, record.clamped);
  if (!record.live) return;
  const { txn, epoch, seq } = record;
  draft.effects.push({ kind: 'applied', txn, epoch, seq, at: draft.at.wall });
  const seconds = (draft.at.wall - record.at) / 1000;
  // A negative time is the difference of two clocks, not how long the delivery took.
  if (seconds >= 0) draft.effects.push({ kind: 'observe', metric: 'rescind_propagation_seconds', value: seconds });
  else draft.effects.push({ kind: 'observe', metric: 'rescind_clock_skew_seconds', value: -seconds });
}

const RESULTS = {
  applied: { result: 'applied' },
  duplicate: { result: 'duplicate' },
  beyond_gap: { result: 'beyond_gap' },
  old_epoch: { result: 'old_epoch' },
  other_epoch: { result: 'other_epoch' },
  quarantined: { result: 'quarantined' },
} as const;

function countEvent(draft: Draft, record: EventRecord | UnknownVersionRecord, result: keyof typeof RESULTS): void {
  count(draft, 'rescind_events_applied_total', RESULTS[record.kind === 'event' ? result : 'quarantined']);
}

/**
 * Events beyond a gap have been applied all the same. As long as each names the one before it, the position may pass
 * over them together once it gets there: else a reader of a topic that begins in the middle would have to fetch again
 * all it has.
 */
function extendSegment(draft: Draft, { seq, id, prev }: EventRecord | UnknownVersionRecord): void {
  const { segment } = draft;
  if (segment !== null && seq <= segment.to) return;
  const isNext = segment !== null && seq === segment.to + 1 && prev === segment.id;
  draft.segment = isNext ? { ...segment, to: seq, id } : { from: seq, prev, to: seq, id };
}

function adoptSegment(draft: Draft): void {
  const { segment, logState } = draft;
  if (segment === null || segment.from > logState.seq + 1) return;
  draft.segment = null;
  if (segment.to <= logState.seq) return;
  if (segment.from === logState.seq + 1 && isIdKnown(logState) && segment.prev !== logState.id) {
    forkFound(draft, 'prev');
    return;
  }
  moveTo(draft, segment.to, segment.id);
}

/** Quarantines an event for a version that understands it. Until then its denials are unknown. */
function quarantineEvent(draft: Draft, { epoch, seq, jws, reason }: UnknownVersionRecord): void {
  const key = `${epoch}:${seq}`;
  if (seq < draft.logState.floor || draft.quarantined.has(key)) return;
  draft.quarantined = new Map(draft.quarantined).set(key, { epoch, seq });
  draft.quarantine.push({ log: draft.settings.log, epoch, seq, jws, reason });
  log(draft, 'error', 'feed_event_quarantined', { epoch, seq, reason: reason });
}

/** Releases the quarantined events that match: they deny nothing any more, or were understood. */
export function releaseQuarantined(draft: Draft, gone: (event: { epoch: string; seq: number }) => boolean): void {
  const released = [...draft.quarantined].filter(([, event]) => gone(event));
  if (released.length === 0) return;
  const left = new Map(draft.quarantined);
  for (const [key, event] of released) {
    left.delete(key);
    draft.release.push(event);
  }
  draft.quarantined = left;
}
