import type { Boot, Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { createBackoff } from '../backoff.ts';
import type { FeedStore, WayStart } from '../ports.ts';
import type { FollowerCore, FollowerEffect, FollowerInput, FollowerState, Instant, WayId } from './core.ts';

/** A full disk is not helped by haste. */
const FIRST_RETRY_MS: DurationMs = 100;
const GREATEST_RETRY_MS: DurationMs = 5_000;

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
  /** Called when something was committed. */
  readonly onCommit: () => void;
}

/** What keeps a step from being taken, for health. */
export interface Trouble {
  /** Failures in a row; 0: none. */
  readonly failures: number;
  readonly error: string | null;
}

/**
 * Takes the core's steps, one at a time: its commit is carried out before the step counts. A commit that throws (a full
 * disk) is tried again with back-off, and what comes meanwhile waits: nothing is lost and nothing is skipped.
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
  let trouble: Trouble = { failures: 0, error: null };
  let retry: NodeJS.Timeout | undefined;
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
    if (first?.kind === 'commit') store.commit(first.change);
    state = next;
    for (const effect of wanted) if (effect.kind !== 'commit') effects.push(effect);
    if (first?.kind === 'commit') options.onCommit();
    carryOutAll();
  };

  const failed = (error: unknown) => {
    trouble = { failures: trouble.failures + 1, error: String(error) };
    telemetry.count('rescind_feed_errors_total', { what: 'commit' });
    telemetry.log('error', 'feed_commit_failed', { failures: trouble.failures, error: trouble.error });
  };

  const succeeded = () => {
    if (trouble.failures === 0) return;
    telemetry.log('info', 'feed_commit_recovered', { failures: trouble.failures });
    trouble = { failures: 0, error: null };
    backoff.reset();
  };

  const drain = () => {
    if (draining || retry !== undefined) return;
    draining = true;
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      if (!closed && !next.isStale()) {
        try {
          take(next.happening);
          succeeded();
        } catch (error) {
          failed(error);
          retry = setTimeout(() => {
            retry = undefined;
            drain();
          }, backoff.next());
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
    trouble: () => trouble,
    ask(way) {
      try {
        if (!closed) take({ kind: 'asked', way });
      } catch (error) {
        failed(error);
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
      // A disk that takes nothing now is asked for no more: the next start knows the age of the last commit.
      if (retry === undefined) void this.submit({ kind: 'stop' });
      closed = true;
      clearTimeout(retry);
      retry = undefined;
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
