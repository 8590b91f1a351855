import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EventEncoder } from '@rescind/feed/event';
import type { DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { ClockFloor, IssuerClock } from '@rescind/revocation/issuer-clock';
import type { HighWatermark, HighWatermarkFile } from './keys/high-watermark.ts';
import type { ReadOnlyLatch, Storage } from './storage.ts';
import type { Store, StoreTransaction } from './store/store.ts';
import type { Transaction } from './transaction.ts';
import { createTransaction } from './transaction.ts';

/**
 * The floor of the issuer's clock, in memory. Each transaction stores it before the commit, so that a response with a time that
 * was read inside the transaction is sent after that time is durable. A rollback does not lower the floor in memory: a clock
 * that is ahead by a millisecond denies nothing wrongly.
 */
interface PersistedFloor extends ClockFloor {
  /** The stored floor. */
  persisted(): EpochMillis;
  /** The caller calls it after the commit that wrote the floor. */
  notePersisted(floor: EpochMillis): void;
}

/** @param floor the stored floor at the start */
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
  /** As `run`, and waits up to 5 s while a cut-off has to wait for the wall clock. @throws RescindError also `clock_ahead` */
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
  /** Retries a failed write, by a small one: so the issuer notices that the storage works again. */
  probe(): Promise<void>;
  /** From now on every call rejects with `stopping`. Resolves when the high-water mark of the last commit is written. */
  stop(): Promise<void>;
}

interface TransactionsOptions {
  readonly store: Store;
  readonly issuerClock: IssuerClock;
  readonly clockFloor: PersistedFloor;
  /** The encoder of the event key with this kid. @throws RescindError `keys_unavailable` when it is undefined, or its file is missing */
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
  /** The mark of the last commit, which is not written yet. */
  let unmarked: HighWatermark | undefined;
  /** Resolves when every mark until now is written. */
  let marking: Promise<void> = Promise.resolve();

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

  /** Names the new epoch in the high-water mark before the commit, so that a crash after the commit does not look like a restore. */
  function announceEpoch(epoch: string): void {
    const mark = highWatermark.read();
    const known = mark === undefined || mark === 'unreadable' ? { epoch: '', head: 0, id: null } : mark;
    highWatermark.write({ ...known, next: epoch });
  }

  /**
   * Writes the high-water mark before the response, so that a restored database is detected, whatever responses were sent. It is written in
   * the next turn of the event loop: what listeners publish leaves the process first, and commits of one turn share one write.
   */
  function writeHighWatermark(): Promise<void> {
    const identity = store.log.identity();
    if (identity === undefined) return marking;
    const { epoch, head, last: id } = identity;
    if (unmarked === undefined) marking = nextTurn().then(markNow);
    unmarked = { epoch, head, id };
    return marking;
  }

  function markNow(): void {
    const mark = unmarked;
    unmarked = undefined;
    // Does not throw: the revocation is durable, and the response must state that.
    if (mark !== undefined) storage.writeHighWatermark(() => highWatermark.write(mark));
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
      // Writes may have been refused while this transaction waited for earlier ones.
      requireWrites();
      const context = { isOpen: true };
      const transaction = createTransaction({ tx, issuerClock, encoderOf, announceEpoch, after, telemetry });
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
    const marked = isLogChanged ? writeHighWatermark() : undefined;
    // Before listeners read the log: the keyrings must have the keys of the opened epoch.
    for (const then of after) await attempt(then);
    if (isLogChanged) for (const listener of listeners) queueMicrotask(listener);
    await marked;
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
      if (storage.outage('high_water') !== null) await writeHighWatermark();
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
    async stop() {
      stopped = true;
      await marking;
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
