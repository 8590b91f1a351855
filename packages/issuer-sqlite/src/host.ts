import { RescindError } from '@rescind/revocation';
import type Database from 'better-sqlite3';

/** A prepared statement over the host's rows. @typeParam P the values of its parameters @typeParam R a row */
export interface HostStatement<P extends unknown[] = unknown[], R = unknown> {
  get(...values: P): R | undefined;
  all(...values: P): R[];
  iterate(...values: P): IterableIterator<R>;
  /** Inside `issuer.transaction` only. */
  run(...values: P): { readonly changes: number; readonly lastInsertRowid: number | bigint };
  /** Returns the first column of each row instead of the row. */
  pluck(): HostStatement<P, R>;
}

/**
 * SQL for the host's own tables, in the issuer's file. Tables named `rescind_…` are the issuer's. Reads may be made at any time;
 * writes belong inside `issuer.transaction` and commit with what the issuer writes there.
 */
export interface HostSql {
  prepare<P extends unknown[] = unknown[], R = unknown>(text: string): HostStatement<P, R>;
  /** Runs statements without parameters. */
  exec(script: string): unknown;
  /** Reads or sets a PRAGMA of the connection that writes (https://sqlite.org/pragma.html). */
  pragma(text: string, options?: { readonly simple?: boolean }): unknown;
}

/** One step of the host's schema: SQL, or a function for what SQL cannot compute. */
export type HostMigration = string | ((sql: HostSql) => void);

/**
 * Takes the host's tables to the latest version, in one transaction. Their version is the file's `user_version`.
 * @param migrations each takes the tables from one version to the next; never changed once released
 * @throws RescindError `database_newer`
 */
export function migrateHost(database: Database.Database, migrations: readonly HostMigration[]): void {
  const work = database.transaction(() => {
    const version = Number(database.pragma('user_version', { simple: true }));
    if (version > migrations.length) {
      throw new RescindError('database_newer', {
        detail: `the host's tables have version ${version}, known is ${migrations.length}`,
      });
    }
    for (const migration of migrations.slice(version)) {
      if (typeof migration === 'string') database.exec(migration);
      else migration(database as HostSql);
    }
    if (version < migrations.length) database.pragma(`user_version = ${migrations.length}`);
  });
  work.immediate();
}
