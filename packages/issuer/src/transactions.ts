import type { DurationMs, EpochMillis, IssuerClock, Telemetry } from '@rescind/revocation';
import { aliveAt, isLeading, RescindError } from '@rescind/revocation';
import type { RevocationRecord } from './issuer-revocations.ts';
import type { HighWaterFile } from './keys/high-water.ts';
import type { Appender, Revocation, SignedEvent } from './log/appender.ts';
import type { WriteGate } from './log/write-gate.ts';
import type { Storage } from './storage.ts';
import type { Store } from './store/store.ts';

/** What the work of one transaction takes its times from, and writes the log with. */
export interface Unit {
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
  /** @param signed for this very place, by the key of now */
  append(revocation: Revocation, signed?: SignedEvent): RevocationRecord;
  /** Begins the log anew: nothing of it is in the outbox, and the next event is the first of this epoch. */
  openEpoch(epoch: string): void;
  /** Runs when the transaction is durable. A failure of it is only logged. */
  afterCommit(work: () => void): void;
}

export interface Transactions {
  /** Runs one immediate transaction. @throws RescindError `database_restored`, `stopping`, `busy`, `storage_unavailable` */
  run<T>(work: (unit: Unit) => T): T;
  /** The same, and while a cut-off has to wait for the wall clock it waits. @throws RescindError also `clock_ahead` */
  runInTime<T>(work: (unit: Unit) => T): Promise<T>;
  onAppend(listener: () => void): () => void;
  /** Writes again what could not be written, however little it is: so that a storage that works again is noticed. */
  probe(): void;
  /** From now on: `stopping`. */
  stop(): void;
}

interface TransactionsOptions {
  readonly store: Store;
  readonly issuerClock: IssuerClock;
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

export function createTransactions(options: TransactionsOptions): Transactions {
  const { store, gate, highWater, storage, telemetry } = options;
  const { meta, outbox } = store;
  const listeners = new Set<() => void>();
  let stopped = false;

  function begin(changed: () => void, after: (() => void)[]): Unit {
    const { issuerClock, appender } = options;
    let cutOff: EpochMillis | undefined;
    return {
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
        changed();
        return appender.append(revocation, issuerClock.now(), signed);
      },
      openEpoch(epoch) {
        changed();
        announceEpoch(epoch);
        outbox.clear();
        meta.openEpoch(epoch);
      },
      afterCommit(work) {
        after.push(work);
      },
    };
  }

  /** Before the commit: a crash between that and the mark must not look like a database from another time. */
  function announceEpoch(epoch: string): void {
    const mark = highWater.read();
    const known = mark === undefined || mark === 'unreadable' ? { epoch: '', head: 0, id: null } : mark;
    highWater.write({ ...known, next: epoch });
  }

  /** Before the answer: a database restored to an earlier state must be found out, whatever was answered. */
  function markHighWater(): void {
    const identity = meta.identity();
    if (identity === undefined) return;
    // Does not throw: the revocation itself is durable, and must be answered as such.
    storage.mark(() => highWater.write({ epoch: identity.epoch, head: identity.head, id: identity.last }));
  }

  /** What is left undone is done at the next start. */
  function attempt(then: () => void): void {
    try {
      then();
    } catch (error) {
      telemetry.log('error', 'after_commit_failed', { error: messageOf(error) });
    }
  }

  function run<T>(work: (unit: Unit) => T): T {
    if (stopped) throw new RescindError('stopping');
    gate.requireOpen();
    if (store.inTransaction) {
      throw new Error('a transaction is open on this database: inside one, use what its work is called with');
    }
    let isLogChanged = false;
    const after: (() => void)[] = [];
    const unit = begin(() => {
      isLogChanged = true;
    }, after);
    const result = storage.write(() => store.transaction(() => work(unit)));
    if (isLogChanged) {
      markHighWater();
      for (const listener of listeners) queueMicrotask(listener);
    }
    for (const then of after) attempt(then);
    return result;
  }

  return {
    run,
    async runInTime(work) {
      for (let waited: DurationMs = 0; ; waited += WAIT_STEP_MS) {
        try {
          return run(work);
        } catch (error) {
          if (!(error instanceof RescindError && error.code === 'clock_ahead')) throw error;
          if (waited >= LONGEST_WAIT_MS) {
            throw new RescindError('clock_ahead', { retryAfter: RETRY_AFTER_SECONDS, cause: error });
          }
        }
        await new Promise((resolve) => setTimeout(resolve, WAIT_STEP_MS));
      }
    },
    probe() {
      if (storage.trouble('high_water') !== null) markHighWater();
      if (storage.trouble('database') !== null) run((unit) => meta.clockFloor.set(unit.now()));
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
