import type { Store, StoreProvider } from '@rescind/issuer/store';
import type { Telemetry } from '@rescind/revocation';
import { registerErrors } from '@rescind/revocation/errors';
import { option, optionsOf, required } from '@rescind/revocation/options';
import { createWalLimit } from '@rescind/revocation/storage';
import type { Connection } from './connection.ts';
import { openConnection } from './connection.ts';
import type { HostMigration, HostSql } from './host.ts';
import { migrateHost } from './host.ts';
import { createCommittedLog } from './log.ts';
import { createTables, createTransactionQueue } from './transactions.ts';
import { createWalGrowth, WAL_MOST_BYTES } from './write-ahead-log.ts';

/** The options of `sqliteStore`. */
export interface SqliteStoreOptions {
  /** The SQLite file, made with mode 0600 where there is none. It needs a file system that keeps a write-ahead log. */
  readonly path: string;
  /**
   * The schema of the host's own tables in this file: each step takes them from one version (`user_version`) to the next, all of
   * them in one transaction when the store is opened. Default: `user_version` is left as it is.
   */
  readonly schema?: readonly HostMigration[] | undefined;
}

/** The store of an issuer in one SQLite file, for one process. */
export interface SqliteStore extends StoreProvider<HostSql> {
  /** The host's rows, while the issuer is open. @throws Error before `openIssuer` */
  readonly sql: HostSql;
}

const storeOptions = optionsOf<SqliteStoreOptions>('sqliteStore', {
  path: required(option.filePath('the path of a file', [':memory:'])),
  schema: option.list(migrationOption),
});

function migrationOption(value: unknown, path: string): HostMigration {
  return typeof value === 'function' ? (value as HostMigration) : option.text()(value, path);
}

/**
 * Makes the store that `openIssuer` and `restoreIssuer` open. Opens nothing itself.
 * @throws TypeError for an option that is missing, unknown or out of its range
 */
export function sqliteStore(options: SqliteStoreOptions): SqliteStore {
  const { path, schema } = storeOptions(options);
  let store: Store<HostSql> | undefined;
  let isOpen = false;
  return {
    name: `sqliteStore path ${path}`,
    get sql(): HostSql {
      if (store === undefined) throw new Error('the store is not open: openIssuer opens it');
      return store.read.sql;
    },
    async open(telemetry) {
      if (isOpen) throw new Error('the store is open: each issuer needs a store of its own');
      const connection = openConnection(path);
      try {
        if (schema !== undefined) migrateHost(connection.writer, schema);
        const opened = createStore(connection, telemetry);
        isOpen = true;
        store = {
          ...opened,
          async close() {
            isOpen = false;
            await opened.close();
          },
        };
        return store;
      } catch (error) {
        connection.close();
        throw error;
      }
    },
  };
}

function createStore({ writer, reader, close }: Connection, telemetry: Telemetry): Store<HostSql> {
  const wal = createWalLimit({
    database: writer,
    maxBytes: WAL_MOST_BYTES,
    gauge: 'rescind_database_wal_bytes',
    telemetry,
  });
  const growth = createWalGrowth(`${writer.name}-wal`);
  const queue = createTransactionQueue({ writer, reader, tables: createTables(writer) });
  return {
    read: { ...createTables(reader), sql: queue.sql },
    log: createCommittedLog(reader, writer),
    transaction: queue.run,
    maintain() {
      growth.grow();
      wal.enforce();
    },
    overLimit: wal.overLimit,
    async close() {
      await queue.idle();
      await growth.settled();
      close();
    },
  };
}

/** Codes of the database file, on opening it. */
const ERRORS = registerErrors('@rescind/issuer-sqlite', {
  database_damaged: { status: 500, message: 'The file is damaged, or not the database of an issuer' },
  database_locked: { status: 500, message: 'Another process is the writer of this database' },
  database_newer: { status: 500, message: 'The database was written by a newer version' },
});

type IssuerSqliteErrors = typeof ERRORS;

declare module '@rescind/revocation/errors' {
  interface ErrorTable extends IssuerSqliteErrors {}
}
