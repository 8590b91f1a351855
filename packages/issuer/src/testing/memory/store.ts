import { AsyncLocalStorage } from 'node:async_hooks';
import { option, optionsOf } from '@rescind/revocation/options';
import type { Store, StoreProvider, StoreReads, StoreTransaction } from '../../store/store.ts';
import { TRANSACTION_OVER, watchTransaction } from '../../store/store.ts';
import { createCommittedLog } from './log.ts';
import type { Access, State } from './state.ts';
import { copyState, createState } from './state.ts';
import { createTables } from './tables.ts';

/** The host's own rows, by a key: inside a transaction its rows, elsewhere what is committed. Values are copied (`structuredClone`). */
export interface MemoryRows {
  /** A copy of the value of this key; undefined: there is none. */
  get(key: string): unknown;
  /** @throws Error outside of a transaction */
  set(key: string, value: unknown): void;
  /** Whether there was one. @throws Error outside of a transaction */
  delete(key: string): boolean;
  /** Every key that has a value. */
  keys(): string[];
}

/** The options of `memoryStore`. */
export interface MemoryStoreOptions {
  /** Is called at the begin, before each row that is written, and before the commit. What it throws fails that statement. Default: nothing. */
  readonly beforeStatement?: (() => void) | undefined;
}

/** A store of maps, which are kept for as long as this object is: an issuer that closes and opens again finds them. */
export interface MemoryStore extends StoreProvider<MemoryRows> {
  /** The host's rows. */
  readonly sql: MemoryRows;
}

const storeOptions = optionsOf<MemoryStoreOptions>('memoryStore', { beforeStatement: option.callable<() => void>() });

/** An open transaction: it works on a copy, which replaces the committed state. */
interface Open {
  isOpen: boolean;
  state: State;
  /** The first error of one of its methods. */
  failure: { readonly error: unknown } | undefined;
}

/**
 * Makes a store in memory, for tests: nothing is durable, and each transaction copies the maps.
 * @throws TypeError for an option that is unknown or of another type
 */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { beforeStatement = () => undefined } = storeOptions(options);
  const contexts = new AsyncLocalStorage<Open>();
  let committed = createState();
  let last: Promise<unknown> = Promise.resolve();
  let isOpen = false;

  const readCommitted = () => {
    if (!isOpen) throw new Error('the store is closed');
    return committed;
  };
  const openNow = () => {
    const open = contexts.getStore();
    return open?.isOpen === true ? open : undefined;
  };
  const sql = createHostRows({
    state: () => openNow()?.state ?? committed,
    draft() {
      const open = openNow();
      return open === undefined ? refuseWrite() : draftOf(open);
    },
  });

  function draftOf(open: Open): State {
    try {
      beforeStatement();
      return open.state;
    } catch (error) {
      open.failure ??= { error };
      throw error;
    }
  }

  async function attempt<T>(work: (tx: StoreTransaction<MemoryRows>) => Promise<T>): Promise<T> {
    beforeStatement();
    const open: Open = { isOpen: true, state: copyState(readCommitted()), failure: undefined };
    try {
      const result = await contexts.run(open, () => work(toTransaction(open)));
      if (open.failure !== undefined) throw open.failure.error;
      beforeStatement();
      committed = open.state;
      return result;
    } finally {
      open.isOpen = false;
    }
  }

  function toTransaction(open: Open): StoreTransaction<MemoryRows> {
    const watch = {
      isOpen: () => open.isOpen,
      failed(error: unknown) {
        open.failure ??= { error };
      },
    };
    const tx: StoreTransaction<MemoryRows> = {
      ...createTables({ state: () => open.state, draft: () => draftOf(open) }),
      sql,
      async savepoint(work) {
        if (!open.isOpen) throw new Error(TRANSACTION_OVER);
        const before = { state: copyState(open.state), failure: open.failure };
        try {
          return await work();
        } catch (error) {
          Object.assign(open, before);
          throw error;
        }
      },
    };
    return watchTransaction(tx, watch);
  }

  const store: Store<MemoryRows> = {
    read: { ...(createTables({ state: readCommitted, draft: refuseWrite }) satisfies StoreReads), sql },
    log: createCommittedLog(readCommitted),
    transaction(work) {
      if (openNow() !== undefined) return Promise.reject(new Error('a transaction of this store is open: use its tx'));
      const result = last.then(() => attempt(work));
      last = result.catch(() => undefined);
      return result;
    },
    maintain: () => undefined,
    overLimit: () => undefined,
    async close() {
      await last;
      isOpen = false;
    },
  };
  return {
    name: 'memoryStore',
    sql,
    async open() {
      if (isOpen) throw new Error('the store is open: each issuer needs a store of its own');
      isOpen = true;
      return store;
    },
  };
}

function refuseWrite(): never {
  throw new Error('rows are written inside a transaction');
}

function createHostRows({ state, draft }: Access): MemoryRows {
  return {
    get: (key) => structuredClone(state().hostRows.get(key)),
    set(key, value) {
      draft().hostRows.set(key, structuredClone(value));
    },
    delete: (key) => draft().hostRows.delete(key),
    keys: () => [...state().hostRows.keys()],
  };
}
