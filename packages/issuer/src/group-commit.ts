import { storageFailureOf, storageUnavailable } from '@rescind/revocation';
import type { Store } from './store/store.ts';
import type { Transactions, Unit } from './transactions.ts';

/** Runs works that come at once in one transaction: one wait for the disk answers them all. */
export interface GroupCommit {
  /**
   * Resolves when what `work` wrote is durable. When it throws, nothing of it happened, and the others' stays.
   * @throws RescindError as `Transactions.run`
   */
  run<T>(work: (unit: Unit) => T): Promise<T>;
}

/** Some milliseconds of work: more at once would keep everybody else waiting for longer than the disk does. */
const MOST_AT_ONCE = 64;

type Settle = () => void;

interface Waiting {
  /** Does it, and says how to answer once it is durable. */
  perform(unit: Unit): Settle;
  fail(error: unknown): void;
}

/** @param whenIdle calls back when a transaction is worth its wait for the disk, in a turn of the event loop of its own */
export function createGroupCommit(
  store: Pick<Store, 'apart' | 'inTransaction'>,
  transactions: Pick<Transactions, 'run'>,
  whenIdle: (then: () => void) => void,
): GroupCommit {
  let waiting: Waiting[] = [];

  function flush(): void {
    const group = waiting.slice(0, MOST_AT_ONCE);
    waiting = waiting.slice(MOST_AT_ONCE);
    if (waiting.length > 0) whenIdle(flush);
    try {
      for (const settle of transactions.run((unit) => group.map((one) => one.perform(unit)))) settle();
    } catch (error) {
      for (const one of group) one.fail(error);
    }
  }

  return {
    run: (work) =>
      new Promise((resolve, reject) => {
        waiting.push({
          perform(unit) {
            try {
              const result = store.apart(() => work(unit));
              return () => resolve(result);
            } catch (error) {
              if (!store.inTransaction) throw error;
              return () => reject(storageFailureOf(error) === undefined ? error : storageUnavailable(error));
            }
          },
          fail: reject,
        });
        if (waiting.length === 1) whenIdle(flush);
      }),
  };
}
