import { RescindError } from '@rescind/revocation';
import type Database from 'better-sqlite3';

/** A prepared statement over the host's rows. @typeParam P the values of its parameters @typeParam R a row */
export interface HostStatement<P extends unknown[] = unknown[], R = unknown> {
  /** The first row; undefined: there is none. */
  get(...values: P): R | undefined;
  /** Every row. */
  all(...values: P): R[];
  /** @throws Error outside of `issuer.transaction` */
  run(...values: P): { readonly changes: number; readonly lastInsertRowid: number | bigint };
  /** Returns the first column of each row instead of the row. */
  pluck(): HostStatement<P, R>;
}

/**
 * SQL for the host's own tables, in the issuer's file. Tables named `rescind_…` are the issuer's. Inside `issuer.transaction` a
 * statement belongs to that transaction, and commits with what the issuer writes there; everywhere else it reads what is committed.
 */
export interface HostSql {
  /** The statement is prepared when it is first run, once for each connection. */
  prepare<P extends unknown[] = unknown[], R = unknown>(text: string): HostStatement<P, R>;
  /** Runs statements without parameters. @throws Error outside of `issuer.transaction` */
  exec(script: string): void;
  /**
   * Runs `work`, which is synchronous, as one transaction of its own: for a host's library that keeps its tables by itself, before
   * anything reads them. @throws Error while a transaction is open
   */
  migrate(work: (sql: MigrationSql) => void): void;
  /** Reads or sets a PRAGMA of the connection that writes (https://sqlite.org/pragma.html). */
  pragma(text: string, options?: { readonly simple?: boolean }): unknown;
}

/** The argument of a migration function: SQL inside the transaction of the migration. */
export type MigrationSql = Pick<HostSql, 'prepare' | 'exec'>;

/** One step of the host's schema: SQL, or a function for what SQL cannot compute. */
export type HostMigration = string | ((sql: MigrationSql) => void);

/** Which connection the host's statements run on. */
interface HostConnections {
  readonly writer: Database.Database;
  /** The connection for a statement that runs now. */
  current(): Database.Database;
  /** @throws Error where nothing may be written now */
  requireWriter(): Database.Database;
}

/** @param failed is called with each error of a statement */
export function createHostSql(
  connections: HostConnections,
  failed: (error: unknown) => void = () => undefined,
): HostSql {
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      failed(error);
      throw error;
    }
  };

  function statement<P extends unknown[], R>(text: string, plucked: boolean): HostStatement<P, R> {
    const prepared = new Map<Database.Database, Database.Statement<P, R>>();
    const on = (database: Database.Database) => {
      const known = prepared.get(database);
      if (known !== undefined) return known;
      const statement = database.prepare<P, R>(text) as unknown as Database.Statement<P, R>;
      if (plucked) statement.pluck();
      prepared.set(database, statement);
      return statement;
    };
    return {
      get: (...values) => attempt(() => on(connections.current()).get(...values)),
      all: (...values) => attempt(() => on(connections.current()).all(...values)),
      run: (...values) => attempt(() => on(connections.requireWriter()).run(...values)),
      pluck: () => statement(text, true),
    };
  }

  return {
    prepare: (text) => statement(text, false),
    exec(script) {
      attempt(() => connections.requireWriter().exec(script));
    },
    migrate(work) {
      const { writer } = connections;
      if (writer.inTransaction)
        throw new Error('a transaction is open: migrations come before whatever uses the tables');
      const connection = () => writer;
      const sql = createHostSql({ writer, current: connection, requireWriter: connection });
      writer.transaction(() => work(sql)).immediate();
    },
    pragma: (text, options) => connections.writer.pragma(text, options),
  };
}

/**
 * Takes the host's tables to the latest version, in one transaction. Their version is the file's `user_version`.
 * @param migrations each takes the tables from one version to the next; never changed once released
 * @throws RescindError `database_newer`
 */
export function migrateHost(writer: Database.Database, migrations: readonly HostMigration[]): void {
  const connection = () => writer;
  const sql = createHostSql({ writer, current: connection, requireWriter: connection });
  const work = writer.transaction(() => {
    const version = Number(writer.pragma('user_version', { simple: true }));
    if (version > migrations.length) {
      throw new RescindError('database_newer', {
        detail: `the host's tables have version ${version}, known is ${migrations.length}`,
      });
    }
    for (const migration of migrations.slice(version)) {
      if (typeof migration === 'string') writer.exec(migration);
      else migration(sql);
    }
    if (version < migrations.length) writer.pragma(`user_version = ${migrations.length}`);
  });
  work.immediate();
}
