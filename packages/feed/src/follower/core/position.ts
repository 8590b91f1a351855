import type { LogState } from '@rescind/revocation';
import type { EventRecord, NotUnderstoodRecord } from '../../event/record.ts';
import { setAside } from './aside.ts';
import type { Draft } from './draft.ts';
import { addRows, count, log } from './draft.ts';
import { admits } from './event-keys.ts';
import { forkFound } from './fork.ts';
import { isStandby } from './standby.ts';
import type { WayId } from './types.ts';

/** Applies an event, wherever it stands: it is idempotent. Only the next one in order moves the position. */
export function takeEvent(draft: Draft, way: WayId, record: EventRecord | NotUnderstoodRecord): void {
  const isFollowed = admits(draft, record);
  applyCutOffs(draft, record);
  if (!isFollowed || record.epoch < draft.kept.epoch) {
    tell(draft, record, record.epoch < draft.kept.epoch ? 'old_epoch' : 'other_epoch');
    return;
  }
  if (record.kind === 'not-understood') setAside(draft, record);
  if (record.seq <= draft.kept.seq) {
    tell(draft, record, 'again');
    return;
  }
  if (record.seq > draft.kept.seq + 1) {
    tell(draft, record, 'beyond_gap');
    raiseHead(draft, record.seq, record.jws);
    extendRun(draft, record);
    // Before what speaks of now, what is missing is missing, not merely yet to be read.
    if (record.live && !isStandby(draft, way)) draft.gapOn = way;
    return;
  }
  tell(draft, record, 'applied');
  if (isIdKnown(draft.kept) && record.prev !== draft.kept.id) {
    // Before it becomes the proof: what it contradicts is worth more to the issuer.
    forkFound(draft, 'prev');
    return;
  }
  raiseHead(draft, record.seq, record.jws);
  moveTo(draft, record.seq, record.id);
  adoptRun(draft);
}

/** Below the floor nothing denies any more, so the position may go there, whoever stood in between. */
export function jumpToFloor(draft: Draft): void {
  const below = draft.kept.floor - 1;
  if (draft.kept.seq >= below) return;
  log(draft, 'info', 'feed_jumped_to_floor', { from: draft.kept.seq, to: below });
  moveTo(draft, below, null);
  adoptRun(draft);
}

/** Notes that the log goes this far; what says so proves it to an issuer that has been restored. */
export function raiseHead(draft: Draft, head: number, jws: string): void {
  const { kept } = draft;
  if (head <= kept.head && kept.proof !== null) return;
  // In a fork the proof of the lost branch is what counts.
  const proof = draft.cause === 'fork' && kept.proof !== null ? kept.proof : jws;
  draft.kept = { ...kept, head: Math.max(kept.head, head), proof };
}

/** At 0 there is none, which is known. */
export function isIdKnown({ seq, id }: LogState): boolean {
  return seq === 0 || id !== null;
}

/** Moves the position; where it meets the head of a heartbeat heard before, the ids must be the same. */
function moveTo(draft: Draft, seq: number, id: string | null): void {
  draft.kept = { ...draft.kept, seq, id };
  const { beat } = draft;
  if (beat === null || beat.agrees || beat.head !== seq) return;
  if (id !== null && id !== beat.last) {
    forkFound(draft, 'last');
    return;
  }
  draft.kept = { ...draft.kept, id: beat.last };
  draft.beat = { ...beat, agrees: true };
}

function applyCutOffs(draft: Draft, record: EventRecord | NotUnderstoodRecord): void {
  if (record.kind !== 'event') return;
  addRows(draft, record);
  if (record.skipped > 0) count(draft, 'rescind_feed_entries_skipped_total', {}, record.skipped);
  if (record.clamped > 0) count(draft, 'rescind_feed_entries_clamped_total', {}, record.clamped);
  if (!record.live) return;
  const seconds = (draft.at.wall - record.at) / 1000;
  // A negative time is the difference of two clocks and says nothing about how long it took.
  if (seconds >= 0) draft.effects.push({ kind: 'observe', metric: 'rescind_propagation_seconds', value: seconds });
  else draft.effects.push({ kind: 'observe', metric: 'rescind_clock_skew_seconds', value: -seconds });
}

const RESULTS = {
  applied: { result: 'applied' },
  again: { result: 'again' },
  beyond_gap: { result: 'beyond_gap' },
  old_epoch: { result: 'old_epoch' },
  other_epoch: { result: 'other_epoch' },
  not_understood: { result: 'not_understood' },
} as const;

function tell(draft: Draft, record: EventRecord | NotUnderstoodRecord, result: keyof typeof RESULTS): void {
  count(draft, 'rescind_events_applied_total', RESULTS[record.kind === 'event' ? result : 'not_understood']);
}

/**
 * Events beyond a gap have been applied all the same. As long as each names the one before it, the position may pass
 * over them together once it gets there: else a reader of a topic that begins in the middle would have to fetch again
 * all it has.
 */
function extendRun(draft: Draft, { seq, id, prev }: EventRecord | NotUnderstoodRecord): void {
  const { run } = draft;
  if (run !== null && seq <= run.to) return;
  const isNext = run !== null && seq === run.to + 1 && prev === run.id;
  draft.run = isNext ? { ...run, to: seq, id } : { from: seq, prev, to: seq, id };
}

function adoptRun(draft: Draft): void {
  const { run, kept } = draft;
  if (run === null || run.from > kept.seq + 1) return;
  draft.run = null;
  if (run.to <= kept.seq) return;
  if (run.from === kept.seq + 1 && isIdKnown(kept) && run.prev !== kept.id) {
    forkFound(draft, 'prev');
    return;
  }
  moveTo(draft, run.to, run.id);
}
