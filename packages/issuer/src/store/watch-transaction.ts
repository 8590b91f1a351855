import type { StoreTransaction } from './store.ts';

/** How far an open transaction is, for the methods of its tables. */
export interface TransactionWatch {
  /** False from its end on, however it ended. */
  isOpen(): boolean;
  /** Is called with each error of a method. */
  failed(error: unknown): void;
}

/** What a call after the end of a transaction is refused with. */
export const TRANSACTION_OVER = 'the transaction is over: its work must not go on after it';

/**
 * The same transaction as its work is given it: the methods of its tables reject after its end, when another one may be open, and each
 * of their errors is reported. `sql` and `apart` stay as they are. For whoever writes a store.
 */
export function watchTransaction<Sql>(
  tx: StoreTransaction<Sql>,
  { isOpen, failed }: TransactionWatch,
): StoreTransaction<Sql> {
  const ofTable: ProxyHandler<object> = {
    get(methods, name) {
      const method: unknown = Reflect.get(methods, name);
      if (typeof method !== 'function') return method;
      return (...given: unknown[]) => {
        if (!isOpen()) return Promise.reject(new Error(TRANSACTION_OVER));
        const result: Promise<unknown> = method(...given);
        result.catch(failed);
        return result;
      };
    },
  };
  // On the path of each refresh, which uses two or three of the tables: nothing is made for the others.
  return new Proxy(tx, {
    get(tables, name) {
      const table: unknown = Reflect.get(tables, name);
      const isTable = typeof table === 'object' && table !== null && name !== 'sql';
      return isTable ? new Proxy(table, ofTable) : table;
    },
  });
}
