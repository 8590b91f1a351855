import type { Clock, DurationMs } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

/**
 * Counts what could not be authenticated, by address. Who shows the right secret is let in however many have failed
 * before: nobody guesses 32 random characters, but a flood of failures must not keep an administrator from the emergency.
 */
export interface FailureThrottle {
  /** Counts a failure. @throws RescindError `rate_limited` when there have been too many from this address */
  failed(address: string): void;
}

const MINUTE_MS: DurationMs = 60_000;
/** Addresses that are remembered; beyond, the oldest is forgotten. */
const MOST_ADDRESSES = 10_000;

export function createFailureThrottle(clock: Clock, mostAMinute: number): FailureThrottle {
  const records = new Map<string, { count: number; readonly until: DurationMs }>();
  return {
    failed(address) {
      const now = clock.monotonic();
      const held = records.get(address);
      const record = held !== undefined && held.until > now ? held : { count: 0, until: now + MINUTE_MS };
      records.set(address, record);
      record.count++;
      const [oldest] = records.keys();
      if (records.size > MOST_ADDRESSES && oldest !== undefined) records.delete(oldest);
      if (record.count > mostAMinute) {
        throw new RescindError('rate_limited', { retryAfter: (record.until - now) / 1_000 });
      }
    },
  };
}
