import { isLogTimeOld } from '@rescind/revocation';
import { ageByBeat } from './age.ts';
import { isFromAhead, isHeldByClock, raiseLogTime } from './ahead.ts';
import { releaseAside } from './aside.ts';
import type { Draft } from './draft.ts';
import { changeWay, log } from './draft.ts';
import { gapFound, noteMended } from './repair.ts';
import { mayStandBy } from './standby.ts';
import type { Cause, FollowerState } from './types.ts';
import { closeSecond } from './ways.ts';

/** After a batch: is the view whole, is something missing, is the second way still of use? */
export function settle(draft: Draft): void {
  const isReached = draft.kept.seq >= draft.kept.head;
  if (!isReached && draft.gapOn !== null) gapFound(draft, draft.gapOn);
  if (isReached && draft.cause === 'gap') mend(draft);
  if (isReached && draft.beat?.agrees) becomeWhole(draft);
  if (draft.settledBeat !== null && draft.cause === null) takeSettled(draft, draft.settledBeat);
  const isFirstEnough = draft.firstIsGood && isReached && draft.cause === null;
  if (isFirstEnough && draft.ways.second.taken && mayStandBy(draft)) closeSecond(draft);
}

function becomeWhole(draft: Draft): void {
  const { beat, kept, cause } = draft;
  // A record whose key is not known yet may deny anything.
  if (beat === null || draft.eventKeys.unknown.size > 0 || isHeldByClock(draft, draft.at.wall)) return;
  if (cause !== null) mend(draft);
  releaseAside(draft, (aside) => aside.epoch < kept.epoch);
  growYounger(draft, beat, cause);
  setLogTime(draft, beat);
  // One that was from ahead when it came, and is no more: this clock was set.
  if (!isFromAhead(beat, draft.at.wall)) raiseLogTime(draft, beat.at);
}

/** A heartbeat that waited for the keys completes a first reading as little as any other that is from ahead. */
function takeSettled(draft: Draft, beat: NonNullable<FollowerState['beat']>): void {
  if (draft.kept.wholeAt === 0 && isFromAhead(beat, draft.at.wall)) return;
  growYounger(draft, beat, null);
}

/**
 * Log time of before the issuer's clock was set becomes the time of this heartbeat: the view is whole, so it has the rows that deny
 * the tokens of before, whose rows may have been removed by the time that was ahead.
 */
function setLogTime(draft: Draft, beat: NonNullable<FollowerState['beat']>): void {
  const { kept, at, quarantined } = draft;
  if (!isLogTimeOld(kept) || quarantined.size > 0 || isFromAhead(beat, at.wall)) return;
  log(draft, 'info', 'feed_log_time_set', { epoch: kept.epoch, from: kept.logTime, to: beat.at });
  draft.kept = { ...kept, logTime: beat.at, logTimeEpoch: kept.epoch };
}

/** @param cause why the view was suspect until now */
function growYounger(draft: Draft, beat: NonNullable<FollowerState['beat']>, cause: Cause | null): void {
  const { kept } = draft;
  // What is kept aside may deny anything: the view gets no younger.
  if (draft.quarantined.size > 0) return;
  // Of another epoch, or of a log that was read again, the time counts as it is: the old one was another's.
  if (cause === 'epoch' || cause === 'fork' || beat.at > kept.wholeAt) {
    draft.age = ageByBeat(draft, beat);
    draft.kept = { ...kept, wholeAt: beat.at, wholeWall: beat.wall };
  }
  if (beat.live && !draft.ready) {
    draft.ready = true;
    draft.effects.push({ kind: 'ready', by: 'heartbeat' });
  }
}

function mend(draft: Draft): void {
  const { epoch, seq } = draft.kept;
  log(draft, 'info', 'feed_mended', { cause: draft.cause, epoch, seq });
  draft.cause = null;
  noteMended(draft);
  for (const way of ['first', 'second'] as const) changeWay(draft, way, { stalls: 0 });
}
