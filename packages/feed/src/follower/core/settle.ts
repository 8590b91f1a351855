import { isLogTimeOld } from '@rescind/revocation';
import { ageByHeartbeat } from './age.ts';
import { isFromFuture, isHeldByClock, raiseLogTime } from './ahead.ts';
import { releaseQuarantined } from './aside.ts';
import type { Draft } from './draft.ts';
import { changeTransport, log } from './draft.ts';
import { gapFound, noteMended } from './repair.ts';
import { mayStandBy } from './standby.ts';
import type { Cause, FollowerState } from './types.ts';
import { closeFallback } from './ways.ts';

/** After a batch: is the view complete, is something missing, is the fallback transport still of use? */
export function evaluate(draft: Draft): void {
  const isReached = draft.kept.seq >= draft.kept.head;
  if (!isReached && draft.gapOn !== null) gapFound(draft, draft.gapOn);
  if (isReached && draft.cause === 'gap') mend(draft);
  if (isReached && draft.heartbeat?.agrees) becomeComplete(draft);
  if (draft.awaitedHeartbeat !== null && draft.cause === null) becomeYoungerByAwaited(draft, draft.awaitedHeartbeat);
  const isPrimaryEnough = draft.isPrimaryGood && isReached && draft.cause === null;
  if (isPrimaryEnough && draft.transports.fallback.isRead && mayStandBy(draft)) closeFallback(draft);
}

function becomeComplete(draft: Draft): void {
  const { heartbeat, kept, cause } = draft;
  // A record whose key is not known yet may deny anything.
  if (heartbeat === null || draft.eventKeys.unknown.size > 0 || isHeldByClock(draft, draft.at.wall)) return;
  if (cause !== null) mend(draft);
  releaseQuarantined(draft, (event) => event.epoch < kept.epoch);
  lowerAge(draft, heartbeat, cause);
  setLogTime(draft, heartbeat);
  // One that was from ahead when it came, and is no more: this clock was set.
  if (!isFromFuture(heartbeat, draft.at.wall)) raiseLogTime(draft, heartbeat.at);
}

/** A heartbeat that waited for the keys completes a first reading as little as any other that is from ahead. */
function becomeYoungerByAwaited(draft: Draft, heartbeat: NonNullable<FollowerState['heartbeat']>): void {
  if (draft.kept.wholeAt === 0 && isFromFuture(heartbeat, draft.at.wall)) return;
  lowerAge(draft, heartbeat, null);
}

/**
 * Log time of before the issuer's clock was set becomes the time of this heartbeat: the view is complete, so it has the rows that deny
 * the tokens of before, whose rows may have been removed by the time that was ahead.
 */
function setLogTime(draft: Draft, heartbeat: NonNullable<FollowerState['heartbeat']>): void {
  const { kept, at, quarantined } = draft;
  if (!isLogTimeOld(kept) || quarantined.size > 0 || isFromFuture(heartbeat, at.wall)) return;
  log(draft, 'info', 'feed_log_time_set', { epoch: kept.epoch, from: kept.logTime, to: heartbeat.at });
  draft.kept = { ...kept, logTime: heartbeat.at, logTimeEpoch: kept.epoch };
}

/** @param cause why the view was suspect until now */
function lowerAge(draft: Draft, heartbeat: NonNullable<FollowerState['heartbeat']>, cause: Cause | null): void {
  const { kept } = draft;
  // What is kept aside may deny anything: the view gets no younger.
  if (draft.quarantined.size > 0) return;
  // Of another epoch, or of a log that was read again, the time counts as it is: the old one was another's.
  if (cause === 'epoch' || cause === 'fork' || heartbeat.at > kept.wholeAt) {
    draft.age = ageByHeartbeat(draft, heartbeat);
    draft.kept = { ...kept, wholeAt: heartbeat.at, wholeWall: heartbeat.wall };
  }
  if (heartbeat.live && !draft.ready) {
    draft.ready = true;
    draft.effects.push({ kind: 'ready', by: 'heartbeat' });
  }
}

function mend(draft: Draft): void {
  const { epoch, seq } = draft.kept;
  log(draft, 'info', 'feed_mended', { cause: draft.cause, epoch, seq });
  draft.cause = null;
  noteMended(draft);
  for (const transport of ['primary', 'fallback'] as const) changeTransport(draft, transport, { stalls: 0 });
}
