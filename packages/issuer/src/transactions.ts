import { AsyncLocalStorage } from 'node:async_hooks';
import type { DurationMs, EpochMillis, IssuerClock, Revocation, Telemetry } from '@rescind/revocation';
import { aliveAt, isLeading, RescindError } from '@rescind/revocation';
import type { PersistedFloor } from './clock-floor.ts';
import type { RevocationRecord } from './issuer-revocations.ts';
import type { HighWaterFile } from './keys/high-water.ts';
import type { Appender, PlannedEvent, SignedEvent } from './log/appender.ts';
import { planEvent } from './log/appender.ts';
import type { WriteGate } from './log/write-gate.ts';
import type { Storage } from './storage.ts';
import type { Store, StoreTransaction } from './store/store.ts';

/** What the work of one transaction takes its times from, and writes the log with. */
export interface Unit {
  readonly store: StoreTransaction;
  /** The time of a token. @throws RescindError `clock_parted` */
  mintTime(): EpochMillis;
  /** T: one a transaction, unless a token was minted after it was taken. @throws RescindError `clock_ahead` */
  cutOffTime(): EpochMillis;
  /** The time of whatever denies nothing by it. */
  now(): EpochMillis;
  /** `isLeading` of the issuer's clock. */
  leads(): boolean;
  /** `aliveAt` of the issuer's clock. */
  aliveAt(): EpochMillis;
  /**
   * Plans an event: it is numbered, signed and inserted last before the commit. `epoch` and `seq` of what is returned are there
   * after that, and throw before.
   * @param signed for this very place, by the key of now
   */
  append(revocation: Revocation, signed?: SignedEvent): RevocationRecord;
  /** Numbers, signs and inserts what is planned: before the key that signs changes, and before the outbox is read. */
  flush(): Promise<void>;
  /** Begins the log anew: nothing of it is in the outbox, and the next event is the first of this epoch. */
  openEpoch(epoch: string): Promise<void>;
  /** When `work` rejects, nothing of it is left, and the rest of the transaction stays. */
  apart<T>(work: () => Promise<T>): Promise<T>;
  /** Runs when the transaction is durable. A failure of it is only logged. */
  afterCommit(work: () => void | Promise<void>): void;
}

export interface Transactions {
  /**
   * Runs one transaction, after those that were asked for before.
   * @throws RescindError `database_restored`, `stopping`, `busy`, `storage_unavailable`
   * @throws Error inside of another one, and for work that waits for anything but its transaction
   */
  run<T>(work: (unit: Unit) => Promise<T>): Promise<T>;
  /** The same, and while a cut-off has to wait for the wall clock it waits. @throws RescindError also `clock_ahead` */
  runInTime<T>(work: (unit: Unit) => Promise<T>): Promise<T>;
  /** Makes an attempt again, up to 5 s, while it throws `clock_ahead`. @throws what the last attempt throws */
  untilTime<T>(attempt: () => Promise<T>): Promise<T>;
  /** @throws Error inside of a transaction */
  requireOutside(): void;
  /**
   * Makes a time durable before it is told outside of a transaction, also while other writes are refused.
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
  readonly appender: Appender;
  readonly highWater: HighWaterFile;
  readonly gate: WriteGate;
  readonly storage: Storage;
  readonly telemetry: Telemetry;
}

/** Longer, and the caller's own caller has given up: better to say when to come again. */
const LONGEST_WAIT_MS: DurationMs = 5_000;
const WAIT_STEP_MS: DurationMs = 20;
const RETRY_AFTER_SECONDS = 5;
/** Everybody else who writes waits meanwhile. */
const LONGEST_TRANSACTION_MS: DurationMs = 1_000;

export function createTransactions(options: TransactionsOptions): Transactions {
  const { store, gate, highWater, storage, telemetry, issuerClock, clockFloor, appender } = options;
  const listeners = new Set<() => void>();
  const contexts = new AsyncLocalStorage<{ isOpen: boolean }>();
  let stopped = false;

  function requireOutside(): void {
    if (contexts.getStore()?.isOpen !== true) return;
    throw new Error('a transaction is open on this database: inside one, use what its work is called with');
  }

  function requireWrites(): void {
    if (stopped) throw new RescindError('stopping');
    gate.requireOpen();
  }

  /** Work that waits for something else holds up everybody: it is a mistake of the host, and is undone. */
  async function inTime<T>(work: () => Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      telemetry.log('error', 'transaction_too_long', { mostMs: LONGEST_TRANSACTION_MS });
      late.reject(
        new Error(
          `the work of a transaction waited for ${LONGEST_TRANSACTION_MS} ms: it must await its transaction alone`,
        ),
      );
    }, LONGEST_TRANSACTION_MS);
    try {
      return await Promise.race([work(), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Before the commit: a crash between that and the mark must not look like a database from another time. */
  function announceEpoch(epoch: string): void {
    const mark = highWater.read();
    const known = mark === undefined || mark === 'unreadable' ? { epoch: '', head: 0, id: null } : mark;
    highWater.write({ ...known, next: epoch });
  }

  /** Before the answer: a database restored to an earlier state must be found out, whatever was answered. */
  function markHighWater(): void {
    const identity = store.log.identity();
    if (identity === undefined) return;
    // Does not throw: the revocation itself is durable, and must be answered as such.
    storage.mark(() => highWater.write({ epoch: identity.epoch, head: identity.head, id: identity.last }));
  }

  /** What is left undone is done at the next start. */
  async function attempt(then: () => void | Promise<void>): Promise<void> {
    try {
      await then();
    } catch (error) {
      telemetry.log('error', 'after_commit_failed', { error: messageOf(error) });
    }
  }

  async function run<T>(work: (unit: Unit) => Promise<T>): Promise<T> {
    requireOutside();
    requireWrites();
    const after: (() => void | Promise<void>)[] = [];
    let isLogChanged = false;
    let floor = 0;
    const commit = async (tx: StoreTransaction): Promise<T> => {
      // It may have waited for others.
      requireWrites();
      const context = { isOpen: true };
      const unit = createUnit({ tx, issuerClock, appender, announceEpoch, after });
      try {
        const result = await contexts.run(context, () => inTime(() => work(unit)));
        await unit.flush();
        isLogChanged = unit.isLogChanged();
        floor = clockFloor.get();
        if (floor > clockFloor.persisted()) await tx.meta.raiseClockFloor(floor);
        return result;
      } finally {
        context.isOpen = false;
      }
    };
    const result = await storage.write(() => store.transaction(commit));
    clockFloor.notePersisted(floor);
    if (isLogChanged) markHighWater();
    // Before anybody is called who reads the log: the keys are those of the epoch that has been opened.
    for (const then of after) await attempt(then);
    if (isLogChanged) for (const listener of listeners) queueMicrotask(listener);
    return result;
  }

  async function untilTime<T>(work: () => Promise<T>): Promise<T> {
    for (let waited: DurationMs = 0; ; waited += WAIT_STEP_MS) {
      try {
        requireOutside();
        issuerClock.requireCompared();
        return await work();
      } catch (error) {
        if (!(error instanceof RescindError && error.code === 'clock_ahead')) throw error;
        if (waited >= LONGEST_WAIT_MS) {
          throw new RescindError('clock_ahead', { retryAfter: RETRY_AFTER_SECONDS, cause: error });
        }
      }
      await new Promise((resolve) => setTimeout(resolve, WAIT_STEP_MS));
    }
  }

  return {
    run,
    runInTime: (work) => untilTime(() => run(work)),
    untilTime,
    requireOutside,
    async persistTime(at) {
      if (at <= clockFloor.persisted()) return;
      requireOutside();
      clockFloor.set(at);
      await storage.write(() => store.transaction((tx) => tx.meta.raiseClockFloor(at)));
      clockFloor.notePersisted(at);
    },
    async probe() {
      if (storage.trouble('high_water') !== null) markHighWater();
      if (storage.trouble('database') !== null) {
        await run(async (unit) => {
          await unit.store.meta.raiseClockFloor(unit.now());
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

interface UnitOptions {
  readonly tx: StoreTransaction;
  readonly issuerClock: IssuerClock;
  readonly appender: Appender;
  announceEpoch(epoch: string): void;
  readonly after: (() => void | Promise<void>)[];
}

function createUnit({
  tx,
  issuerClock,
  appender,
  announceEpoch,
  after,
}: UnitOptions): Unit & { isLogChanged(): boolean } {
  let cutOff: EpochMillis | undefined;
  let isChanged = false;
  const planned: PlannedEvent[] = [];
  /** How many events were planned outside of the work that is run apart. */
  let plannedOutside = 0;

  async function flush(): Promise<void> {
    // They would be undone with that work.
    if (plannedOutside > 0) throw new Error('events planned before cannot be written by work that is run apart');
    if (planned.length > 0) await appender.append(tx, planned.splice(0));
  }

  return {
    store: tx,
    mintTime() {
      cutOff = undefined;
      return issuerClock.mint();
    },
    cutOffTime() {
      cutOff ??= issuerClock.cutOff();
      return cutOff;
    },
    now: () => issuerClock.now(),
    leads: () => isLeading(issuerClock),
    aliveAt: () => aliveAt(issuerClock),
    append(revocation, signed) {
      isChanged = true;
      const event = planEvent(revocation, issuerClock.now(), signed);
      planned.push(event);
      return event.record;
    },
    flush,
    async openEpoch(epoch) {
      await flush();
      isChanged = true;
      announceEpoch(epoch);
      await tx.meta.openEpoch(epoch);
      await tx.outbox.deleteOtherEpochs();
    },
    async apart(work) {
      const [events, hooks] = [planned.length, after.length];
      plannedOutside = events;
      try {
        return await tx.apart(work);
      } catch (error) {
        planned.length = Math.min(events, planned.length);
        after.length = hooks;
        throw error;
      } finally {
        plannedOutside = 0;
      }
    },
    afterCommit(work) {
      after.push(work);
    },
    isLogChanged: () => isChanged,
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
