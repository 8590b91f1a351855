import { onTestFinished } from 'vitest';

const TICK_MS = 5;

/**
 * Measures a wait of the code under test, in ms, by the turns of a timer: while this process stands still, no time passes.
 * @returns the ms since the call, at most those of a clock
 */
export function startTicks(): () => number {
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
  }, TICK_MS);
  onTestFinished(() => clearInterval(timer));
  return () => ticks * TICK_MS;
}
