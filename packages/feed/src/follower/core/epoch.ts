import { asOf, asOfEarlier } from './age.ts';
import type { Draft } from './draft.ts';
import { count, log } from './draft.ts';

/** A newer identity of the log, named by the set of event keys: the position starts anew, what was denied stays denied. */
export function enterEpoch(draft: Draft, epoch: string, kid: string, proof: string): void {
  const { kept } = draft;
  // The very first is no surprise to anyone.
  if (kept.epoch !== '' || kept.wholeAt > 0) draft.cause = 'epoch';
  if (draft.cause === 'epoch') {
    count(draft, 'rescind_feed_epochs_total');
    log(draft, 'warn', 'feed_epoch_new', { epoch, from: kept.epoch, seq: kept.seq });
  }
  draft.kept = { ...kept, ...NO_POSITION, epoch, epochKid: kid, proof };
  forgetPosition(draft);
}

/**
 * Leaves the epoch whose key is revoked or published no more: what stands in it may be a thief's. What was applied stays;
 * the view is as old as it is, and no younger than this machine's own clock allows.
 */
export function leaveEpoch(draft: Draft, why: 'key_revoked' | 'key_withdrawn'): void {
  const { kept, at } = draft;
  count(draft, 'rescind_feed_epochs_left_total', { why });
  log(draft, 'warn', 'feed_epoch_left', { why, epoch: kept.epoch, seq: kept.seq });
  draft.cause = 'epoch';
  const wholeAt = Math.min(asOf(kept), at.wall);
  draft.age = asOfEarlier(draft, asOf(kept) - wholeAt);
  draft.kept = { ...kept, ...NO_POSITION, epoch: '', epochKid: null, wholeAt, wholeWall: wholeAt };
  forgetPosition(draft);
}

const NO_POSITION = { seq: 0, id: null, head: 0, floor: 0 } as const;

function forgetPosition(draft: Draft): void {
  draft.segment = null;
  draft.heartbeat = null;
  draft.awaitedHeartbeat = null;
  draft.repair = { ...draft.repair, dueAt: null, must: false, submittedAt: null };
}
