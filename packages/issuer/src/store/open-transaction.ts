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
 * The same tables, for the work of one transaction: their methods reject after the end of that transaction, when another one may be
 * open, and each of their errors is reported. For whoever writes a store.
 */
export function watchTables<T extends object>(tables: T, watch: TransactionWatch): T {
  return Object.fromEntries(Object.entries(tables).map(([name, table]) => [name, watchTable(table, watch)])) as T;
}

function watchTable(table: object, { isOpen, failed }: TransactionWatch): object {
  return new Proxy(table, {
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
  });
}
