import type { HeartbeatRecord } from '../../event/record.ts';
import { isFromAhead, raiseLogTime } from './ahead.ts';
import { releaseAside } from './aside.ts';
import type { Draft } from './draft.ts';
import { changeWay, count, log, transportOf } from './draft.ts';
import { admits } from './event-keys.ts';
import { forkFound, suspectFork } from './fork.ts';
import { isIdKnown, jumpToFloor, raiseHead } from './position.ts';
import { isStandby } from './standby.ts';
import type { WayId } from './types.ts';
import { markGood } from './ways.ts';

/** Takes a heartbeat: how far the log went, what of it still denies, and when that was so. */
export function takeHeartbeat(draft: Draft, way: WayId, record: HeartbeatRecord): void {
  if (!admits(draft, record)) {
    count(draft, 'rescind_heartbeats_total', { result: 'other_epoch' });
    return;
  }
  const { opening, asked } = draft.ways[way];
  if (opening) changeWay(draft, way, { opening: false });
  if (record.epoch < draft.kept.epoch) {
    count(draft, 'rescind_heartbeats_total', { result: 'old_epoch' });
    // Made after we asked, by an issuer that does not know what it said before we asked.
    if (opening && asked !== null && record.epoch < asked.epoch) suspectFork(draft, 'epoch');
    return;
  }
  if (opening && asked !== null && asked.epoch === record.epoch && record.head < asked.head) {
    forkFound(draft, 'head');
    return;
  }
  const isAhead = isFromAhead(record, draft.at.wall);
  tellAhead(draft, record, isAhead);
  takeTimes(draft, record, isAhead);
  releaseBelowFloor(draft);
  jumpToFloor(draft);
  if (!agreesOnLast(draft, record)) {
    forkFound(draft, 'last');
    return;
  }
  takeAge(draft, way, record, isAhead);
  // On each way a heartbeat follows the head it names, but for the one that opens a connection.
  // A standby stream says how far the log goes, and not that something was lost.
  const isInOrder = !opening && !isStandby(draft, way) && record.live;
  if (record.head > draft.kept.seq && isInOrder) draft.gapOn = way;
}

/** One from ahead moves neither log time nor the floor: a clock that was set for a moment must not forget rows for good. */
function takeTimes(draft: Draft, record: HeartbeatRecord, isAhead: boolean): void {
  const { kept } = draft;
  const timeSince = latestEpoch(kept.timeSince ?? null, record.timeSince);
  draft.kept = { ...kept, timeSince };
  if (isAhead) return;
  draft.kept = { ...draft.kept, floor: Math.max(kept.floor, record.floor) };
  raiseLogTime(draft, record.at);
}

function latestEpoch(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return one < other ? other : one;
}

/** Logged when it begins and when it is over. */
function tellAhead(draft: Draft, { at, epoch }: HeartbeatRecord, isAhead: boolean): void {
  if (isAhead === draft.isBeatAhead) return;
  draft.isBeatAhead = isAhead;
  if (isAhead) log(draft, 'warn', 'feed_heartbeat_ahead', { epoch, aheadMs: Math.round(at - draft.at.wall) });
  else log(draft, 'info', 'feed_heartbeat_agrees', { epoch });
}

/** The id at the position must be the one the heartbeat names, and is learnt from it after a jump. */
function agreesOnLast(draft: Draft, { head, last }: HeartbeatRecord): boolean {
  const { kept } = draft;
  if (head !== kept.seq) return true;
  if (isIdKnown(kept)) return kept.id === last;
  draft.kept = { ...kept, id: last };
  return true;
}

/**
 * One with a head below what is known is late: it says nothing about how old the view is. In one log a later time never
 * goes with a lower head, so an issuer that was restored cannot pass its younger times off on what it has forgotten.
 */
function takeAge(draft: Draft, way: WayId, record: HeartbeatRecord, isAhead: boolean): void {
  const { settings, beat } = draft;
  if (way === 'first') {
    if (record.live && !draft.standby.isFirstLive) draft.standby = { ...draft.standby, isFirstLive: true };
    const isFresh = beat === null || record.at >= beat.at - settings.silenceMs;
    if (record.live && isFresh && record.head >= draft.kept.seq) {
      draft.firstIsGood = true;
      markGood(draft);
    }
  }
  if (record.head < draft.kept.head) {
    count(draft, 'rescind_heartbeats_total', { result: 'late' });
    return;
  }
  count(draft, 'rescind_heartbeats_total', { result: isAhead ? 'ahead' : 'applied' });
  raiseHead(draft, record.head, record.jws);
  if (!isStandby(draft, way) || draft.way === null) draft.way = transportOf(settings, way).name;
  const { at, wall: told, head, last } = record;
  const agrees = head === draft.kept.seq;
  const { wall, monotonic } = draft.at;
  const heard = { wall, monotonic };
  // A time that one claimed from ahead, whoever signed it, does not outdo those that agree with this clock.
  const isOutdone = beat !== null && !isAhead && isFromAhead(beat, wall);
  // A standby stream makes no instance ready: the first transport may hold more, which this instance has not read.
  const isReadBy = record.live && !isStandby(draft, way);
  // An earlier time with a greater head: the one that claimed to be newer is of an issuer that was restored, and late.
  const isLate = beat !== null && at < beat.at && head > beat.head;
  if (beat === null || !beat.agrees || at > beat.at || isOutdone || isLate) {
    const live = isReadBy || (beat?.live === true && !isLate);
    draft.beat = { at, wall: told, head, last, agrees, live, isLive: record.live, heard };
  } else if (isReadBy && agrees && !beat.live) draft.beat = { ...beat, live: true };
}

function releaseBelowFloor(draft: Draft): void {
  const { epoch, floor } = draft.kept;
  releaseAside(draft, (aside) => aside.epoch === epoch && aside.seq < floor);
}
