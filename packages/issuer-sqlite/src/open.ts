import type { Store, StoreProvider } from '@rescind/issuer/store';
import type { Telemetry } from '@rescind/revocation';
import { createWalBound } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type Database from 'better-sqlite3';
import type { Connection } from './connection.ts';
import { immediately, openConnection, WAL_MOST_BYTES } from './connection.ts';
import type { HostMigration, HostSql } from './host.ts';
import { migrateHost } from './host.ts';
import { createTables } from './tables.ts';

export interface SqliteStoreOptions {
  /** The SQLite file, made with mode 0600 where there is none. It needs a file system that keeps a write-ahead log. */
  readonly path: string;
  /**
   * The schema of the host's own tables in this file: each step takes them from one version (`user_version`) to the next, all of
   * them in one transaction when the store is opened. Default: `user_version` is left as it is.
   */
  readonly schema?: readonly HostMigration[];
}

/** The store of an issuer in one SQLite file, for one process. */
export interface SqliteStore extends StoreProvider {
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
export function sqliteStore(given: SqliteStoreOptions): SqliteStore {
  const { path, schema } = storeOptions(given);
  let connection: Connection | undefined;
  return {
    name: `sqliteStore path ${path}`,
    get sql(): HostSql {
      if (connection === undefined) throw new Error('the store is not open: openIssuer opens it');
      return connection.database as HostSql;
    },
    open(telemetry) {
      if (connection?.database.open === true)
        throw new Error('the store is open: each issuer needs a store of its own');
      connection = openConnection(path);
      try {
        if (schema !== undefined) migrateHost(connection.database, schema);
        return createStore(connection, telemetry);
      } catch (error) {
        connection.close();
        throw error;
      }
    },
  };
}

function createStore({ database, close }: Connection, telemetry: Telemetry): Store {
  const wal = createWalBound({ database, mostBytes: WAL_MOST_BYTES, gauge: 'rescind_database_wal_bytes', telemetry });
  type Statement = Database.Statement;
  const [begin, keep, undo] = ['SAVEPOINT', 'RELEASE', 'ROLLBACK TO'].map((words) =>
    database.prepare(`${words} rescind_one`),
  ) as [Statement, Statement, Statement];

  return {
    ...createTables(database),
    transaction: (work) => immediately(database, work),
    get inTransaction() {
      return database.inTransaction;
    },
    apart(work) {
      begin.run();
      try {
        return work();
      } catch (error) {
        // A full disk undoes the whole transaction, and there is none to go on in.
        if (database.inTransaction) undo.run();
        throw error;
      } finally {
        if (database.inTransaction) keep.run();
      }
    },
    maintain: wal.keep,
    excess: wal.excess,
    close,
  };
}
