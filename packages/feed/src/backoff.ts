import type { DurationMs } from '@rescind/revocation';

export interface Backoff {
  /** How long to wait before the next attempt. */
  next(): DurationMs;
  /** An attempt went well: the next one is the first again. */
  reset(): void;
}

/**
 * Exponential back-off with full jitter: the ceiling doubles with each attempt, the wait is anywhere below it, so that
 * a fleet that lost its server at one moment does not come back at one moment.
 */
export function createBackoff(
  firstMs: DurationMs,
  greatestMs: DurationMs,
  random: () => number = Math.random,
): Backoff {
  let ceiling = firstMs;
  return {
    next() {
      const wait = random() * ceiling;
      ceiling = Math.min(greatestMs, ceiling * 2);
      return wait;
    },
    reset() {
      ceiling = firstMs;
    },
  };
}
