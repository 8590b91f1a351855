import type { DurationMs } from '@rescind/revocation';
import { isLogTimeOld } from '@rescind/revocation/log-state';
import { ageByHeartbeat, ageOf, countSuspension, isWallSet } from './age.ts';
import type { Draft, FollowerSettings } from './draft.ts';
import { changeTransport, log, transportOf } from './draft.ts';
import { isFetchNeeded } from './event-keys.ts';
import { isFromFuture, isHeldByClock, raiseLogTime } from './heartbeat.ts';
import { releaseQuarantined } from './position.ts';
import { gapFound, noteMended } from './repair.ts';
import { closeFallback, isPrimarySilent, mayStandBy, openFallback, readWhenBehind, restart } from './transports.ts';
import type { Cause, FollowerState, InputTime, TransportRole } from './types.ts';

/** After a batch: is the view complete, is something missing, is the fallback transport still of use? */
export function evaluate(draft: Draft): void {
  const isReached = draft.logState.seq >= draft.logState.head;
  if (!isReached && draft.gapOn !== null) gapFound(draft, draft.gapOn);
  if (isReached && draft.cause === 'gap') mend(draft);
  if (isReached && draft.heartbeat?.agrees) becomeComplete(draft);
  if (draft.awaitedHeartbeat !== null && draft.cause === null) becomeYoungerByAwaited(draft, draft.awaitedHeartbeat);
  const isPrimaryEnough = draft.isPrimaryGood && isReached && draft.cause === null;
  if (isPrimaryEnough && draft.transports.fallback.isRead && mayStandBy(draft)) closeFallback(draft);
}

function becomeComplete(draft: Draft): void {
  const { heartbeat, logState, cause } = draft;
  // A record whose key is not known yet may deny anything.
  if (heartbeat === null || draft.eventKeys.unknown.size > 0 || isHeldByClock(draft, draft.at.wall)) return;
  if (cause !== null) mend(draft);
  releaseQuarantined(draft, (event) => event.epoch < logState.epoch);
  lowerAge(draft, heartbeat, cause);
  setLogTime(draft, heartbeat);
  // It was from the future when it arrived and is not any more: the local clock was set.
  if (!isFromFuture(heartbeat, draft.at.wall)) raiseLogTime(draft, heartbeat.at);
}

/** A heartbeat that waited for the keys does not complete a first reading if it is from the future, as no other does. */
function becomeYoungerByAwaited(draft: Draft, heartbeat: NonNullable<FollowerState['heartbeat']>): void {
  if (draft.logState.wholeAt === 0 && isFromFuture(heartbeat, draft.at.wall)) return;
  lowerAge(draft, heartbeat, null);
}

/**
 * Log time from before the issuer's clock was set becomes the time of this heartbeat: the view is complete, so it has the rows that deny
 * the tokens from before, whose rows may have been removed by the time that was ahead.
 */
function setLogTime(draft: Draft, heartbeat: NonNullable<FollowerState['heartbeat']>): void {
  const { logState, at, quarantined } = draft;
  if (!isLogTimeOld(logState) || quarantined.size > 0 || isFromFuture(heartbeat, at.wall)) return;
  log(draft, 'info', 'feed_log_time_set', { epoch: logState.epoch, from: logState.logTime, to: heartbeat.at });
  draft.logState = { ...logState, logTime: heartbeat.at, logTimeEpoch: logState.epoch };
}

/** @param cause why the view was suspect until now */
function lowerAge(draft: Draft, heartbeat: NonNullable<FollowerState['heartbeat']>, cause: Cause | null): void {
  const { logState } = draft;
  // A quarantined event may deny anything: the age of the view does not fall.
  if (draft.quarantined.size > 0) return;
  // Of another epoch, or of a log that was read again, the time counts as it is: the old one was another's.
  if (cause === 'epoch' || cause === 'fork' || heartbeat.at > logState.wholeAt) {
    draft.age = ageByHeartbeat(draft, heartbeat);
    draft.logState = { ...logState, wholeAt: heartbeat.at, wholeWall: heartbeat.wall };
  }
  if (heartbeat.live && !draft.ready) {
    draft.ready = true;
    draft.effects.push({ kind: 'ready', by: 'heartbeat' });
  }
}

function mend(draft: Draft): void {
  const { epoch, seq } = draft.logState;
  log(draft, 'info', 'feed_repaired', { cause: draft.cause, epoch, seq });
  draft.cause = null;
  noteMended(draft);
  for (const transport of ['primary', 'fallback'] as const) changeTransport(draft, transport, { stalls: 0 });
}

/** How often the time after which a silent connection is made anew is doubled at most. */
const MAX_STALLS_COUNTED = 4;

/** Without a response for so long, a stored view that is young enough makes the instance ready. */
const UNANSWERED_MS: DurationMs = 5_000;

/** What time alone brings about. */
export function passTime(draft: Draft): void {
  const { settings, logState } = draft;
  const isSilent = isPrimarySilent(draft);
  readWhenBehind(draft);
  if (settings.fallback !== null && !draft.transports.fallback.isRead && isSilent) openFallback(draft, 'silence');
  // A stored head that no transport delivers.
  if (isSilent && logState.seq < logState.head && draft.cause === null) gapFound(draft, 'primary');
  for (const transport of ['primary', 'fallback'] as const) restartIfStalled(draft, transport);
  if (logState.wholeAt > 0 && isWallSet(draft)) draft.isAgeToSave = true;
  becomeReadyByAge(draft);
}

/**
 * Whether `passTime`, and what ends each step, would change nothing and have no effect at this time: a driver may omit the tick. It
 * leaves out jitter and growing patience, so it may return false where a tick would change nothing.
 */
export function isQuiet(settings: FollowerSettings, state: FollowerState, at: InputTime): boolean {
  const { logState, eventKeys, saved, age } = state;
  const isComplete = logState.epoch !== '' && logState.seq >= logState.head && logState.suspect === null;
  if (!isComplete || !state.ready || state.cause !== null || state.quarantined.size > 0) return false;
  if (state.repair.dueAt !== null || state.standby.behind !== null) return false;
  if (eventKeys.dueAt !== null || isFetchNeeded(eventKeys)) return false;
  if (at.monotonic - state.goodAt >= settings.silenceMs) return false;
  for (const transport of ['primary', 'fallback'] as const)
    if (isStalled(settings, state, transport, at.monotonic)) return false;
  return countSuspension(age, at) === age && !isWallSet({ saved, at });
}

/** @param patience how many times as long as usual the connection may be silent */
function isStalled(
  settings: FollowerSettings,
  { transports }: Pick<FollowerState, 'transports'>,
  transport: TransportRole,
  now: DurationMs,
  patience = 1,
): boolean {
  const { isRead, standby, open, since, receivedAt } = transports[transport];
  if (!(isRead || standby) || !open) return false;
  const { stallMs, standbyStallMs } = transportOf(settings, transport);
  return now - Math.max(since, receivedAt) >= (standby ? standbyStallMs : stallMs) * patience;
}

function restartIfStalled(draft: Draft, transport: TransportRole): void {
  const { stalls } = draft.transports[transport];
  const patience = 2 ** Math.min(stalls, MAX_STALLS_COUNTED);
  if (!isStalled(draft.settings, draft, transport, draft.at.monotonic, patience)) return;
  restart(draft, transport, 'stalled');
  changeTransport(draft, transport, { stalls: stalls + 1 });
}

function becomeReadyByAge(draft: Draft): void {
  if (draft.ready || draft.at.monotonic - draft.answeredAt < UNANSWERED_MS) return;
  const ageMs = ageOf(draft);
  if (ageMs > draft.settings.maxStalenessMs) return;
  draft.ready = true;
  draft.effects.push({ kind: 'ready', by: 'age' });
  log(draft, 'warn', 'feed_ready_by_age', { ageMs });
}
