import type { DurationMs } from '@rescind/revocation';

/** The wait after a first failure: about as long as a service takes to restart a listener. */
const FIRST_WAIT_MS: DurationMs = 250;

/** The longest wait between attempts while they fail: an instance without keys refuses everybody meanwhile. */
const LONGEST_WAIT_MS: DurationMs = 30_000;

/**
 * How long to wait before the next fetch. Half of it or a tenth of it is left to chance, so that a fleet that started
 * together does not ask together.
 *
 * @param failures how many attempts have failed in a row; 0 after a success
 * @param refreshMs the wait after a success; also the longest after a failure
 * @param chance from 0 up to 1
 */
export function waitBeforeNext(failures: number, refreshMs: DurationMs, chance: number): DurationMs {
  if (failures === 0) return refreshMs * (0.9 + 0.1 * chance);
  const wait = Math.min(FIRST_WAIT_MS * 2 ** (failures - 1), LONGEST_WAIT_MS, refreshMs);
  return wait * (0.5 + 0.5 * chance);
}
