import { storageFailureOf, storageUnavailable } from '@rescind/revocation/storage';
import type { Transaction } from './transaction.ts';
import type { Transactions } from './transactions.ts';

/** Runs concurrent calls in one transaction, so that they share one sync of the disk. */
export interface GroupCommit {
  /**
   * Resolves when what `work` wrote is durable. When it rejects, nothing of it happened, and what other calls wrote remains.
   * @throws RescindError as `Transactions.run`
   */
  run<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
}

/** Some milliseconds of work: with more in one transaction, other writers would wait longer for it than for the disk. */
const MAX_WRITES_AT_ONCE = 64;

type Resolve = () => void;

interface QueuedWrite {
  /** Runs the write, and returns the function that resolves the promise of its caller after the commit. */
  perform(tx: Transaction): Promise<Resolve>;
  fail(error: unknown): void;
}

/** @param whenIdle calls back, in a separate turn of the event loop, when the next transaction should begin */
export function createGroupCommit(
  transactions: Pick<Transactions, 'run' | 'requireOutside'>,
  whenIdle: (then: () => void) => void,
): GroupCommit {
  let waiting: QueuedWrite[] = [];

  async function flush(): Promise<void> {
    const group = waiting.slice(0, MAX_WRITES_AT_ONCE);
    waiting = waiting.slice(MAX_WRITES_AT_ONCE);
    if (waiting.length > 0) whenIdle(flush);
    try {
      for (const resolve of await transactions.run((tx) => performAll(group, tx))) resolve();
    } catch (error) {
      for (const one of group) one.fail(error);
    }
  }

  /** Runs the writes one after another: each reads what the earlier ones have written. */
  async function performAll(group: readonly QueuedWrite[], tx: Transaction): Promise<Resolve[]> {
    const resolves: Resolve[] = [];
    for (const one of group) resolves.push(await one.perform(tx));
    return resolves;
  }

  return {
    run<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      transactions.requireOutside();
      waiting.push({
        async perform(tx) {
          try {
            const result = await tx.savepoint(() => work(tx));
            return () => resolve(result);
          } catch (error) {
            return () => reject(storageFailureOf(error) === undefined ? error : storageUnavailable(error));
          }
        },
        fail: reject,
      });
      if (waiting.length === 1) whenIdle(flush);
      return promise;
    },
  };
}
