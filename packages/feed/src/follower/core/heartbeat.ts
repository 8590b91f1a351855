import type { HeartbeatRecord } from '../../event/record.ts';
import { releaseAside } from './aside.ts';
import type { Draft } from './draft.ts';
import { changeWay, count, wayName } from './draft.ts';
import { admits } from './event-keys.ts';
import { forkFound, suspectFork } from './fork.ts';
import { isHappening, isIdKnown, jumpToFloor, raiseHead } from './position.ts';
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
  const { kept } = draft;
  draft.kept = {
    ...kept,
    logTime: Math.max(kept.logTime, record.at),
    floor: Math.max(kept.floor, record.floor),
  };
  releaseBelowFloor(draft);
  jumpToFloor(draft);
  if (!agreesOnLast(draft, record)) {
    forkFound(draft, 'last');
    return;
  }
  takeAge(draft, way, record);
  // On each way a heartbeat follows the head it names, but for the one that opens a connection.
  // A standby stream says how far the log goes, and not that something was lost.
  const isInOrder = !opening && !isStandby(draft, way) && isHappening(draft, way, record.live);
  if (record.head > draft.kept.seq && isInOrder) draft.gapOn = way;
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
function takeAge(draft: Draft, way: WayId, record: HeartbeatRecord): void {
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
  count(draft, 'rescind_heartbeats_total', { result: 'applied' });
  raiseHead(draft, record.head, record.jws);
  if (!isStandby(draft, way) || draft.way === null) draft.way = wayName(settings, way);
  const { at, head, last } = record;
  const agrees = head === draft.kept.seq;
  const { wall, monotonic } = draft.at;
  const heard = { wall, monotonic };
  if (beat === null || !beat.agrees || at > beat.at) {
    const live = record.live || beat?.live === true;
    draft.beat = { at, head, last, agrees, live, isLive: record.live, heard };
  } else if (record.live && agrees && !beat.live) draft.beat = { ...beat, live: true };
}

function releaseBelowFloor(draft: Draft): void {
  const { epoch, floor } = draft.kept;
  releaseAside(draft, (aside) => aside.epoch === epoch && aside.seq < floor);
}
