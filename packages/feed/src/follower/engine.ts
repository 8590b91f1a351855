import type { Boot, Clock, DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import type { LogChange, LogState } from '@rescind/revocation/log-state';
import { createBackoff } from '../backoff.ts';
import type { FeedStore, StartPosition } from '../ports.ts';
import { ownTurn } from '../turns.ts';
import type { FollowerCore, FollowerEffect, FollowerInput, FollowerState, InputTime, TransportRole } from './core.ts';

/** A full disk gains nothing from fast retries. */
const FIRST_RETRY_MS: DurationMs = 100;
const MAX_RETRY_MS: DurationMs = 5_000;
/**
 * How long a change may wait for others to be committed with it. It is enforced already; a restart reads that much again.
 */
const COMMIT_DELAY_MS: DurationMs = 50;
/**
 * The same for a change of times alone, which each heartbeat makes, at most: readers of one process draw theirs, so that they do not all
 * commit beside the same heartbeat. After a crash the view counts as older by that much.
 */
const TIMES_DELAY_MS: DurationMs = 5_000;
/** So many rows are committed without delay: one slice of a catch-up, a pause of some 5 ms. */
const COMMIT_ROWS = 256;
/** With so many pending rows (some 60 MB) no further step is taken. */
const MAX_PENDING_ROWS = 100_000;

type WithoutTime<Input> = Input extends { readonly at: InputTime } ? Omit<Input, 'at'> : never;
/** An input whose time is taken when its turn comes. */
type UntimedInput = WithoutTime<FollowerInput>;

/** An effect that runs after the commit of its step. */
export type Effect = Exclude<FollowerEffect, { readonly kind: 'commit' }>;

export interface EngineOptions {
  readonly core: FollowerCore;
  readonly state: FollowerState;
  readonly store: FeedStore;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly runEffect: (effect: Effect) => void;
}

/** What keeps the store from being written, for health. */
export interface StoreFailure {
  /** Failures in a row; 0: none. */
  readonly failures: number;
  readonly error: string | null;
  /** Rows that are enforced and not durable. */
  readonly pendingRows: number;
  /** Whether there are so many that no step is taken and the view gets older. */
  readonly isFull: boolean;
}

/**
 * Takes the core's steps, one at a time. The change of a step is enforced before the step counts, and committed a moment later
 * with those of other steps. If a commit throws (a full disk), pending changes stay enforced and are committed by the next attempt, with
 * back-off; steps continue up to a limit of pending rows. The position on the disk moves only with the rows before it, so a restart
 * reads again what only memory had.
 */
export interface Engine {
  state(): FollowerState;
  now(): InputTime;
  /** Returns the position from which a transport starts, without waiting for pending inputs. */
  requestStart(transport: TransportRole): StartPosition;
  /** Resolves when the step has been taken, or when it is no longer wanted (`isStale`, or closed). */
  submit(input: UntimedInput, isStale?: () => boolean): Promise<void>;
  /** Runs the effects of the start. */
  begin(effects: readonly FollowerEffect[]): void;
  /** Whether inputs are pending: a tick may be omitted then. */
  busy(): boolean;
  storeFailure(): StoreFailure;
  close(): void;
}

interface PendingInput {
  readonly input: UntimedInput;
  readonly isStale: () => boolean;
  readonly done: () => void;
}

export function createEngine(options: EngineOptions): Engine {
  const { core, store, clock, telemetry } = options;
  const backoff = createBackoff(FIRST_RETRY_MS, MAX_RETRY_MS);
  const pending: PendingInput[] = [];
  const effects: Effect[] = [];
  let state = options.state;
  /** The state of the log in the last commit. */
  let { logState: durable } = options.state;
  let storeFailure: { failures: number; error: string | null } = { failures: 0, error: null };
  let commitTimer: NodeJS.Timeout | undefined;
  /** Whether `commitTimer` was set for a change of times alone: an earlier one takes its place. */
  let isTimerOfTimes = false;
  /** Whether a step could not be taken and waits to be tried again. */
  let isStepFailing = false;
  let draining = false;
  let isRunning = false;
  let closed = false;

  const now = (): InputTime => ({ wall: clock.now(), monotonic: clock.monotonic(), random: Math.random() });
  const boot = createBootReader(clock);
  const stamp = (): InputTime => {
    const at = now();
    return { ...at, boot: boot(at) };
  };

  const runEffects = () => {
    if (isRunning) return;
    isRunning = true;
    for (let effect = effects.shift(); effect !== undefined; effect = effects.shift()) {
      try {
        options.runEffect(effect);
      } catch (error) {
        telemetry.count('rescind_feed_errors_total', { step: labelOf(effect.kind) });
        telemetry.log('error', 'feed_effect_failed', { effect: effect.kind, error: String(error) });
      }
    }
    isRunning = false;
  };

  /** @throws what the store throws: the step has not happened then */
  const take = (input: UntimedInput) => {
    const at = stamp();
    if (input.kind === 'tick' && core.isQuiet(state, at)) return;
    const step = core.step(state, { ...input, at } as FollowerInput);
    adopt(step.effects, step.state, input.kind);
  };

  const adopt = (wanted: readonly FollowerEffect[], next: FollowerState, cause?: FollowerInput['kind']) => {
    const [first] = wanted;
    if (first?.kind === 'commit') store.enforce(first.change);
    state = next;
    for (const effect of wanted) if (effect.kind !== 'commit') effects.push(effect);
    runEffects();
    if (first?.kind !== 'commit') return;
    commitSoon(cause === 'records' && isOfTimes(first.change, durable));
  };

  const isFull = () => store.pendingRows() >= MAX_PENDING_ROWS;

  /** Not while a failed commit waits for its retry, which commits later changes too. */
  const commitSoon = (ofTimes: boolean) => {
    if (closed || storeFailure.failures > 0) return;
    if (store.pendingRows() >= COMMIT_ROWS) {
      commit();
      return;
    }
    if (commitTimer !== undefined && (ofTimes || !isTimerOfTimes)) return;
    clearTimeout(commitTimer);
    const delayMs = ofTimes ? TIMES_DELAY_MS * (0.5 + Math.random() / 2) : COMMIT_DELAY_MS;
    const timer = setTimeout(async () => {
      await ownTurn();
      if (commitTimer === timer) commit();
    }, delayMs);
    // For times alone no process is kept alive.
    if (ofTimes) timer.unref();
    commitTimer = timer;
    isTimerOfTimes = ofTimes;
  };

  const commit = () => {
    clearTimeout(commitTimer);
    commitTimer = undefined;
    try {
      store.flush();
    } catch (error) {
      failed(error);
      return;
    }
    durable = state.logState;
    succeeded();
  };

  const failed = (error: unknown, step: 'commit' | 'step' = 'commit') => {
    storeFailure = { failures: storeFailure.failures + 1, error: String(error) };
    telemetry.count('rescind_feed_errors_total', { step });
    telemetry.log('error', `feed_${step}_failed`, { ...storeFailure, pendingRows: store.pendingRows() });
    clearTimeout(commitTimer);
    commitTimer = undefined;
    if (closed) return;
    commitTimer = setTimeout(() => {
      isStepFailing = false;
      commit();
      drain();
    }, backoff.next()).unref();
  };

  const succeeded = () => {
    if (storeFailure.failures === 0) return;
    telemetry.log('info', 'feed_commit_recovered', { failures: storeFailure.failures });
    storeFailure = { failures: 0, error: null };
    backoff.reset();
  };

  /** A step that cannot be taken (the store is closed, or this package has a fault) is not skipped, and not tried without a pause. */
  const retryStep = (error: unknown) => {
    isStepFailing = true;
    failed(error, 'step');
  };

  const drain = () => {
    if (draining || isStepFailing) return;
    draining = true;
    for (let next = pending[0]; next !== undefined; next = pending[0]) {
      if (!closed && !next.isStale()) {
        if (isFull()) break;
        try {
          take(next.input);
        } catch (error) {
          retryStep(error);
          break;
        }
      }
      pending.shift();
      next.done();
    }
    draining = false;
  };

  return {
    state: () => state,
    now,
    busy: () => pending.length > 0,
    storeFailure: () => ({ ...storeFailure, pendingRows: store.pendingRows(), isFull: isFull() }),
    requestStart(transport) {
      try {
        if (!closed) take({ kind: 'startRequested', transport });
      } catch (error) {
        retryStep(error);
      }
      return core.startOf(state, transport);
    },
    submit(input, isStale = () => false) {
      const { promise, resolve } = Promise.withResolvers<void>();
      pending.push({ input, isStale, done: resolve });
      drain();
      return promise;
    },
    begin: (wanted) => adopt(wanted, state),
    close() {
      if (closed) return;
      isStepFailing = false;
      void this.submit({ kind: 'stop' });
      closed = true;
      // Changes that the disk does not accept now are delivered again after the next start.
      commit();
      drain();
    },
  };
}

/** The kind of an effect as a value of the label `step`. */
const labelOf = (kind: string) => kind.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The members of the state of the log that records change when they do more than move times. */
const POSITION = [
  ...(['epoch', 'seq', 'id', 'head', 'floor', 'suspect'] as const),
  ...(['logTimeEpoch', 'timeSince', 'epochKid', 'revokedEventKids'] as const),
];

/**
 * Whether the change of records moves nothing but times since the last commit, and those by little: by a greater time rows may be removed,
 * which a state with the former time would still require.
 */
function isOfTimes({ state, cutoffs, quarantine = [], release = [] }: LogChange, durable: LogState): boolean {
  if (cutoffs.length + quarantine.length + release.length > 0) return false;
  if (durable.wholeAt === 0 || state.logTime - durable.logTime > 2 * TIMES_DELAY_MS) return false;
  return POSITION.every((member) => state[member] === durable[member]);
}

/** The boot clock, a system call, is read once a second, and at once when the wall clock shows a suspension. In between the monotonic clock counts. */
const READ_BOOT_EVERY_MS: DurationMs = 1_000;
/** By how much wall and monotonic clock must have parted. */
const PARTED_MS: DurationMs = 50;

function createBootReader(clock: Clock): (at: InputTime) => Boot | undefined {
  let read: { readonly boot: Boot | undefined; readonly wall: EpochMillis; readonly at: DurationMs } | undefined;
  return ({ wall, monotonic }) => {
    const passed = read === undefined ? READ_BOOT_EVERY_MS : monotonic - read.at;
    const parted = read === undefined ? 0 : Math.abs(wall - read.wall - passed);
    if (read === undefined || passed >= READ_BOOT_EVERY_MS || parted > PARTED_MS)
      read = { boot: clock.boot?.(), wall, at: monotonic };
    return read.boot && { id: read.boot.id, uptimeMs: read.boot.uptimeMs + monotonic - read.at };
  };
}
