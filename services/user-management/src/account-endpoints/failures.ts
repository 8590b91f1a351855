import type { Clock, DurationMs, ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

export interface FailureLimit {
  /**
   * Runs `work`, which throws one of the codes that count when the guess was wrong. Where that has happened too often, or
   * could have by the time those under way have ended, `work` waits or is not run. A success forgives the failures of its key,
   * unless the limit goes on slowly.
   * @throws RescindError `rate_limited`, or whatever `work` throws
   */
  attempt<T>(key: string, work: () => Promise<T>, attempt?: Attempt): Promise<T>;
}

interface Attempt {
  /** From where it comes; counts for a limit that goes on slowly. */
  readonly place?: string | undefined;
  /**
   * Whether what is shown is too long to be guessed. Then `work` always runs, and only a wrong one is refused beyond the
   * limit: the failures of others keep a right one out of nothing. Default false.
   */
  readonly isUnguessable?: boolean | undefined;
}

export interface FailureLimitOptions {
  readonly limit: number;
  readonly windowMs: DurationMs;
  readonly clock: Clock;
  /** Default: the password. */
  readonly counts?: readonly ErrorCode[];
  /**
   * Beyond `limit`, instead of none until the window ends: one attempt at a time, and after one that failed none for so long;
   * for twice as long from a place that has failed before, so that a place which comes for the first time has its turn.
   */
  readonly slowlyMs?: DurationMs;
}

interface Record {
  failures: number;
  /** Monotonic, from the first failure; then it is forgotten. */
  until: DurationMs;
  running: number;
  /** Monotonic: when the next slow attempt may be made. */
  slowAt: DurationMs;
  isSlowRunning: boolean;
  /** Those that failed, from half of the limit on. */
  readonly places: Set<string>;
  readonly waiting: Set<() => void>;
}

/** Keys with failures that are remembered, some 10 MB; beyond, of the oldest the one with the fewest failures is forgotten. */
const MOST_KEYS = 100_000;
/** So many are looked at: a spray of single failures over many keys forgets none that has more. */
const LOOKED_AT = 100;

/** At most `limit` failures a key in `windowMs`, however many are tried at once. */
export function createFailureLimit(options: FailureLimitOptions): FailureLimit {
  const { limit, windowMs, clock, counts = ['credentials_wrong'], slowlyMs } = options;
  const records = new Map<string, Record>();

  const recordOf = (key: string): Record => {
    const kept = records.get(key);
    if (kept !== undefined) {
      if (kept.failures > 0 && kept.until <= clock.monotonic()) forgive(kept);
      return kept;
    }
    const made: Record = {
      ...{ failures: 0, until: 0, running: 0, slowAt: 0, isSlowRunning: false },
      ...{ places: new Set<string>(), waiting: new Set<() => void>() },
    };
    if (records.size >= MOST_KEYS) forgetLeast(records);
    records.set(key, made);
    return made;
  };

  /** When an attempt beyond the limit may be made. */
  const slowTurn = ({ until, slowAt, places }: Record, place: string | undefined): DurationMs => {
    if (slowlyMs === undefined) return until;
    return place !== undefined && places.has(place) ? slowAt + slowlyMs : slowAt;
  };

  const requireTurn = (record: Record, place: string | undefined) => {
    const waitMs = record.failures < limit ? 0 : slowTurn(record, place) - clock.monotonic();
    if (waitMs > 0) throw new RescindError('rate_limited', { retryAfter: waitMs / 1_000 });
  };

  /** Waits for a turn and takes it, in one step. */
  const admitted = async (key: string, { place, isUnguessable = false }: Attempt) => {
    for (;;) {
      const record = recordOf(key);
      const isSlow = record.failures >= limit && !isUnguessable;
      if (isUnguessable) {
        record.running++;
        return { record, isSlow };
      }
      requireTurn(record, place);
      const isFree = isSlow ? !record.isSlowRunning : record.failures + record.running < limit;
      if (isFree) {
        record.running++;
        record.isSlowRunning ||= isSlow;
        return { record, isSlow };
      }
      await new Promise<void>((resolve) => record.waiting.add(resolve));
    }
  };

  const failed = (record: Record, isSlow: boolean, place: string | undefined) => {
    const now = clock.monotonic();
    if (record.failures === 0) record.until = now + windowMs;
    record.failures++;
    if (record.failures === limit) record.slowAt = now;
    if (isSlow && slowlyMs !== undefined) record.slowAt = now + slowlyMs;
    if (place !== undefined && slowlyMs !== undefined && record.failures > limit / 2) record.places.add(place);
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
      const { record, isSlow } = await admitted(key, how);
      try {
        const result = await work();
        if (slowlyMs === undefined) forgive(record);
        return result;
      } catch (error) {
        if (error instanceof RescindError && counts.includes(error.code)) {
          if (how.isUnguessable === true) requireTurn(record, how.place);
          failed(record, isSlow, how.place);
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
  record.places.clear();
}

function forgetLeast(records: Map<string, Record>): void {
  let least: string | undefined;
  let [looked, fewest] = [0, Number.POSITIVE_INFINITY];
  for (const [key, { running, failures }] of records) {
    if (looked++ >= LOOKED_AT && least !== undefined) break;
    if (running === 0 && failures < fewest) [least, fewest] = [key, failures];
  }
  if (least !== undefined) records.delete(least);
}
