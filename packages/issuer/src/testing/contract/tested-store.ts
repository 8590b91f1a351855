import { RescindError } from '@rescind/revocation';
import type { Store, StoreTransaction } from '../../store/store.ts';
import { fill } from './samples.ts';

/** An injected failure. */
export interface InjectedFailure {
  /** Whether its statement was reached. */
  hasFailed(): boolean;
  /** No statement fails any more. */
  stop(): void;
}

/** A store under test, empty at first. Each case has its own. */
export interface TestedStore<Sql = unknown> {
  /** Opens the store. Called once. */
  open(): Promise<Store<Sql>>;
  /**
   * Opens the same data by another connection while the first is open. While the other writes, a transaction waits or rejects with
   * `busy`; it must not block this thread, in which the other connection continues. Absent: the store has no second connection.
   */
  openAnother?(): Promise<Store<Sql>>;
  /**
   * Makes one statement fail: the one with this number, counted from 0, of those that the store runs from now on. Begin, commit and each
   * row written are statements; reads may be. It fails before it has any effect.
   */
  failStatement(number: number): InjectedFailure;
  /** Writes a row of the host, through `tx.sql`. */
  writeHostRow(sql: Sql, value: string): void | Promise<void>;
  /** The rows of the host, through `tx.sql` or `store.read.sql`. */
  hostRows(sql: Sql): readonly string[] | Promise<readonly string[]>;
  /** Closes the connections that the case has left open, and removes the data. */
  remove(): void | Promise<void>;
}

/** Opens the store, and writes the samples into it. */
export async function openFilled<Sql>(tested: TestedStore<Sql>, given?: Operation['given']): Promise<Store<Sql>> {
  const store = await tested.open();
  await store.transaction(async (tx) => {
    await fill(tx);
    await given?.(tx);
  });
  return store;
}

interface Operation {
  given?(tx: StoreTransaction): Promise<void>;
}

/** Opens two connections; returns the same store twice where it has no second connection. */
export async function openTwo<Sql>(
  tested: TestedStore<Sql>,
  given?: Operation['given'],
): Promise<readonly Store<Sql>[]> {
  const first = await openFilled(tested, given);
  return [first, (await tested.openAnother?.()) ?? first];
}

/** Retries while the error is `busy` because another connection writes, as callers of the issuer do. */
export async function whenFree<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof RescindError && error.code === 'busy')) throw error;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The outcome of a call: its answer, or that it rejects. */
export type Outcome = { readonly answer: unknown } | { readonly error: unknown };

export async function outcomeOf(work: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { answer: await work() };
  } catch (error) {
    return { error };
  }
}
