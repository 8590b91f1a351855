import { storageFailureOf, storageUnavailable } from '@rescind/revocation';
import type { Transactions, Unit } from './transactions.ts';

/** Runs works that come at once in one transaction: one wait for the disk answers them all. */
export interface GroupCommit {
  /**
   * Resolves when what `work` wrote is durable. When it rejects, nothing of it happened, and the others' stays.
   * @throws RescindError as `Transactions.run`
   */
  run<T>(work: (unit: Unit) => Promise<T>): Promise<T>;
}

/** Some milliseconds of work: more at once would keep everybody else waiting for longer than the disk does. */
const MOST_AT_ONCE = 64;

type Settle = () => void;

interface Waiting {
  /** Does it, and says how to answer once it is durable. */
  perform(unit: Unit): Promise<Settle>;
  fail(error: unknown): void;
}

/** @param whenIdle calls back when a transaction is worth its wait for the disk, in a turn of the event loop of its own */
export function createGroupCommit(
  transactions: Pick<Transactions, 'run' | 'requireOutside'>,
  whenIdle: (then: () => void) => void,
): GroupCommit {
  let waiting: Waiting[] = [];

  async function flush(): Promise<void> {
    const group = waiting.slice(0, MOST_AT_ONCE);
    waiting = waiting.slice(MOST_AT_ONCE);
    if (waiting.length > 0) whenIdle(flush);
    try {
      for (const settle of await transactions.run((unit) => performAll(group, unit))) settle();
    } catch (error) {
      for (const one of group) one.fail(error);
    }
  }

  /** One after another: each sees what those before it have written. */
  async function performAll(group: readonly Waiting[], unit: Unit): Promise<Settle[]> {
    const settles: Settle[] = [];
    for (const one of group) settles.push(await one.perform(unit));
    return settles;
  }

  return {
    run<T>(work: (unit: Unit) => Promise<T>): Promise<T> {
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      transactions.requireOutside();
      waiting.push({
        async perform(unit) {
          try {
            const result = await unit.apart(() => work(unit));
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
