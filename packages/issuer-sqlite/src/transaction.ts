import { AsyncLocalStorage } from 'node:async_hooks';
import type { StoreTransaction } from '@rescind/issuer/store';
import { RescindError } from '@rescind/revocation';
import type Database from 'better-sqlite3';
import { isBusy } from './connection.ts';
import type { HostSql } from './host.ts';
import { createHostSql } from './host.ts';
import type { Tables } from './tables.ts';

/** The transactions of one connection, one after another. */
export interface TransactionQueue {
  run<T>(work: (tx: StoreTransaction<HostSql>) => Promise<T>): Promise<T>;
  /** The host's rows: in the transaction of the context that a statement is run in, or as they are committed. */
  readonly sql: HostSql;
  /** Resolves when no transaction is open or waits. */
  idle(): Promise<void>;
}

const OVER = 'the transaction is over: its work must not go on after it';

/** An open transaction, as the code that runs inside of it finds it. */
interface Open {
  isOpen: boolean;
  /** The first error of a statement of the host: the transaction is rolled back, whoever catches the error. */
  failure: { readonly error: unknown } | undefined;
}

interface QueueOptions {
  readonly writer: Database.Database;
  readonly reader: Database.Database;
  /** Over the writer. */
  readonly tables: Tables;
}

export function createTransactionQueue({ writer, reader, tables }: QueueOptions): TransactionQueue {
  const [begin, commit, rollback, savepoint, release, undo] = [
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
  /** A full disk rolls a transaction back by itself: what was written after it would be committed at once. */
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

  async function apart<T>(work: () => Promise<T>): Promise<T> {
    const open = openNow();
    if (open === undefined) throw new Error(OVER);
    const before = open.failure;
    savepoint.run();
    try {
      return await work();
    } catch (error) {
      if (writer.inTransaction) {
        undo.run();
        open.failure = before;
      } else {
        // A full disk undoes the whole transaction, and there is none to go on in.
        open.failure = { error };
        open.isOpen = false;
      }
      throw error;
    } finally {
      if (writer.inTransaction) release.run();
    }
  }

  async function attempt<T>(work: (tx: StoreTransaction<HostSql>) => Promise<T>): Promise<T> {
    const open: Open = { isOpen: true, failure: undefined };
    try {
      begin.run();
      const tx = new OpenTransaction(() => open.isOpen && isWriting(), tables, sql, apart);
      const result = await contexts.run(open, () => work(tx));
      if (open.failure !== undefined) throw open.failure.error;
      commit.run();
      return result;
    } catch (thrown) {
      // One that was rolled back by itself ended by its first error; what came after it was refused because of that.
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
      // Nobody waits most of the time: then it begins at once.
      const result = waiting === 0 ? attempt(work) : last.then(() => attempt(work));
      waiting += 1;
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

/** What the work of a transaction is given. Work that goes on after its end reaches nothing: another transaction may be open. */
class OpenTransaction implements StoreTransaction<HostSql> {
  readonly #isOpen: () => boolean;
  readonly #tables: Tables;
  readonly #sql: HostSql;
  readonly apart: StoreTransaction['apart'];

  constructor(isOpen: () => boolean, tables: Tables, sql: HostSql, apart: StoreTransaction['apart']) {
    this.#isOpen = isOpen;
    this.#tables = tables;
    this.#sql = sql;
    this.apart = apart;
  }

  #held(): Tables {
    if (this.#isOpen()) return this.#tables;
    throw new Error(OVER);
  }

  get meta() {
    return this.#held().meta;
  }

  get keys() {
    return this.#held().keys;
  }

  get sessions() {
    return this.#held().sessions;
  }

  get clients() {
    return this.#held().clients;
  }

  get revocations() {
    return this.#held().revocations;
  }

  get outbox() {
    return this.#held().outbox;
  }

  get lastWords() {
    return this.#held().lastWords;
  }

  get otherIssuers() {
    return this.#held().otherIssuers;
  }

  get storedTimes() {
    return this.#held().storedTimes;
  }

  get sql(): HostSql {
    this.#held();
    return this.#sql;
  }
}
