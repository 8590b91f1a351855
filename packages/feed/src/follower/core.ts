import type { LogState } from '@rescind/revocation/log-state';
import { prunableBefore } from '@rescind/revocation/log-state';
import type { DecodedRecord } from '../event/record.ts';
import type { StartPosition } from '../ports.ts';
import { ageAtStart, ageOf } from './core/age.ts';
import type { Draft, FollowerSettings } from './core/draft.ts';
import {
  addRows,
  beginDraft,
  canStandBy,
  changeTransport,
  count,
  finishDraft,
  log,
  toFollowerSettings,
  transportOf,
} from './core/draft.ts';
import { evaluate, isQuiet, passTime } from './core/evaluate.ts';
import {
  applyKeySet,
  fetchFailed,
  fetchWhatIsDue,
  isAwaitingKeys,
  isRevoked,
  newEventKeys,
  noteUnknownKey,
} from './core/event-keys.ts';
import { applyHeartbeat, isHeldByClock } from './core/heartbeat.ts';
import { applyEvent, releaseQuarantined } from './core/position.ts';
import { offerEvidence, repairWhatIsDue, scheduleRepair } from './core/repair.ts';
import { markGood, NO_STANDBY, notePrimary } from './core/transports.ts';
import type {
  Cause,
  FollowerCore,
  FollowerCoreOptions,
  FollowerInput,
  FollowerState,
  FollowerStep,
  InputTime,
  QuarantinedAgain,
  TransportRole,
  TransportState,
  View,
} from './core/types.ts';

export type { FeedDescription, TransportDescription } from '../transport.ts';
export type {
  FetchedSet,
  FollowerCore,
  FollowerCoreOptions,
  FollowerEffect,
  FollowerInput,
  FollowerState,
  FollowerStep,
  InputTime,
  QuarantinedAgain,
  TransportRole,
  View,
} from './core/types.ts';

/**
 * Creates the follower's logic for one log. It has no state, reads no clock and runs no effect: the same state and input give the same
 * state and effects. docs/protocol.md describes it.
 *
 * @throws TypeError for an option that is missing or out of its range
 */
export function createFollowerCore(options: FollowerCoreOptions): FollowerCore {
  const settings = toFollowerSettings(options);
  return {
    start: (logState, quarantined, at) => start(settings, logState, quarantined, at),
    step(state, input) {
      const draft = beginDraft(settings, state, input.at);
      applyInput(draft, input);
      repairWhatIsDue(draft);
      fetchWhatIsDue(draft);
      offerEvidence(draft);
      return finishDraft(draft);
    },
    isQuiet: (state, at) => isQuiet(settings, state, at),
    startOf: (state, transport) => startOf(settings, state, transport),
    view: viewOf,
  };
}

function applyInput(draft: Draft, input: FollowerInput): void {
  switch (input.kind) {
    case 'startRequested': {
      const { epoch, head } = draft.logState;
      const { opensWithHeartbeat: opening } = transportOf(draft.settings, input.transport);
      changeTransport(draft, input.transport, { opening, requested: { epoch, head } });
      return;
    }
    case 'opened':
      // The first time only: a transport that connects repeatedly has delivered nothing.
      if (draft.transports[input.transport].openings === 0) draft.answeredAt = input.at.monotonic;
      changeTransport(draft, input.transport, {
        open: true,
        lost: false,
        openings: draft.transports[input.transport].openings + 1,
        since: input.at.monotonic,
      });
      log(draft, 'info', 'feed_opened', { transport: transportOf(draft.settings, input.transport).name });
      return;
    case 'lost':
      // A loss is a warning once; further attempts are debug lines.
      log(draft, draft.transports[input.transport].lost ? 'debug' : 'warn', 'feed_lost', {
        transport: transportOf(draft.settings, input.transport).name,
        reason: input.reason,
      });
      changeTransport(draft, input.transport, { open: false, opening: false, lost: true });
      return;
    case 'records':
      applyRecords(draft, input);
      return;
    case 'tick':
      passTime(draft);
      return;
    case 'keys':
      applyKeySet(draft, input.set);
      evaluate(draft);
      return;
    case 'keysFailed':
      fetchFailed(draft);
      return;
    case 'stop':
      draft.isAgeToSave = draft.logState.wholeAt > 0;
  }
}

function applyRecords(draft: Draft, { transport, records, at }: Extract<FollowerInput, { kind: 'records' }>): void {
  if (!draft.transports[transport].isRead && !draft.transports[transport].standby) return;
  let hint: string | null = null;
  let heard = false;
  let caughtUp = false;
  let getsOn = false;
  const seqBefore = draft.logState.seq;
  for (const record of records) {
    hint = record.hint ?? hint;
    if (record.kind === 'bad') {
      count(draft, 'rescind_events_applied_total', { result: `bad_${record.reason}` });
      if (record.reason === 'key_unknown') noteUnknownKey(draft, transport, record);
      continue;
    }
    if (record.kind === 'skipped') continue;
    // Also what was decoded before its key was revoked.
    if (isRevoked(draft, record.kid)) {
      count(draft, 'rescind_events_applied_total', { result: 'bad_key_revoked' });
      continue;
    }
    heard = true;
    caughtUp ||= !record.live;
    if (record.kind === 'heartbeat') applyHeartbeat(draft, transport, record);
    else {
      applyEvent(draft, transport, record);
      // The standby stream may have delivered it before.
      if (transport === 'primary' && record.live && notePrimary(draft, record)) getsOn = true;
    }
  }
  logBadRecords(draft, transport, records);
  if (heard) {
    changeTransport(draft, transport, { receivedAt: at.monotonic, stalls: 0 });
    draft.answeredAt = at.monotonic;
  }
  if (transport === 'primary') {
    if (hint !== null && hint !== draft.logState.hint && !isAwaitingKeys(draft))
      draft.logState = { ...draft.logState, hint };
    // A primary transport that is catching up is not silent, although it delivers no live record.
    if (caughtUp || getsOn || draft.logState.seq > seqBefore) markGood(draft);
  }
  evaluate(draft);
}

/** Those of another log are reported once, by name (`feed_log_differs`). */
function logBadRecords(draft: Draft, transport: TransportRole, records: readonly DecodedRecord[]): void {
  const reasons = records.flatMap((record) =>
    record.kind === 'bad' && record.foreignLog === undefined ? [record.reason] : [],
  );
  if (reasons.length === 0) return;
  log(draft, 'warn', 'feed_records_bad', {
    transport: transportOf(draft.settings, transport).name,
    records: reasons.length,
    reasons: [...new Set(reasons)].sort().join(' '),
  });
}

const CLOSED_TRANSPORT: TransportState = {
  isRead: false,
  standby: false,
  open: false,
  lost: false,
  openings: 0,
  since: 0,
  receivedAt: 0,
  opening: false,
  requested: null,
  stalls: 0,
};

function start(
  settings: FollowerSettings,
  logState: LogState | undefined,
  quarantined: readonly QuarantinedAgain[],
  at: InputTime,
): FollowerStep {
  const draft = beginDraft(settings, firstState(settings, logState, quarantined, at), at);
  markGood(draft);
  draft.effects.push({ kind: 'open', transport: 'primary', standby: false });
  if (canStandBy(settings)) draft.effects.push({ kind: 'open', transport: 'fallback', standby: true });
  for (const { epoch, seq, record } of quarantined) {
    if (record.kind !== 'event') continue;
    // This version decodes what an earlier one could not.
    addRows(draft, record);
    releaseQuarantined(draft, (event) => event.epoch === epoch && event.seq === seq);
    log(draft, 'info', 'feed_event_released', { epoch, seq });
  }
  // A single transport starts from the right position anyway.
  if (settings.fallback !== null && (draft.cause === 'gap' || draft.cause === 'fork')) scheduleRepair(draft, 'primary');
  return finishDraft(draft);
}

function firstState(
  settings: FollowerSettings,
  logState: LogState | undefined,
  quarantined: readonly QuarantinedAgain[],
  at: InputTime,
): FollowerState {
  const state = logState ?? emptyLogState(settings.log);
  const now = at.monotonic;
  return {
    logState: state,
    cause: toCause(state.suspect),
    quarantined: new Map(quarantined.map(({ epoch, seq }) => [`${epoch}:${seq}`, { epoch, seq }])),
    segment: null,
    heartbeat: null,
    age: ageAtStart(state, at),
    // The first tick commits the age as this process found it: a clock that is set later is measured against that.
    saved: { wall: Number.NEGATIVE_INFINITY, monotonic: now, boot: at.boot },
    isHeartbeatFromFuture: false,
    transport: null,
    ready: false,
    transports: {
      primary: { ...CLOSED_TRANSPORT, isRead: true, since: now, receivedAt: now },
      fallback: { ...CLOSED_TRANSPORT, standby: canStandBy(settings), since: now, receivedAt: now },
    },
    goodAt: now,
    jitterMs: 0,
    answeredAt: now,
    repair: { dueAt: null, mustRestart: false, attempts: 0, seq: 0, mendedAt: now, submittedAt: null },
    eventKeys: newEventKeys(now),
    standby: NO_STANDBY,
  };
}

function emptyLogState(log: string): LogState {
  const position = { epoch: '', seq: 0, id: null, head: 0, floor: 0 };
  const times = { logTime: 0, wholeAt: 0, savedAt: 0 };
  return { log, ...position, ...times, suspect: null, proof: null, hint: null };
}

function toCause(suspect: string | null): Cause | null {
  return suspect === 'gap' || suspect === 'fork' || suspect === 'epoch' ? suspect : null;
}

/** A transport without a fallback reads all of its records when there is something to repair. */
function startOf(
  settings: FollowerSettings,
  { logState, cause }: FollowerState,
  transport: TransportRole,
): StartPosition {
  const { epoch, seq, hint } = logState;
  const isHintGood = transport === 'primary' && !(settings.fallback === null && cause !== null);
  return { epoch, seq, hint: isHintGood ? hint : null };
}

function viewOf(state: FollowerState, at: InputTime): View {
  const { logState, ready, heartbeat, transport, age } = state;
  const { logTime, epoch, seq, head } = logState;
  const suspect = isHeldByClock(state, at.wall) ? 'clock' : logState.suspect;
  return {
    ready,
    complete: heartbeat?.agrees === true && seq >= head && suspect === null,
    suspect,
    ageMs: ageOf({ logState, age, at }),
    logTime,
    // The denials of an announced epoch are applied before it is entered, and its time may have been set.
    prunableBefore: state.eventKeys.epochs.size > 0 ? 0 : prunableBefore(logState, at.wall),
    epoch,
    seq,
    head,
    lag: Math.max(0, head - seq),
    transport,
  };
}
