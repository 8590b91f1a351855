import type { Clock, DurationMs } from '@rescind/revocation';

/** How often something may be done in a minute. */
export interface Allowance {
  /** Takes one for `key` if there is one left. */
  take(key: string): boolean;
}

const MINUTE_MS: DurationMs = 60_000;

/**
 * @param options.each how often for one key
 * @param options.all how often for all keys together, which bounds what is kept of them too
 */
export function createAllowance(options: {
  readonly each: number;
  readonly all: number;
  readonly clock: Clock;
}): Allowance {
  const { each, all, clock } = options;
  const taken = new Map<string, number>();
  let [total, until] = [0, 0];
  return {
    take(key) {
      if (clock.monotonic() >= until) {
        taken.clear();
        [total, until] = [0, clock.monotonic() + MINUTE_MS];
      }
      const before = taken.get(key) ?? 0;
      if (before >= each || total >= all) return false;
      taken.set(key, before + 1);
      total++;
      return true;
    },
  };
}
