import { AsyncLocalStorage } from 'node:async_hooks';
import type { StoreTransaction } from '@rescind/issuer/store';
import { TRANSACTION_OVER, watchTransaction } from '@rescind/issuer/store';
import { RescindError } from '@rescind/revocation';
import type Database from 'better-sqlite3';
import { createClients } from './clients.ts';
import { isBusy } from './connection.ts';
import type { HostSql } from './host.ts';
import { createHostSql } from './host.ts';
import { createInstances } from './instances.ts';
import { createKeys } from './keys.ts';
import { createClosingEvents, createOutbox } from './log.ts';
import { createMeta, createStoredTimes } from './meta.ts';

import { createOtherIssuers, createRevocations } from './revocations.ts';
import { createSessions } from './sessions.ts';
import { createUserEvents } from './user-events.ts';

/** The transactions of one connection, one after another. */
interface TransactionQueue {
  run<T>(work: (tx: StoreTransaction<HostSql>) => Promise<T>): Promise<T>;
  /** The host's rows: in the transaction of the context that a statement is run in, or as they are committed. */
  readonly sql: HostSql;
  /** Resolves when no transaction is open or waits. */
  idle(): Promise<void>;
}

/** An open transaction, as the code that runs inside of it finds it. */
interface Open {
  isOpen: boolean;
  /** The first error of a method or a statement: the transaction is rolled back, also when its work catches the error. */
  failure: { readonly error: unknown } | undefined;
}

interface QueueOptions {
  readonly writer: Database.Database;
  readonly reader: Database.Database;
  /** The tables, by statements of `writer`. */
  readonly tables: Tables;
}

export function createTransactionQueue({ writer, reader, tables }: QueueOptions): TransactionQueue {
  const [begin, commit, rollback, beginSavepoint, releaseSavepoint, rollbackToSavepoint] = [
    ...['BEGIN IMMEDIATE', 'COMMIT', 'ROLLBACK'],
    ...['SAVEPOINT rescind_one', 'RELEASE rescind_one', 'ROLLBACK TO rescind_one'],
  ].map((text) => writer.prepare(text)) as [Statement, Statement, Statement, Statement, Statement, Statement];
  const contexts = new AsyncLocalStorage<Open>();
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;

  const openNow = () => {
    const open = contexts.getStore();
    return open?.isOpen === true ? open : undefined;
  };
  /** SQLite rolls a transaction back when the disk is full. Statements after that would be committed at once. */
  const isWriting = () => writer.inTransaction;
  const sql = createHostSql(
    {
      writer,
      current: () => (openNow() === undefined ? reader : writer),
      requireWriter() {
        if (openNow() !== undefined && isWriting()) return writer;
        throw new Error('rows of the host are written inside issuer.transaction');
      },
    },
    (error) => {
      const open = openNow();
      if (open !== undefined) open.failure ??= { error };
    },
  );

  async function savepoint<T>(work: () => Promise<T>): Promise<T> {
    const open = openNow();
    if (open === undefined) throw new Error(TRANSACTION_OVER);
    const before = open.failure;
    run(open, beginSavepoint);
    try {
      return await work();
    } catch (error) {
      if (writer.inTransaction) {
        run(open, rollbackToSavepoint);
        open.failure = before;
      } else {
        // A full disk rolls the transaction itself back, so it cannot continue.
        open.failure = { error };
        open.isOpen = false;
      }
      throw error;
    } finally {
      if (writer.inTransaction) run(open, releaseSavepoint);
    }
  }

  /** Runs a statement of a savepoint. If it fails the whole transaction is rolled back: what a commit would contain is unknown. */
  function run(open: Open, statement: Statement): void {
    try {
      statement.run();
    } catch (error) {
      open.failure ??= { error };
      throw error;
    }
  }

  const unwatched: StoreTransaction<HostSql> = { ...tables, sql, savepoint: savepoint };

  async function attempt<T>(work: (tx: StoreTransaction<HostSql>) => Promise<T>): Promise<T> {
    const open: Open = { isOpen: true, failure: undefined };
    try {
      // The former transaction is still open if its rollback failed.
      if (writer.inTransaction) rollback.run();
      begin.run();
      const watch = {
        isOpen: () => open.isOpen && isWriting(),
        failed(error: unknown) {
          open.failure ??= { error };
        },
      };
      const tx = watchTransaction(unwatched, watch);
      const result = await contexts.run(open, () => work(tx));
      if (open.failure !== undefined) throw open.failure.error;
      commit.run();
      return result;
    } catch (thrown) {
      // A transaction that SQLite rolled back ended with its first error, which caused the later ones.
      const error = writer.inTransaction ? thrown : (open.failure?.error ?? thrown);
      if (writer.inTransaction) rollback.run();
      throw isBusy(error) ? new RescindError('busy', { cause: error }) : error;
    } finally {
      open.isOpen = false;
    }
  }

  return {
    sql,
    run<T>(work: (tx: StoreTransaction<HostSql>) => Promise<T>): Promise<T> {
      if (openNow() !== undefined) return Promise.reject(new Error('a transaction of this store is open: use its tx'));
      waiting += 1;
      // Usually no other transaction waits: then this one begins at once.
      const result = waiting === 1 ? attempt(work) : last.then(() => attempt(work));
      last = result.then(leave, leave);
      return result;
    },
    async idle() {
      while (waiting > 0) await last;
    },
  };

  function leave(): void {
    waiting -= 1;
  }
}

type Statement = Database.Statement;

type Tables = Omit<StoreTransaction, 'sql' | 'savepoint'>;

/** Every table of the issuer, over one connection. */
export function createTables(database: Database.Database): Tables {
  return {
    meta: createMeta(database),
    keys: createKeys(database),
    sessions: createSessions(database),
    clients: createClients(database),
    revocations: createRevocations(database),
    outbox: createOutbox(database),
    closingEvents: createClosingEvents(database),
    otherIssuers: createOtherIssuers(database),
    storedTimes: createStoredTimes(database),
    instances: createInstances(database),
    userEvents: createUserEvents(database),
  };
}
