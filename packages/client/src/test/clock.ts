import type { Clock } from '../environment.ts';

/** A clock of a test, and how it advances. */
export interface TestClock {
  /** To be passed to `createSession`. */
  readonly clock: Clock;
  /** Lets `ms` pass; timers run in order. */
  advance(ms: number): Promise<void>;
  /** How many timers wait. */
  timers(): number;
  /** The machine sleeps for `ms`: no timer runs, and the monotonic clock stands still. */
  sleep(ms: number): void;
  /** Moves the wall clock by `ms`, as if it were set. */
  setWall(ms: number): void;
}

// Before a test replaces them.
const { setImmediate: immediate = setTimeout } = globalThis;

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => void immediate(resolve, 0));
}

/**
 * Clocks and timers that a test advances: `createSession({ clock: time.clock, … })`.
 * @param start wall time in ms since 1970
 */
export function createTestClock(start = 1_800_000_000_000): TestClock {
  let wall = start;
  let monotonic = 0;
  let id = 0;
  const timers = new Map<number, { readonly at: number; readonly run: () => void }>();
  const clock: Clock = {
    now: () => wall,
    monotonic: () => monotonic,
    setTimeout(run, delayMs) {
      id += 1;
      timers.set(id, { at: monotonic + Math.max(0, delayMs), run });
      return id;
    },
    clearTimeout: (timer) => void timers.delete(timer as number),
  };

  async function advance(ms: number): Promise<void> {
    const end = monotonic + ms;
    await settle();
    for (;;) {
      const [next] = [...timers].sort(([, one], [, other]) => one.at - other.at);
      if (next === undefined || next[1].at > end) break;
      const [timer, { at, run }] = next;
      timers.delete(timer);
      const step = Math.max(0, at - monotonic);
      [monotonic, wall] = [monotonic + step, wall + step];
      run();
      await settle();
    }
    [monotonic, wall] = [end, wall + end - monotonic];
    await settle();
  }

  return {
    clock,
    advance,
    timers: () => timers.size,
    sleep(ms: number) {
      wall += ms;
    },
    setWall(ms: number) {
      wall += ms;
    },
  };
}
