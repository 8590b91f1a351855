import type { LogState } from '@rescind/revocation';
import { prunableBefore } from '@rescind/revocation';
import type { WayStart } from '../ports.ts';
import { ageAtStart, ageOf } from './core/age.ts';
import { isHeldByClock } from './core/ahead.ts';
import { releaseAside } from './core/aside.ts';
import type { Draft, Settings } from './core/draft.ts';
import {
  addRows,
  beginDraft,
  canStandBy,
  changeWay,
  count,
  finishDraft,
  log,
  toSettings,
  transportOf,
} from './core/draft.ts';
import {
  fetchFailed,
  fetchWhatIsDue,
  isAwaitingKeys,
  isRevoked,
  newEventKeys,
  takeKeySet,
  takeUnknownKey,
} from './core/event-keys.ts';
import { offerProof } from './core/fork.ts';
import { takeHeartbeat } from './core/heartbeat.ts';
import { takeEvent } from './core/position.ts';
import { repairWhatIsDue, scheduleRepair } from './core/repair.ts';
import { settle } from './core/settle.ts';
import { NO_STANDBY, noteFirst } from './core/standby.ts';
import { passTime } from './core/time.ts';
import type {
  Cause,
  FollowerCore,
  FollowerCoreOptions,
  FollowerInput,
  FollowerState,
  FollowerStep,
  Instant,
  QuarantinedAgain,
  View,
  WayId,
  WayState,
} from './core/types.ts';
import { markGood } from './core/ways.ts';

export type {
  FetchedSet,
  FollowerCore,
  FollowerCoreOptions,
  FollowerEffect,
  FollowerInput,
  FollowerState,
  FollowerStep,
  Instant,
  QuarantinedAgain,
  View,
  WayId,
} from './core/types.ts';

/**
 * Makes the follower's logic for one log. It holds nothing, asks no clock and does nothing: the same state and input
 * give the same state and effects. docs/protocol.md tells it in words.
 *
 * @throws TypeError for an option that is missing or out of its range
 */
export function createFollowerCore(options: FollowerCoreOptions): FollowerCore {
  const settings = toSettings(options);
  return {
    start: (kept, quarantined, at) => start(settings, kept, quarantined, at),
    step(state, input) {
      const draft = beginDraft(settings, state, input.at);
      takeInput(draft, input);
      repairWhatIsDue(draft);
      fetchWhatIsDue(draft);
      offerProof(draft);
      return finishDraft(draft);
    },
    startOf: (state, way) => startOf(settings, state, way),
    view: viewOf,
  };
}

function takeInput(draft: Draft, input: FollowerInput): void {
  switch (input.kind) {
    case 'asked': {
      const { epoch, head } = draft.kept;
      const { opensWithHeartbeat: opening } = transportOf(draft.settings, input.way);
      changeWay(draft, input.way, { opening, asked: { epoch, head } });
      return;
    }
    case 'opened':
      // Once: a way that comes and goes has not answered.
      if (draft.ways[input.way].openings === 0) draft.answeredAt = input.at.monotonic;
      changeWay(draft, input.way, {
        open: true,
        lost: false,
        openings: draft.ways[input.way].openings + 1,
        since: input.at.monotonic,
      });
      log(draft, 'info', 'feed_opened', { way: transportOf(draft.settings, input.way).name });
      return;
    case 'lost':
      // Said aloud once a loss; every try after it is for who looks closer.
      log(draft, draft.ways[input.way].lost ? 'debug' : 'warn', 'feed_lost', {
        way: transportOf(draft.settings, input.way).name,
        reason: input.reason,
      });
      changeWay(draft, input.way, { open: false, opening: false, lost: true });
      return;
    case 'records':
      takeRecords(draft, input);
      return;
    case 'tick':
      passTime(draft);
      return;
    case 'keys':
      takeKeySet(draft, input.set);
      settle(draft);
      return;
    case 'keysFailed':
      fetchFailed(draft);
      return;
    case 'stop':
      draft.isAgeToSave = draft.kept.wholeAt > 0;
  }
}

function takeRecords(draft: Draft, { way, records, at }: Extract<FollowerInput, { kind: 'records' }>): void {
  if (!draft.ways[way].taken && !draft.ways[way].standby) return;
  let hint: string | null = null;
  let heard = false;
  let caughtUp = false;
  let getsOn = false;
  const seqBefore = draft.kept.seq;
  for (const record of records) {
    hint = record.hint ?? hint;
    if (record.kind === 'bad') {
      count(draft, 'rescind_events_applied_total', { result: `bad_${record.why}` });
      if (record.why === 'key_unknown') takeUnknownKey(draft, way, record);
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
    if (record.kind === 'heartbeat') takeHeartbeat(draft, way, record);
    else {
      takeEvent(draft, way, record);
      // The standby stream may have delivered it before.
      if (way === 'first' && record.live && noteFirst(draft, record)) getsOn = true;
    }
  }
  tellBad(draft, way, records.filter((record) => record.kind === 'bad').length);
  if (heard) {
    changeWay(draft, way, { heardAt: at.monotonic, stalls: 0 });
    draft.answeredAt = at.monotonic;
  }
  if (way === 'first') {
    if (hint !== null && hint !== draft.kept.hint && !isAwaitingKeys(draft)) draft.kept = { ...draft.kept, hint };
    // A first way that is catching up is not silent, though it says nothing of now.
    if (caughtUp || getsOn || draft.kept.seq > seqBefore) markGood(draft);
  }
  settle(draft);
}

function tellBad(draft: Draft, way: WayId, bad: number): void {
  if (bad > 0) log(draft, 'warn', 'feed_records_bad', { way: transportOf(draft.settings, way).name, records: bad });
}

const NO_WAY: WayState = {
  taken: false,
  standby: false,
  open: false,
  lost: false,
  openings: 0,
  since: 0,
  heardAt: 0,
  opening: false,
  asked: null,
  stalls: 0,
};

function start(
  settings: Settings,
  kept: LogState | undefined,
  quarantined: readonly QuarantinedAgain[],
  at: Instant,
): FollowerStep {
  const draft = beginDraft(settings, firstState(settings, kept, quarantined, at), at);
  markGood(draft);
  draft.effects.push({ kind: 'open', way: 'first', standby: false });
  if (canStandBy(settings)) draft.effects.push({ kind: 'open', way: 'second', standby: true });
  for (const { epoch, seq, record } of quarantined) {
    if (record.kind !== 'event') continue;
    // This version reads what one before it could not.
    addRows(draft, record);
    releaseAside(draft, (aside) => aside.epoch === epoch && aside.seq === seq);
    log(draft, 'info', 'feed_event_understood', { epoch, seq });
  }
  // With one way only, it starts from the right place as it is.
  if (settings.second !== null && (draft.cause === 'gap' || draft.cause === 'fork')) scheduleRepair(draft, 'first');
  return finishDraft(draft);
}

function firstState(
  settings: Settings,
  kept: LogState | undefined,
  quarantined: readonly QuarantinedAgain[],
  at: Instant,
): FollowerState {
  const state = kept ?? nothingKept(settings.log);
  const now = at.monotonic;
  return {
    kept: state,
    cause: toCause(state.suspect),
    quarantined: new Map(quarantined.map(({ epoch, seq }) => [`${epoch}:${seq}`, { epoch, seq }])),
    run: null,
    beat: null,
    age: ageAtStart(state, at),
    // The first tick commits the age as this process found it: a clock that is set later is measured against that.
    saved: { wall: Number.NEGATIVE_INFINITY, monotonic: now, boot: at.boot },
    isBeatAhead: false,
    way: null,
    ready: false,
    ways: {
      first: { ...NO_WAY, taken: true, since: now, heardAt: now },
      second: { ...NO_WAY, standby: canStandBy(settings), since: now, heardAt: now },
    },
    goodAt: now,
    jitterMs: 0,
    answeredAt: now,
    repair: { dueAt: null, must: false, attempts: 0, seq: 0, mendedAt: now, provedAt: null },
    eventKeys: newEventKeys(now),
    standby: NO_STANDBY,
  };
}

function nothingKept(log: string): LogState {
  const position = { epoch: '', seq: 0, id: null, head: 0, floor: 0 };
  const times = { logTime: 0, wholeAt: 0, savedAt: 0 };
  return { log, ...position, ...times, suspect: null, proof: null, hint: null };
}

function toCause(suspect: string | null): Cause | null {
  return suspect === 'gap' || suspect === 'fork' || suspect === 'epoch' ? suspect : null;
}

/** A way without a second to mend it reads all it has when something is to be mended. */
function startOf(settings: Settings, { kept, cause }: FollowerState, way: WayId): WayStart {
  const { epoch, seq, hint } = kept;
  const isHintGood = way === 'first' && !(settings.second === null && cause !== null);
  return { epoch, seq, hint: isHintGood ? hint : null };
}

function viewOf(state: FollowerState, at: Instant): View {
  const { kept, ready, beat, way, age } = state;
  const { logTime, epoch, seq, head } = kept;
  const suspect = isHeldByClock(state, at.wall) ? 'clock' : kept.suspect;
  return {
    ready,
    whole: beat?.agrees === true && seq >= head && suspect === null,
    suspect,
    ageMs: ageOf({ kept, age, at }),
    logTime,
    // The denials of an epoch that has been heard of are applied before it is entered, and its time may have been set.
    prunableBefore: state.eventKeys.epochs.size > 0 ? 0 : prunableBefore(kept, at.wall),
    epoch,
    seq,
    head,
    lag: Math.max(0, head - seq),
    way,
  };
}
