import type { Boot, Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { createBackoff } from '../backoff.ts';
import type { FeedStore, WayStart } from '../ports.ts';
import type { FollowerCore, FollowerEffect, FollowerInput, FollowerState, Instant, WayId } from './core.ts';

/** A full disk is not helped by haste. */
const FIRST_RETRY_MS: DurationMs = 100;
const GREATEST_RETRY_MS: DurationMs = 5_000;
/**
 * How long a change may wait for others to be committed with it. What denies is enforced already, so nobody waits for it: a
 * restart reads that much again.
 */
const COMMIT_DELAY_MS: DurationMs = 50;
/** So many rows are committed without delay: one slice of a catch-up, a pause of some 5 ms. */
const COMMIT_ROWS = 256;
/** With so many rows owed (some 60 MB) nothing more is stepped. */
const OWED_MOST = 100_000;

type Unstamped<Input> = Input extends { readonly at: Instant } ? Omit<Input, 'at'> : never;
/** An input whose time is taken when its turn comes. */
type Happening = Unstamped<FollowerInput>;

/** What is left to do of a step once its commit has been. */
export type Effect = Exclude<FollowerEffect, { readonly kind: 'commit' }>;

export interface EngineOptions {
  readonly core: FollowerCore;
  readonly state: FollowerState;
  readonly store: FeedStore;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly carryOut: (effect: Effect) => void;
  /** Called when a step has changed what is enforced or known. */
  readonly onChange: () => void;
}

/** What keeps the store from being written, for health. */
export interface Trouble {
  /** Failures in a row; 0: none. */
  readonly failures: number;
  readonly error: string | null;
  /** Rows that are enforced and not durable. */
  readonly owed: number;
  /** Whether so many are that no step is taken: the view grows old. */
  readonly isFull: boolean;
}

/**
 * Takes the core's steps, one at a time. The change of a step is enforced before the step counts, and committed a moment later
 * with those of other steps. A commit that throws (a full disk) changes nothing of that: what is owed is committed as one with
 * the next try, with back-off, and steps go on until too much is owed. The position on the disk moves only with the rows
 * before it, so a restart reads again what only memory had.
 */
export interface Engine {
  state(): FollowerState;
  now(): Instant;
  /** The answer to a way that asks from where to start: at once, whatever is waiting. */
  ask(way: WayId): WayStart;
  /** Resolves when the step has been taken, or when it is no longer wanted (`isStale`, or closed). */
  submit(happening: Happening, isStale?: () => boolean): Promise<void>;
  /** Carries out the effects of the start. */
  begin(effects: readonly FollowerEffect[]): void;
  /** Whether something waits: a tick may be left out then. */
  busy(): boolean;
  trouble(): Trouble;
  close(): void;
}

interface Waiting {
  readonly happening: Happening;
  readonly isStale: () => boolean;
  readonly done: () => void;
}

export function createEngine(options: EngineOptions): Engine {
  const { core, store, clock, telemetry } = options;
  const backoff = createBackoff(FIRST_RETRY_MS, GREATEST_RETRY_MS);
  const waiting: Waiting[] = [];
  const effects: Effect[] = [];
  let state = options.state;
  let trouble: { failures: number; error: string | null } = { failures: 0, error: null };
  let commitTimer: NodeJS.Timeout | undefined;
  /** Whether a step could not be taken and waits to be tried again. */
  let isHeldUp = false;
  let draining = false;
  let carrying = false;
  let closed = false;

  const now = (): Instant => ({ wall: clock.now(), monotonic: clock.monotonic(), random: Math.random() });
  const boot = createBootReader(clock);
  const stamp = (): Instant => ({ ...now(), boot: boot() });

  const carryOutAll = () => {
    if (carrying) return;
    carrying = true;
    for (let effect = effects.shift(); effect !== undefined; effect = effects.shift()) {
      try {
        options.carryOut(effect);
      } catch (error) {
        telemetry.count('rescind_feed_errors_total', { what: effect.kind });
        telemetry.log('error', 'feed_effect_failed', { effect: effect.kind, error: String(error) });
      }
    }
    carrying = false;
  };

  /** @throws what the store throws: the step has not happened then */
  const take = (happening: Happening) => {
    const step = core.step(state, { ...happening, at: stamp() } as FollowerInput);
    adopt(step.effects, step.state);
  };

  const adopt = (wanted: readonly FollowerEffect[], next: FollowerState) => {
    const [first] = wanted;
    if (first?.kind === 'commit') store.enforce(first.change);
    state = next;
    for (const effect of wanted) if (effect.kind !== 'commit') effects.push(effect);
    if (first?.kind === 'commit') options.onChange();
    carryOutAll();
    if (first?.kind === 'commit') commitSoon();
  };

  const isFull = () => store.owed() >= OWED_MOST;

  /** Not while one that failed waits to be tried again: what comes meanwhile is committed with it. */
  const commitSoon = () => {
    if (closed || trouble.failures > 0) return;
    if (store.owed() >= COMMIT_ROWS) commit();
    else commitTimer ??= setTimeout(commit, COMMIT_DELAY_MS);
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
    succeeded();
  };

  const failed = (error: unknown, what = 'commit') => {
    trouble = { failures: trouble.failures + 1, error: String(error) };
    telemetry.count('rescind_feed_errors_total', { what });
    telemetry.log('error', `feed_${what}_failed`, { ...trouble, owed: store.owed() });
    clearTimeout(commitTimer);
    commitTimer = undefined;
    if (closed) return;
    commitTimer = setTimeout(() => {
      isHeldUp = false;
      commit();
      drain();
    }, backoff.next());
  };

  const succeeded = () => {
    if (trouble.failures === 0) return;
    telemetry.log('info', 'feed_commit_recovered', { failures: trouble.failures });
    trouble = { failures: 0, error: null };
    backoff.reset();
  };

  /** A step that cannot be taken (the store is closed, a mistake of ours) is not skipped, and not tried without a pause. */
  const holdUp = (error: unknown) => {
    isHeldUp = true;
    failed(error, 'step');
  };

  const drain = () => {
    if (draining || isHeldUp) return;
    draining = true;
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      if (!closed && !next.isStale()) {
        if (isFull()) break;
        try {
          take(next.happening);
        } catch (error) {
          holdUp(error);
          break;
        }
      }
      waiting.shift();
      next.done();
    }
    draining = false;
  };

  return {
    state: () => state,
    now,
    busy: () => waiting.length > 0,
    trouble: () => ({ ...trouble, owed: store.owed(), isFull: isFull() }),
    ask(way) {
      try {
        if (!closed) take({ kind: 'asked', way });
      } catch (error) {
        holdUp(error);
      }
      return core.startOf(state, way);
    },
    submit(happening, isStale = () => false) {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ happening, isStale, done: resolve });
      drain();
      return promise;
    },
    begin: (wanted) => adopt(wanted, state),
    close() {
      if (closed) return;
      isHeldUp = false;
      void this.submit({ kind: 'stop' });
      closed = true;
      // What the disk does not take now comes again: the next start knows the age of the last commit.
      commit();
      drain();
    },
  };
}

/** Asked for at each step, and read once a tick: in between the monotonic clock counts. */
const READ_BOOT_EVERY_MS: DurationMs = 100;

function createBootReader(clock: Clock): () => Boot | undefined {
  let read: { readonly boot: Boot | undefined; readonly at: DurationMs } | undefined;
  return () => {
    const monotonic = clock.monotonic();
    if (read === undefined || monotonic - read.at >= READ_BOOT_EVERY_MS) read = { boot: clock.boot?.(), at: monotonic };
    return read.boot && { id: read.boot.id, uptimeMs: read.boot.uptimeMs + monotonic - read.at };
  };
}
