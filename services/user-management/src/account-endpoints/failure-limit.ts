import type { Clock, DurationMs, ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

export interface FailureLimit {
  /**
   * Runs `work`, which throws one of the counted codes for a wrong guess. If the failures have reached the limit, `work` is not run; if
   * those of running attempts could reach it, `work` waits. A success resets the failures of its key, unless `slowlyMs` is set.
   * @throws RescindError `rate_limited`, or whatever `work` throws
   */
  attempt<T>(key: string, work: () => Promise<T>, attempt?: Attempt): Promise<T>;
}

interface Attempt {
  /** The source of the attempt, such as an address: counted if `slowlyMs` is set. */
  readonly source?: string | undefined;
  /**
   * Whether the credential is too long to be guessed. Then `work` always runs, and only a wrong one is refused beyond the limit, so
   * that the failures of others never block a right one. Default false.
   */
  readonly isUnguessable?: boolean | undefined;
}

export interface FailureLimitOptions {
  readonly limit: number;
  readonly windowMs: DurationMs;
  readonly clock: Clock;
  /** The codes that count as a failure. Default: that of a wrong password. */
  readonly counts?: readonly ErrorCode[];
  /**
   * Beyond `limit`, permits one attempt at a time, and none for this time after a failure; for twice this time from a source that has
   * failed before, so that a new source gets an attempt. In ms. Default: none until the window ends.
   */
  readonly slowlyMs?: DurationMs;
}

interface Record {
  failures: number;
  /** When the failures are forgotten: monotonic, counted from the first one. */
  until: DurationMs;
  running: number;
  /** Monotonic: when the next slow attempt may be made. */
  slowAt: DurationMs;
  isSlowRunning: boolean;
  /** Sources that failed, from half of the limit on. */
  readonly sources: Set<string>;
  readonly waiting: Set<() => void>;
}

/** Most keys with failures, some 10 MB. Beyond, the one with the fewest failures of the oldest is forgotten. */
const MAX_KEYS = 100_000;
/** The number of the oldest that are compared: a spray of single failures over many keys displaces none with more. */
const MAX_COMPARED = 100;

/** Permits at most `limit` failures a key in `windowMs`, however many attempts run at once. */
export function createFailureLimit(options: FailureLimitOptions): FailureLimit {
  const { limit, windowMs, clock, counts = ['credentials_wrong'], slowlyMs } = options;
  const records = new Map<string, Record>();

  const recordOf = (key: string): Record => {
    const existing = records.get(key);
    if (existing !== undefined) {
      if (existing.failures > 0 && existing.until <= clock.monotonic()) forgive(existing);
      return existing;
    }
    const created: Record = {
      ...{ failures: 0, until: 0, running: 0, slowAt: 0, isSlowRunning: false },
      ...{ sources: new Set<string>(), waiting: new Set<() => void>() },
    };
    if (records.size >= MAX_KEYS) evictOne(records);
    records.set(key, created);
    return created;
  };

  /** When the next attempt beyond the limit is permitted. */
  const nextAttemptAt = ({ until, slowAt, sources }: Record, source: string | undefined): DurationMs => {
    if (slowlyMs === undefined) return until;
    return source !== undefined && sources.has(source) ? slowAt + slowlyMs : slowAt;
  };

  const requirePermitted = (record: Record, source: string | undefined) => {
    const waitMs = record.failures < limit ? 0 : nextAttemptAt(record, source) - clock.monotonic();
    if (waitMs > 0) throw new RescindError('rate_limited', { retryAfter: waitMs / 1_000 });
  };

  /** Waits until an attempt is permitted, and counts it as running, in one step. */
  const admit = async (key: string, { source, isUnguessable = false }: Attempt) => {
    for (;;) {
      const record = recordOf(key);
      const isSlow = record.failures >= limit && !isUnguessable;
      if (isUnguessable) {
        record.running++;
        return { record, isSlow };
      }
      requirePermitted(record, source);
      const isFree = isSlow ? !record.isSlowRunning : record.failures + record.running < limit;
      if (isFree) {
        record.running++;
        record.isSlowRunning ||= isSlow;
        return { record, isSlow };
      }
      await new Promise<void>((resolve) => record.waiting.add(resolve));
    }
  };

  const failed = (record: Record, isSlow: boolean, source: string | undefined) => {
    const now = clock.monotonic();
    if (record.failures === 0) record.until = now + windowMs;
    record.failures++;
    if (record.failures === limit) record.slowAt = now;
    if (isSlow && slowlyMs !== undefined) record.slowAt = now + slowlyMs;
    if (source !== undefined && slowlyMs !== undefined && record.failures > limit / 2) record.sources.add(source);
  };

  const ended = (key: string, record: Record, isSlow: boolean) => {
    record.running--;
    if (isSlow) record.isSlowRunning = false;
    const waiting = [...record.waiting];
    record.waiting.clear();
    for (const wake of waiting) wake();
    if (record.running === 0 && record.failures === 0 && waiting.length === 0) records.delete(key);
  };

  return {
    async attempt(key, work, how = {}) {
      const { record, isSlow } = await admit(key, how);
      try {
        const result = await work();
        if (slowlyMs === undefined) forgive(record);
        return result;
      } catch (error) {
        if (error instanceof RescindError && counts.includes(error.code)) {
          if (how.isUnguessable === true) requirePermitted(record, how.source);
          failed(record, isSlow, how.source);
        }
        throw error;
      } finally {
        ended(key, record, isSlow);
      }
    },
  };
}

function forgive(record: Record): void {
  record.failures = 0;
  record.slowAt = 0;
  record.sources.clear();
}

function evictOne(records: Map<string, Record>): void {
  let evicted: string | undefined;
  let [looked, fewest] = [0, Number.POSITIVE_INFINITY];
  for (const [key, { running, failures }] of records) {
    if (looked++ >= MAX_COMPARED && evicted !== undefined) break;
    if (running === 0 && failures < fewest) [evicted, fewest] = [key, failures];
  }
  if (evicted !== undefined) records.delete(evicted);
}
