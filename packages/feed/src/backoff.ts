import type { DurationMs } from '@rescind/revocation';

/** The waits between the attempts of a transport. */
export interface Backoff {
  /** The wait before the next attempt, in ms. */
  next(): DurationMs;
  /** A first wait, in ms, before an attempt that follows no failure, such as a restart of the connection. It counts as no attempt. */
  first(): DurationMs;
  /** Starts again with the first wait, after a success. */
  reset(): void;
}

/**
 * Creates an exponential back-off: the greatest wait doubles with each attempt, and a part of each wait is random, so that the instances
 * of a fleet that lost their server together do not return together.
 * @param randomShare the random part, from 0 to 1. Default 1: any wait up to the greatest
 */
export function createBackoff(firstMs: DurationMs, greatestMs: DurationMs, randomShare = 1): Backoff {
  let ceiling = firstMs;
  const waitUpTo = (ms: DurationMs) => ms * (1 - randomShare * Math.random());
  return {
    next() {
      const wait = waitUpTo(ceiling);
      ceiling = Math.min(greatestMs, ceiling * 2);
      return wait;
    },
    first: () => waitUpTo(firstMs),
    reset() {
      ceiling = firstMs;
    },
  };
}
