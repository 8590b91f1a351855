import type { Store, StoreTransaction } from '@rescind/issuer/store';
import type { MemoryRows } from '@rescind/issuer/testing';
import type { TestedStore } from '@rescind/issuer/testing/store-contract';
import { storeContract } from '@rescind/issuer/testing/store-contract';
import { expect, test } from 'vitest';
import { testedMemoryStore } from './tested-memory-store.ts';

type Tx = StoreTransaction<MemoryRows>;
type Bend = (store: Store<MemoryRows>) => Partial<Store<MemoryRows>>;

/** A store whose transactions get other tables. */
const bendTables =
  (tables: (tx: Tx) => Partial<Tx>): Bend =>
  (store) => ({ transaction: (work) => store.transaction((tx) => work({ ...tx, ...tables(tx) })) });

/** A fault of a store, and the case that finds it. */
const MUTANTS: Readonly<Record<string, readonly [bend: Bend, found: string]>> = {
  'writes whole rows back': [
    bendTables(({ sessions }) => ({
      sessions: {
        ...sessions,
        async rename(sid, deviceName) {
          await sessions.rename(sid, deviceName);
          await sessions.setCredentialVersion(sid, 0);
        },
      },
    })),
    'sessions.rename writes what it says and nothing else, and no other reads see it before the commit',
  ],
  'takes an assertion by a read and a write of another transaction': [
    bendTables(({ clients }) => ({ clients: { ...clients, takeAssertion: async () => true } })),
    'clients.takeAssertion has one order when it comes from two connections at once',
  ],
  'rotates for a session that has ended': [
    bendTables(({ sessions }) => ({
      sessions: { ...sessions, rotate: async (minted) => sessions.mint(minted).then(() => true) },
    })),
    'a token minted before a cut-off is cut off by it, and one minted after is not',
  ],
  'lowers the floor of the clock': [
    bendTables(({ meta }) => ({ meta: { ...meta, raiseClockFloor: meta.setClock } })),
    'meta.raiseClockFloor to an earlier time writes what it says and nothing else, and no other reads see it before the commit',
  ],
  'forgets the last minting of a transaction that comes at once': [
    bendTables(({ meta }) => ({ meta: { ...meta, raiseClockFloor: async () => undefined } })),
    'a token minted before a cut-off is cut off by it, and one minted after is not',
  ],
  'commits although its work rejects': [
    (store) => ({
      async transaction(work) {
        let thrown: { error: unknown } | undefined;
        const result = await store.transaction(async (tx) => {
          try {
            return await work(tx);
          } catch (error) {
            thrown = { error };
            return undefined;
          }
        });
        if (thrown !== undefined) throw thrown.error;
        return result as Awaited<ReturnType<typeof work>>;
      },
    }),
    'sessions.insert leaves nothing of a transaction, or of a savepoint, that rejects',
  ],
  'leaves what a rejected savepoint has written': [
    bendTables(() => ({ savepoint: (work) => work() })),
    'sessions.insert leaves nothing of a transaction, or of a savepoint, that rejects',
  ],
  'runs a transaction inside of another': [
    (store) => {
      let open: Tx | undefined;
      return {
        transaction: (work) =>
          open === undefined
            ? store.transaction(async (tx) => {
                open = tx;
                try {
                  return await work(tx);
                } finally {
                  open = undefined;
                }
              })
            : work(open),
      };
    },
    'a transaction inside of another is refused, and the outer one goes on',
  ],
  'reads what is not committed': [
    (store) => {
      let open: Tx | undefined;
      const read = new Proxy(store.read, { get: (committed, name) => Reflect.get(open ?? committed, name) });
      return {
        read,
        transaction: (work) =>
          store.transaction(async (tx) => {
            open = tx;
            try {
              return await work(tx);
            } finally {
              open = undefined;
            }
          }),
      };
    },
    'sessions.insert writes what it says and nothing else, and no other reads see it before the commit',
  ],
  'clears the outbox of an epoch that was written ahead': [
    bendTables(({ meta, outbox }) => ({
      meta: {
        ...meta,
        async openEpoch(epoch) {
          await outbox.deleteOtherEpochs();
          await meta.openEpoch(epoch);
        },
      },
    })),
    'meta.openEpoch that was written ahead writes what it says and nothing else, and no other reads see it before the commit',
  ],
};

test.each(Object.entries(MUTANTS))('a store that %s fails the contract', async (_, [bend, found]) => {
  const bentStore = (): TestedStore<MemoryRows> => {
    const tested = testedMemoryStore();
    return {
      ...tested,
      async open() {
        const store = await tested.open();
        return { ...store, ...bend(store) };
      },
    };
  };
  const find = (cases: ReturnType<typeof storeContract>) => cases.find(({ name }) => name === found);
  await expect(find(storeContract(testedMemoryStore))?.run()).resolves.toBeUndefined();
  await expect(find(storeContract(bentStore))?.run()).rejects.toThrow();
});
