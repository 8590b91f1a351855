import type { DurationMs } from '@rescind/revocation';

/** A notice of a login is old news after that. */
const LONGEST_MS: DurationMs = 6 * 3_600_000;

/**
 * How long to wait after so many attempts that failed: doubling, and anywhere in the upper half of that, so that what
 * failed at one moment does not come back at one moment.
 */
export function retryDelay(attempts: number, firstMs: DurationMs, random: () => number = Math.random): DurationMs {
  const ceiling = Math.min(LONGEST_MS, firstMs * 2 ** (attempts - 1));
  return Math.ceil(ceiling * (0.5 + random() / 2));
}
