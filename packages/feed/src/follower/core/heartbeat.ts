import type { EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import { isLogTimeOld } from '@rescind/revocation/log-state';
import type { HeartbeatRecord } from '../../event/record.ts';
import type { Draft } from './draft.ts';
import { changeTransport, count, log, transportOf } from './draft.ts';
import { acceptsKey } from './event-keys.ts';
import { isIdKnown, jumpToLowWatermark, raiseHead, releaseQuarantined } from './position.ts';
import { forkFound, suspectFork } from './repair.ts';
import { isStandby, markGood } from './transports.ts';
import type { FollowerState, TransportRole } from './types.ts';

/** Applies a heartbeat: the head, the low watermark, and the time of both. */
export function applyHeartbeat(draft: Draft, transport: TransportRole, record: HeartbeatRecord): void {
  if (!acceptsKey(draft, record)) {
    count(draft, 'rescind_heartbeats_total', { result: 'other_epoch' });
    return;
  }
  const { opening, requested } = draft.transports[transport];
  if (opening) changeTransport(draft, transport, { opening: false });
  if (record.epoch < draft.logState.epoch) {
    count(draft, 'rescind_heartbeats_total', { result: 'old_epoch' });
    // Made after the request, by an issuer that has forgotten what it sent before the request.
    if (opening && requested !== null && record.epoch < requested.epoch) suspectFork(draft, 'epoch');
    return;
  }
  if (opening && requested !== null && requested.epoch === record.epoch && record.head < requested.head) {
    forkFound(draft, 'head');
    return;
  }
  const isFuture = isFromFuture(record, draft.at.wall);
  logFutureHeartbeat(draft, record, isFuture);
  applyTimes(draft, record, isFuture);
  releaseBelowLowWatermark(draft);
  jumpToLowWatermark(draft);
  if (!agreesOnHeadId(draft, record)) {
    forkFound(draft, 'last');
    return;
  }
  applyAge(draft, transport, record, isFuture);
  // On each transport a heartbeat follows the head it names, but for the one that opens a connection.
  // A standby stream states how far the log goes, but a head beyond the position is no gap there.
  const isInOrder = !opening && !isStandby(draft, transport) && record.live;
  if (record.head > draft.logState.seq && isInOrder) draft.gapOn = transport;
}

/** A heartbeat from the future moves neither log time nor the low watermark: a clock that was set for a moment must not remove rows for good. */
function applyTimes(draft: Draft, record: HeartbeatRecord, isFuture: boolean): void {
  const { logState } = draft;
  const timeSince = latestEpoch(logState.timeSince ?? null, record.timeSince);
  draft.logState = { ...logState, timeSince };
  if (isFuture) return;
  draft.logState = { ...draft.logState, floor: Math.max(logState.floor, record.lowWatermark) };
  raiseLogTime(draft, record.at);
}

function latestEpoch(one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return one < other ? other : one;
}

/** Logs when the heartbeats begin to be from the future, and when they no longer are. */
function logFutureHeartbeat(draft: Draft, { at, epoch }: HeartbeatRecord, isFuture: boolean): void {
  if (isFuture === draft.isHeartbeatFromFuture) return;
  draft.isHeartbeatFromFuture = isFuture;
  if (isFuture) log(draft, 'warn', 'feed_heartbeat_ahead', { epoch, aheadMs: Math.round(at - draft.at.wall) });
  else log(draft, 'info', 'feed_heartbeat_agrees', { epoch });
}

/** The id at the position must be the one the heartbeat names, and is learnt from it after a jump. */
function agreesOnHeadId(draft: Draft, { head, headId }: HeartbeatRecord): boolean {
  const { logState } = draft;
  if (head !== logState.seq) return true;
  if (isIdKnown(logState)) return logState.id === headId;
  draft.logState = { ...logState, id: headId };
  return true;
}

/**
 * Applies a heartbeat to the age of the view. One with a head below the known head is late, and does not change the age. In one log
 * a later time never has a lower head, so the later times of a restored issuer do not lower the age of a view that has more events.
 */
function applyAge(draft: Draft, transport: TransportRole, record: HeartbeatRecord, isFuture: boolean): void {
  const { settings, heartbeat } = draft;
  if (transport === 'primary') {
    if (record.live && !draft.standby.isPrimaryLive) draft.standby = { ...draft.standby, isPrimaryLive: true };
    const isFresh = heartbeat === null || record.at >= heartbeat.at - settings.silenceMs;
    if (record.live && isFresh && record.head >= draft.logState.seq) {
      draft.isPrimaryGood = true;
      markGood(draft);
    }
  }
  if (record.head < draft.logState.head) {
    count(draft, 'rescind_heartbeats_total', { result: 'late' });
    return;
  }
  count(draft, 'rescind_heartbeats_total', { result: isFuture ? 'ahead' : 'applied' });
  raiseHead(draft, record.head, record.jws);
  if (!isStandby(draft, transport) || draft.transport === null) draft.transport = transportOf(settings, transport).name;
  const { at, wall: issuerWall, head, headId } = record;
  const agrees = head === draft.logState.seq;
  const { wall, monotonic } = draft.at;
  const received = { wall, monotonic };
  // The time of a heartbeat from the future does not outdo those that agree with the local clock.
  const isOutdone = heartbeat !== null && !isFuture && isFromFuture(heartbeat, wall);
  // A standby stream makes no instance ready: the primary transport may have more, which this instance has not read.
  const isReadBy = record.live && !isStandby(draft, transport);
  // An earlier time with a greater head: the one that claimed to be newer is of an issuer that was restored, and late.
  const isLate = heartbeat !== null && at < heartbeat.at && head > heartbeat.head;
  if (heartbeat === null || !heartbeat.agrees || at > heartbeat.at || isOutdone || isLate) {
    const live = isReadBy || (heartbeat?.live === true && !isLate);
    draft.heartbeat = { at, wall: issuerWall, head, headId, agrees, live, isLive: record.live, received };
  } else if (isReadBy && agrees && !heartbeat.live) draft.heartbeat = { ...heartbeat, live: true };
}

function releaseBelowLowWatermark(draft: Draft): void {
  const { epoch, floor } = draft.logState;
  releaseQuarantined(draft, (event) => event.epoch === epoch && event.seq < floor);
}

/** Whether the time of a heartbeat is later than the local wall clock by more than the tolerance: the issuer's clock leads, or the local one is behind. */
export function isFromFuture({ at }: { readonly at: EpochMillis }, wall: EpochMillis): boolean {
  return at > wall + CLOCK_TOLERANCE_MS;
}

/**
 * Whether the view would be complete by its newest heartbeat, if that were not from the future: it completes no first reading, no new
 * epoch and no other history. A reader that was complete in the epoch before stays complete by it.
 */
export function isHeldByClock(
  { heartbeat, logState, cause }: Pick<FollowerState, 'heartbeat' | 'logState' | 'cause'>,
  wall: EpochMillis,
): boolean {
  if (heartbeat === null || !heartbeat.agrees || logState.seq < logState.head || !isFromFuture(heartbeat, wall))
    return false;
  return logState.wholeAt === 0 || cause === 'epoch' || cause === 'fork';
}

/** Takes the time of a heartbeat of the present epoch. A time from before the issuer's clock was set stays until the view is complete. */
export function raiseLogTime(draft: Draft, at: EpochMillis): void {
  const { logState } = draft;
  if (isLogTimeOld(logState) || at <= logState.logTime) return;
  draft.logState = { ...logState, logTime: at, logTimeEpoch: logState.epoch };
}
