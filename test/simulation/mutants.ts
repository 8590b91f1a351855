import type { FetchedSet, FollowerInput, FollowerState, FollowerStep } from '@rescind/feed/core';
import type { DecodedRecord } from '@rescind/feed/event';
import type { LogChange, LogState } from '@rescind/revocation/log-state';
import { bent, shown } from './bent-cores.ts';
import { CLOCK_MUTANTS, CLOCKS } from './clock-mutants.ts';
import type { Mutants } from './model/setting.ts';

/** Faults that fork the log and restore it. */
const RESTORES = ['restore', 'duplicates', 'sends', 'broker', 'slow'] as const;

/** Faults that change the event key while events are in flight. */
const TURNS = ['event-key', 'sends', 'broker', 'slow', 'issuer', 'duplicates'] as const;

/** Wrong clocks, and restarts. */
const AGES = ['follower-clock', 'crashes', 'suspend', 'broker', 'http', 'slow', 'leaps'] as const;

/** Disks that are full for a while, and processes that end meanwhile. */
const DISKS = ['full-disk', 'crashes', 'slow', 'duplicates'] as const;

/** A broker that is late, and loses records. */
const LATE = ['broker', 'sends', 'slow', 'drops'] as const;

/** Event keys that change, are revoked and are stolen. */
const THEFTS = ['event-key', 'thief', 'duplicates', 'sends', 'slow', 'http', 'crashes'] as const;

type RecordsInput = Extract<FollowerInput, { kind: 'records' }>;

/** A core whose steps for records of a standby stream `bend` changes. */
function standingBy(bend: (step: FollowerStep, input: RecordsInput, before: FollowerState) => FollowerStep): Mutants {
  return {
    wrap: (core) => ({
      ...core,
      step(before, input) {
        const step = core.step(before, input);
        const isStandby =
          input.kind === 'records' && input.transport === 'fallback' && before.transports.fallback.standby;
        return isStandby ? bend(step, input, before) : step;
      },
    }),
  };
}

/** As `shown`, for records of a standby stream only. */
function shownStandby(change: (record: DecodedRecord, state: FollowerState) => DecodedRecord): Mutants {
  return {
    wrap(core) {
      const changed = shown(change).wrap?.(core) ?? core;
      return {
        ...core,
        step(before, input) {
          const isStandby =
            input.kind === 'records' && input.transport === 'fallback' && before.transports.fallback.standby;
          return (isStandby ? changed : core).step(before, input);
        },
      };
    },
  };
}

/** A core that receives the key sets that `change` returns. */
function keySets(change: (set: FetchedSet, state: FollowerState) => FetchedSet): Mutants {
  return {
    wrap: (core) => ({
      ...core,
      step: (state, input) =>
        core.step(state, input.kind === 'keys' ? { ...input, set: change(input.set, state) } : input),
    }),
  };
}

/** A core that stays in its epoch when the key of that epoch is revoked. */
function neverLeaving(): Mutants {
  return {
    wrap: (core) => ({
      ...core,
      step(before, input) {
        const step = core.step(before, input);
        if (step.state.logState.epoch !== '' || before.logState.epoch === '') return step;
        const { epoch, epochKid, seq, id, head, floor } = before.logState;
        const logState = {
          ...step.state.logState,
          epoch,
          epochKid: epochKid ?? null,
          seq,
          id,
          head,
          floor,
          suspect: null,
        };
        return { ...step, state: { ...step.state, logState, cause: null } };
      },
    }),
  };
}

/** A core whose commits `bend` changes, that of the start included. */
function committing(bend: (change: LogChange, before: LogState | undefined) => LogChange | null): Mutants {
  const bentStep = (step: FollowerStep, before: LogState | undefined): FollowerStep => {
    const [first, ...others] = step.effects;
    if (first?.kind !== 'commit') return step;
    const change = bend(first.change, before);
    if (change === null) return { ...step, effects: others };
    const { savedAt, savedAgeMs = null } = change.state;
    const state = { ...step.state, logState: { ...step.state.logState, savedAt, savedAgeMs } };
    return { state, effects: [{ ...first, change }, ...others] };
  };
  return {
    wrap: (core) => ({
      ...core,
      start: (logState, quarantined, at) => bentStep(core.start(logState, quarantined, at), logState),
      step: (state, input) => bentStep(core.step(state, input), state.logState),
    }),
  };
}

/** Whether a change only differs in the age. */
const isAgeAlone = ({ state, cutoffs, quarantine = [], release = [] }: LogChange, before: LogState | undefined) =>
  before !== undefined &&
  cutoffs.length + quarantine.length + release.length === 0 &&
  JSON.stringify({ ...state, savedAt: 0, savedAgeMs: 0, savedBoot: 0, hint: 0 }) ===
    JSON.stringify({ ...before, savedAt: 0, savedAgeMs: 0, savedBoot: 0, hint: 0 });

const isOwn = (record: DecodedRecord, { logState }: FollowerState) =>
  'epoch' in record && record.epoch === logState.epoch;

const agreeing = (state: FollowerState): FollowerState =>
  state.heartbeat === null ? state : { ...state, heartbeat: { ...state.heartbeat, agrees: true } };

function noForkCheck(): Mutants {
  const believing = shown((record, state) => {
    const { seq, id } = state.logState;
    if (!isOwn(record, state)) return record;
    if (record.kind === 'event' && record.seq === seq + 1 && id !== null) return { ...record, prev: id };
    if (record.kind === 'heartbeat' && record.head === seq && id !== null) return { ...record, headId: id };
    return record;
  });
  const forgetting = bent(({ transports: { primary, fallback }, ...state }) =>
    agreeing({
      ...state,
      transports: { primary: { ...primary, requested: null }, fallback: { ...fallback, requested: null } },
    }),
  );
  return { wrap: (core) => forgetting.wrap?.(believing.wrap?.(core) ?? core) ?? core };
}

/** Mutants with one mistake each. The simulation must detect every one of them. */
export const MUTANTS: Readonly<Record<string, Mutants>> = {
  'the issuer reads the head of a heartbeat before its time': { headBeforeTime: true },
  'the low watermark lies above a row that still denies': { floorTooHigh: true },
  'the issuer removes rows before they have ceased to deny': { prunesByWall: true },
  'the time of pruning is lost in a restart': {
    pruningKeepsNoTime: true,
    // A leading clock writes its floor before each heartbeat, so only a crash between a pruning and the next heartbeat reveals it.
    only: ['excursion', 'issuer', 'broker'],
  },
  'rows that hold the low watermark are removed instead of appended again': { neverAppendsAnew: true },
  'a new epoch begins without the rows that still deny': { newEpochIsEmpty: true },
  'a new epoch sorts below the old one': { epochSortsBelow: true },
  'an epoch of another event key begins without the rows that still deny': { turnForgetsAll: true, only: TURNS },
  'events unsent in the old epoch are missing in the new one': { turnForgetsUnsent: true, only: TURNS },
  'an epoch of another event key sorts below the old one': { turnSortsBelow: true, only: TURNS },
  'tokens are minted by the wall clock': { mintsByWall: true },
  'the floor is not stored while the clock leads': { unwrittenFloor: true, only: CLOCKS },
  'a denial expires before the last token it denies': { shortE: true },
  'the position is committed without the rows': { forgetsRows: true },
  'names are those of the file without pending rows': { namesOfFileOnly: true, only: DISKS },
  'memory excludes a pending row': { excludesByFileOnly: true, only: DISKS },
  'a cached row hides a pending one': { recentOfFileOnly: true, only: DISKS },
  'the position on the disk moves while rows are pending': { positionMovesWhileOwed: true, only: DISKS },
  'rows beyond the limit are dropped instead of delayed': { ceilingDropsRows: true, only: DISKS },
  "rows are pruned by the reader's own clock": { prunesByOwnClock: true },
  'every record counts as live': { allIsLive: true },
  'heartbeats of a lower epoch count': {
    ...shown((record, { logState }) =>
      record.kind === 'heartbeat' && record.epoch < logState.epoch ? { ...record, epoch: logState.epoch } : record,
    ),
    only: RESTORES,
  },
  'a gap moves the position': shown((record, state) =>
    record.kind === 'event' && isOwn(record, state) && record.seq > state.logState.seq + 1
      ? { ...record, seq: state.logState.seq + 1, prev: state.logState.id }
      : record,
  ),
  'forks are not detected': { ...noForkCheck(), only: RESTORES },
  'a late heartbeat makes the view younger': shown((record, state) =>
    record.kind === 'heartbeat' && isOwn(record, state) && record.head < state.logState.head
      ? { ...record, head: state.logState.head, headId: state.logState.id }
      : record,
  ),
  'the head is forgotten': shown((record, state) =>
    record.kind === 'heartbeat' && isOwn(record, state) && record.head > state.logState.seq
      ? { ...record, head: state.logState.seq, headId: state.logState.id }
      : record,
  ),
  'an event of an unknown version is skipped': shown((record) =>
    record.kind === 'not-understood'
      ? { ...record, kind: 'event', txn: '', reason: '', type: '', cutOffs: [], kills: [], skipped: 0, clamped: 0 }
      : record,
  ),
  'events beyond a gap are not applied': shown((record, state) =>
    record.kind === 'event' && isOwn(record, state) && record.seq > state.logState.seq + 1
      ? { ...record, cutOffs: [] }
      : record,
  ),
  'a gap is not repaired': bent((state) => ({ ...state, repair: { ...state.repair, dueAt: null } })),
  'the age goes by the wall clock alone': {
    wrap: (core) => ({
      ...core,
      view(state, at) {
        const view = core.view(state, at);
        return {
          ...view,
          ageMs: Number.isFinite(view.ageMs) ? Math.max(0, at.wall - state.logState.wholeAt) : view.ageMs,
        };
      },
    }),
  },
  'the greater wall clock is stored': {
    ...committing((change, before) => ({
      ...change,
      state: { ...change.state, savedAt: Math.max(change.state.savedAt, before?.savedAt ?? 0) },
    })),
    only: AGES,
  },
  'a set wall clock is not stored': {
    ...committing((change, before) => (isAgeAlone(change, before) ? null : change)),
    only: AGES,
  },
  "the age ignores the reader's wall clock": {
    wrap: (core) => ({
      ...core,
      view(state, at) {
        const view = core.view(state, at);
        const { ageMs, monotonic } = state.age;
        if (!Number.isFinite(view.ageMs)) return view;
        return { ...view, ageMs: Math.max(0, at.wall - state.logState.wholeAt, ageMs + at.monotonic - monotonic) };
      },
    }),
    only: AGES,
  },
  'a heartbeat that is not live is as old as its time': {
    wrap: (core) => ({
      ...core,
      step(before, input) {
        const step = core.step(before, input);
        const { logState } = step.state;
        if (logState.wholeAt === before.logState.wholeAt || step.state.heartbeat?.isLive !== false) return step;
        const { wall, monotonic } = input.at;
        return {
          ...step,
          state: {
            ...step.state,
            age: { ageMs: Math.max(0, wall - logState.wholeAt), wall, monotonic, boot: undefined },
          },
        };
      },
    }),
    only: AGES,
  },
  'any key may revoke any other': {
    ...shown((record) =>
      record.kind === 'event' && record.kills.length > 0 && !record.kills.includes(record.kid)
        ? { ...record, kid: record.kills[0] ?? '' }
        : record,
    ),
    only: THEFTS,
  },
  'a revoked key is refused only where records are decoded': {
    ...bent((state) => ({ ...state, logState: { ...state.logState, revokedEventKids: [] } })),
    only: THEFTS,
  },
  'the epoch of a revoked key is not left': { ...neverLeaving(), only: THEFTS },
  'a set without the key of the epoch is ignored': {
    ...keySets((set, { logState }) => ({ ...set, kids: [...set.kids, logState.epochKid ?? ''] })),
    lastWordIsLost: true,
    only: THEFTS,
  },
  'an epoch is entered that the key set does not name': {
    ...keySets((set) => ({ ...set, epoch: null, epochKid: null })),
    only: THEFTS,
  },
  'a record of an unknown key is ignored, and the closing event is lost': {
    ...shown((record) => (record.kind === 'bad' ? { ...record, reason: 'malformed' } : record)),
    lastWordIsLost: true,
    only: ['event-key', 'deaf', 'sends', 'slow'],
  },
  'an unknown key makes a view suspect for ever': {
    ...bent((state) => ({
      ...state,
      eventKeys: { ...state.eventKeys, unknown: new Map([...state.eventKeys.unknown].map(([kid]) => [kid, 1e12])) },
    })),
    only: THEFTS,
  },
  'a forged revocation of the key that signs is not answered': { stolenKeyStays: true, only: THEFTS },
  'a revocation is lost in a restart': {
    wrap: (core) => ({
      ...core,
      start: (logState, quarantined, at) =>
        core.start(logState && { ...logState, revokedEventKids: [] }, quarantined, at),
    }),
    only: [...THEFTS, 'crashes', 'files'],
  },
  'a heartbeat of a standby stream reports a gap': {
    ...standingBy((step, input) => {
      const isAhead = input.records.some(
        (record) => record.kind === 'heartbeat' && record.head > step.state.logState.seq,
      );
      return isAhead && step.state.cause === null ? { ...step, state: { ...step.state, cause: 'gap' } } : step;
    }),
    only: LATE,
  },
  'a heartbeat of a standby stream makes the view complete though its head is above the position': {
    ...shownStandby((record, state) =>
      record.kind === 'heartbeat' && isOwn(record, state) && record.head > state.logState.seq
        ? { ...record, head: state.logState.seq, headId: state.logState.id }
        : record,
    ),
    only: LATE,
  },
  'a lower head of a standby stream is a fork': {
    ...standingBy((step, input, before) => {
      const isLower = input.records.some((record) => record.kind === 'heartbeat' && record.head < before.logState.head);
      if (!isLower) return step;
      const logState = { ...step.state.logState, seq: 0, id: null };
      return { ...step, state: { ...step.state, logState, cause: 'fork', heartbeat: null } };
    }),
    steady: 'calm',
  },
  'the last event of a standby heartbeat is not compared': {
    ...shownStandby((record, state) =>
      record.kind === 'heartbeat' && isOwn(record, state) && record.head === state.logState.seq
        ? { ...record, headId: state.logState.id }
        : record,
    ),
    only: [...RESTORES, 'http'],
  },
  'a delivery begins with the first unacknowledged event': { noMargin: true, steady: 'stalls' },
  'events of a standby stream do not move the position': {
    ...standingBy((step, input, { logState: { seq, id }, heartbeat }) =>
      input.records.some(({ kind }) => kind === 'event')
        ? { ...step, state: { ...step.state, logState: { ...step.state.logState, seq, id }, segment: null, heartbeat } }
        : step,
    ),
    steady: 'stalls',
  },
  'the fallback transport is left as soon as the primary is good': {
    ...bent((state) => ({
      ...state,
      standby: { ...state.standby, hold: state.standby.hold && { ...state.standby.hold, ms: 0 } },
    })),
    only: ['sends', 'slow'],
  },
  'an acknowledgement is overdue after 250 ms, however long it usually takes': { fixedPatience: true, steady: 'calm' },
  'a standby stream stays open beside the connection that takes its place': { standbyStays: true, only: LATE },
  ...CLOCK_MUTANTS,
};
