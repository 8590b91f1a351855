import type { Clock, EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { StorageFailure } from '@rescind/revocation/storage';
import { storageCodeOf, storageFailureOf, storageUnavailable } from '@rescind/revocation/storage';

/** The files that the issuer writes. */
type WrittenFile = 'database' | 'high_water';

/** The last failed write, while no write of the same kind has succeeded since. */
interface StorageOutage {
  readonly reason: StorageFailure | 'other';
  /** The code of SQLite or of the operating system. */
  readonly error: string;
  readonly since: EpochMillis;
  readonly failures: number;
}

/** Whether the issuer can write, by its last real write. */
export interface Storage {
  /**
   * Runs a write. One that fails because of the storage is counted, logged once, and thrown as `storage_unavailable`;
   * any other error is thrown as it is, and does not change the state of the storage.
   * @throws RescindError `storage_unavailable`
   */
  write<T>(work: () => Promise<T>): Promise<T>;
  /** Records an error of a statement outside a write, if the storage is the cause. Never throws. */
  noteError(error: unknown): void;
  /** Runs a write of the high-water mark, after the commit. A failure is counted and logged, and fails no request. */
  writeHighWatermark(work: () => void): void;
  /** The last failure of this kind. Null: the last write succeeded, or there was none. */
  outage(what: WrittenFile): StorageOutage | null;
  /** Since when a part of the database is known to be damaged. A later write that succeeds does not mend it. */
  damagedSince(): EpochMillis | null;
}

export function createStorage(telemetry: Telemetry, clock: Pick<Clock, 'now'>): Storage {
  let damagedSince: EpochMillis | null = null;
  const outages: Record<WrittenFile, StorageOutage | null> = { database: null, high_water: null };

  function failed(what: WrittenFile, reason: StorageOutage['reason'], error: unknown): void {
    const before = outages[what];
    if (reason === 'damaged') damagedSince ??= clock.now();
    const code = storageCodeOf(error) ?? (error instanceof Error ? error.name : 'unknown');
    outages[what] = { reason, error: code, since: before?.since ?? clock.now(), failures: (before?.failures ?? 0) + 1 };
    // A key file is written inside a transaction of the database: an error that has no code of SQLite is one of that file.
    const counted = what === 'database' && !code.startsWith('SQLITE_') ? 'key' : what;
    telemetry.count('rescind_storage_failures_total', { file: counted, reason });
    if (before?.reason !== reason) telemetry.log('error', 'storage_failed', { file: counted, reason, error: code });
    refused();
  }

  function succeeded(what: WrittenFile): void {
    const before = outages[what];
    if (before === null) return;
    outages[what] = null;
    telemetry.log('info', 'storage_recovered', { file: what, failures: before.failures, reason: before.reason });
    refused();
  }

  const refused = () =>
    telemetry.gauge('rescind_writes_refused', outages.database === null ? 0 : 1, { reason: 'storage_unavailable' });

  return {
    async write(work) {
      try {
        const result = await work();
        succeeded('database');
        return result;
      } catch (error) {
        const reason = storageFailureOf(error);
        if (reason === undefined) throw error;
        failed('database', reason, error);
        throw error instanceof RescindError ? error : storageUnavailable(error);
      }
    },
    noteError(error) {
      const reason = storageFailureOf(error);
      if (reason !== undefined) failed('database', reason, error);
    },
    writeHighWatermark(work) {
      try {
        work();
        succeeded('high_water');
      } catch (error) {
        telemetry.count('rescind_high_water_failures_total');
        failed('high_water', storageFailureOf(error) ?? 'other', error);
      }
    },
    outage: (what) => outages[what],
    damagedSince: () => damagedSince,
  };
}

/** Refuses writes once the database is known to be restored. Only `restore` opens it again. */
export interface ReadOnlyLatch {
  /** Why writes are refused, or null. */
  refusing(): string | null;
  refuse(reason: string): void;
  /** @throws RescindError `database_restored` */
  requireOpen(): void;
}

export function createReadOnlyLatch(): ReadOnlyLatch {
  let refusal: string | null = null;
  return {
    refusing: () => refusal,
    refuse(reason) {
      refusal ??= reason;
    },
    requireOpen() {
      if (refusal !== null) throw new RescindError('database_restored', { detail: refusal });
    },
  };
}
