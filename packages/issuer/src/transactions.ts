import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEncoder } from '@rescind/feed/event';
import type { DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { ClockFloor, IssuerClock } from '@rescind/revocation/issuer-clock';
import type { HighWatermarkFile } from './keys/high-watermark.ts';
import type { ReadOnlyLatch, Storage } from './storage.ts';
import type { Store, StoreTransaction } from './store/store.ts';
import type { Transaction } from './transaction.ts';
import { createTransaction } from './transaction.ts';

/**
 * The floor of the issuer's clock, in memory: each transaction makes it durable before it commits, so that whatever has a time that
 * was taken inside of it is answered after that time is durable. What was taken inside of one that was rolled back stays: a clock
 * that is ahead by a millisecond denies nothing wrongly.
 */
interface PersistedFloor extends ClockFloor {
  /** The floor that is durable. */
  persisted(): EpochMillis;
  /** The caller calls it after the commit that wrote the floor. */
  notePersisted(floor: EpochMillis): void;
}

/** @param floor what is durable at the start */
export function createPersistedFloor(floor: EpochMillis): PersistedFloor {
  let [current, durable] = [floor, floor];
  return {
    get: () => current,
    set(next) {
      current = Math.max(current, next);
    },
    persisted: () => durable,
    notePersisted(persisted) {
      durable = Math.max(durable, persisted);
    },
  };
}

export interface Transactions {
  /**
   * Runs one transaction, after the earlier calls.
   * @throws RescindError `database_restored`, `stopping`, `busy`, `storage_unavailable`
   * @throws Error inside of another one, and for work that waits for anything but its transaction
   */
  run<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** The same, and while a cut-off has to wait for the wall clock it waits. @throws RescindError also `clock_ahead` */
  runAndRetry<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Makes an attempt again, up to 5 s, while it throws `clock_ahead`. @throws what the last attempt throws */
  retryWhileClockAhead<T>(attempt: () => Promise<T>): Promise<T>;
  /** @throws Error inside of a transaction */
  requireOutside(): void;
  /**
   * Makes a time durable before it is published outside of a transaction, also while other writes are refused.
   * @throws RescindError `busy`, `storage_unavailable`
   * @throws Error inside of a transaction
   */
  persistTime(at: EpochMillis): Promise<void>;
  onAppend(listener: () => void): () => void;
  /** Writes again what could not be written, however little it is: so that a storage that works again is noticed. */
  probe(): Promise<void>;
  /** From now on: `stopping`. */
  stop(): void;
}

interface TransactionsOptions {
  readonly store: Store;
  readonly issuerClock: IssuerClock;
  readonly clockFloor: PersistedFloor;
  /** Of the event key with this kid; undefined: there is none. @throws RescindError `keys_unavailable` */
  readonly encoderOf: (kid: string | undefined) => EventEncoder;
  readonly highWatermark: HighWatermarkFile;
  readonly latch: ReadOnlyLatch;
  readonly storage: Storage;
  readonly telemetry: Telemetry;
}

/** After a longer wait the client has timed out: an error with the time to retry is better. */
const MAX_WAIT_MS: DurationMs = 5_000;
const WAIT_STEP_MS: DurationMs = 20;
const RETRY_AFTER_SECONDS = 5;
/** All other writers wait meanwhile. */
const MAX_TRANSACTION_MS: DurationMs = 1_000;

export function createTransactions(options: TransactionsOptions): Transactions {
  const { store, latch, highWatermark, storage, telemetry, issuerClock, clockFloor, encoderOf } = options;
  const listeners = new Set<() => void>();
  const contexts = new AsyncLocalStorage<{ isOpen: boolean }>();
  let stopped = false;

  function requireOutside(): void {
    if (contexts.getStore()?.isOpen !== true) return;
    throw new Error('a transaction is open on this database: inside one, use what its work is called with');
  }

  function requireWrites(): void {
    if (stopped) throw new RescindError('stopping');
    latch.requireOpen();
  }

  /** Work that waits for anything else blocks all writers: it is a mistake of the host, and is rolled back. */
  async function withinTimeLimit<T>(work: () => Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      telemetry.log('error', 'transaction_too_long', { maxMs: MAX_TRANSACTION_MS });
      late.reject(
        new Error(`the work of a transaction waited for ${MAX_TRANSACTION_MS} ms: it must await its transaction alone`),
      );
    }, MAX_TRANSACTION_MS);
    try {
      return await Promise.race([work(), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Before the commit: a crash between that and the mark must not look like a database from another time. */
  function announceEpoch(epoch: string): void {
    const mark = highWatermark.read();
    const known = mark === undefined || mark === 'unreadable' ? { epoch: '', head: 0, id: null } : mark;
    highWatermark.write({ ...known, next: epoch });
  }

  /** Before the answer: a database restored to an earlier state must be found out, whatever was answered. */
  function writeHighWatermark(): void {
    const identity = store.log.identity();
    if (identity === undefined) return;
    // Does not throw: the revocation itself is durable, and must be answered as such.
    storage.writeHighWatermark(() =>
      highWatermark.write({ epoch: identity.epoch, head: identity.head, id: identity.last }),
    );
  }

  /** Work that fails here is done at the next start. */
  async function attempt(then: () => void | Promise<void>): Promise<void> {
    try {
      await then();
    } catch (error) {
      telemetry.log('error', 'after_commit_failed', { error: messageOf(error) });
    }
  }

  async function run<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    requireOutside();
    requireWrites();
    const after: (() => void | Promise<void>)[] = [];
    let isLogChanged = false;
    let floor = 0;
    const commit = async (tx: StoreTransaction): Promise<T> => {
      // It may have waited for others.
      requireWrites();
      const context = { isOpen: true };
      const transaction = createTransaction({ tx, issuerClock, encoderOf, announceEpoch, after });
      try {
        const result = await contexts.run(context, () => withinTimeLimit(() => work(transaction)));
        await transaction.flush();
        isLogChanged = transaction.isLogChanged();
        floor = clockFloor.get();
        if (floor > clockFloor.persisted()) await tx.meta.raiseClockFloor(floor);
        return result;
      } finally {
        context.isOpen = false;
      }
    };
    const result = await storage.write(() => store.transaction(commit));
    clockFloor.notePersisted(floor);
    if (isLogChanged) writeHighWatermark();
    // Before listeners read the log: the keyrings must have the keys of the opened epoch.
    for (const then of after) await attempt(then);
    if (isLogChanged) for (const listener of listeners) queueMicrotask(listener);
    return result;
  }

  async function retryWhileClockAhead<T>(work: () => Promise<T>): Promise<T> {
    for (let waited: DurationMs = 0; ; waited += WAIT_STEP_MS) {
      try {
        requireOutside();
        issuerClock.requireComparison();
        return await work();
      } catch (error) {
        if (!(error instanceof RescindError && error.code === 'clock_ahead')) throw error;
        if (waited >= MAX_WAIT_MS) {
          throw new RescindError('clock_ahead', { retryAfter: RETRY_AFTER_SECONDS, cause: error });
        }
      }
      await new Promise((resolve) => setTimeout(resolve, WAIT_STEP_MS));
    }
  }

  return {
    run,
    runAndRetry: (work) => retryWhileClockAhead(() => run(work)),
    retryWhileClockAhead: retryWhileClockAhead,
    requireOutside,
    async persistTime(at) {
      if (at <= clockFloor.persisted()) return;
      requireOutside();
      clockFloor.set(at);
      await storage.write(() => store.transaction((tx) => tx.meta.raiseClockFloor(at)));
      clockFloor.notePersisted(at);
    },
    async probe() {
      if (storage.outage('high_water') !== null) writeHighWatermark();
      if (storage.outage('database') !== null) {
        await run(async (transaction) => {
          await transaction.store.meta.raiseClockFloor(transaction.now());
        });
      }
    },
    onAppend(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop() {
      stopped = true;
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
