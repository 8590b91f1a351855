import type { Follower, View } from '@rescind/feed';
import type { Clock, Cutoff, DurationMs, EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

/** A log in memory that an instance hears of at once, or not at all. */
export interface TestLog {
  /** What the guard takes for the follower of its log. */
  readonly follower: Follower;
  readonly epoch: string;
  /** Appends; heard of in the same tick, unless the log is cut off. Returns its place. */
  append(cutoffOf: (seq: number) => Cutoff): void;
  /** The instance has heard nothing for so long, and hears nothing more. */
  cutOff(ageMs: DurationMs): void;
  /** It has never caught up, and hears nothing. */
  forget(): void;
  /** It hears everything there is, and goes on hearing. */
  catchUp(): void;
}

const EPOCH = '0000000001-test';

/** @param heard what the instance does with what it hears */
export function createTestLog(clock: Clock, heard: (cutoff: Cutoff) => void): TestLog {
  const missed: Cutoff[] = [];
  let head = 0;
  let ready = true;
  /** Undefined while everything is heard. */
  let lost: { readonly ageMs: DurationMs; readonly at: DurationMs; readonly logTime: EpochMillis } | undefined;
  let caughtUp = createWaiting();
  caughtUp.resolve();

  function view(): View {
    const whole = ready && lost === undefined;
    const ageMs = lost === undefined ? 0 : lost.ageMs + clock.monotonic() - lost.at;
    return {
      ready,
      whole,
      suspect: null,
      ageMs: ready ? ageMs : Number.POSITIVE_INFINITY,
      logTime: lost?.logTime ?? clock.now(),
      prunableBefore: 0,
      epoch: EPOCH,
      seq: head - missed.length,
      head,
      lag: missed.length,
      way: 'http',
    };
  }

  const lose = (ageMs: DurationMs) => {
    lost = { ageMs, at: clock.monotonic(), logTime: clock.now() - ageMs };
  };
  const close = async () => caughtUp.reject(new RescindError('stopping'));
  const follower: Follower = {
    view,
    close,
    ready: () => caughtUp.promise,
    health: () => [{ name: 'feed', status: ready ? (lost === undefined ? 'pass' : 'warn') : 'fail' }],
    onChange: () => () => undefined,
    [Symbol.asyncDispose]: close,
  };

  return {
    follower,
    epoch: EPOCH,
    append(cutoffOf) {
      head += 1;
      const cutoff = cutoffOf(head);
      if (lost === undefined) heard(cutoff);
      else missed.push(cutoff);
    },
    cutOff: lose,
    forget() {
      if (ready) caughtUp = createWaiting();
      ready = false;
      lose(0);
    },
    catchUp() {
      lost = undefined;
      ready = true;
      for (const cutoff of missed.splice(0)) heard(cutoff);
      caughtUp.resolve();
    },
  };
}

function createWaiting(): PromiseWithResolvers<void> {
  const waiting = Promise.withResolvers<void>();
  // Nobody has to wait for it.
  waiting.promise.catch(() => undefined);
  return waiting;
}
