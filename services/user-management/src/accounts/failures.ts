import type { Clock, DurationMs, ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

export interface FailureLimit {
  /**
   * Runs `work`, which throws one of the codes that count when the guess was wrong. Where that has happened too often, or
   * could have by the time those under way have ended, `work` waits or is not run.
   * @throws RescindError `rate_limited`, or whatever `work` throws
   */
  attempt<T>(key: string, work: () => Promise<T>): Promise<T>;
}

interface Record {
  failures: number;
  /** Monotonic, from the first failure; then it is forgotten. */
  until: DurationMs;
  running: number;
  readonly waiting: Set<() => void>;
}

/** Keys with failures that are remembered, some 10 MB; beyond, the oldest is forgotten. */
const MOST_KEYS = 100_000;

/** At most `limit` failures a key in `windowMs`, however many are tried at once. Successes do not count. */
export function createFailureLimit(options: {
  readonly limit: number;
  readonly windowMs: DurationMs;
  readonly clock: Clock;
  /** Default: the password. */
  readonly counts?: readonly ErrorCode[];
}): FailureLimit {
  const { limit, windowMs, clock, counts = ['credentials_wrong'] } = options;
  const records = new Map<string, Record>();

  const recordOf = (key: string): Record => {
    const kept = records.get(key);
    if (kept !== undefined) {
      if (kept.failures > 0 && kept.until <= clock.monotonic()) kept.failures = 0;
      return kept;
    }
    const made: Record = { failures: 0, until: 0, running: 0, waiting: new Set() };
    records.set(key, made);
    if (records.size > MOST_KEYS) forgetOldest(records);
    return made;
  };

  /** Waits for a place and takes it, in one step. */
  const admitted = async (key: string): Promise<Record> => {
    for (;;) {
      const record = recordOf(key);
      if (record.failures >= limit) {
        throw new RescindError('rate_limited', { retryAfter: (record.until - clock.monotonic()) / 1_000 });
      }
      if (record.failures + record.running < limit) {
        record.running++;
        return record;
      }
      await new Promise<void>((resolve) => record.waiting.add(resolve));
    }
  };

  const ended = (key: string, record: Record) => {
    record.running--;
    const waiting = [...record.waiting];
    record.waiting.clear();
    for (const wake of waiting) wake();
    if (record.running === 0 && record.failures === 0 && waiting.length === 0) records.delete(key);
  };

  return {
    async attempt(key, work) {
      const record = await admitted(key);
      try {
        return await work();
      } catch (error) {
        if (error instanceof RescindError && counts.includes(error.code)) {
          if (record.failures === 0) record.until = clock.monotonic() + windowMs;
          record.failures++;
        }
        throw error;
      } finally {
        ended(key, record);
      }
    },
  };
}

function forgetOldest(records: Map<string, Record>): void {
  for (const [key, { running }] of records) {
    if (running > 0) continue;
    records.delete(key);
    return;
  }
}
