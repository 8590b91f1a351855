import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Store } from '@rescind/issuer/store';
import type { TestedStore } from '@rescind/issuer/testing/store-contract';
import type { HostSql } from '@rescind/issuer-sqlite';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { silentTelemetry } from '@rescind/revocation';
import Database from 'better-sqlite3';
import { temporaryDirectory } from '../../../support/directory.ts';

/** A store in an SQLite file, for the contract of stores. */
export function testedSqliteStore(): TestedStore<HostSql> {
  const path = join(temporaryDirectory(), 'store.db');
  const open: Store<HostSql>[] = [];

  async function connect(): Promise<Store<HostSql>> {
    const schema = ['CREATE TABLE host_rows (value TEXT PRIMARY KEY)'];
    const store = await sqliteStore({ path, schema }).open(silentTelemetry);
    // Both connections are in this thread: one that waits would keep the other from its commit.
    store.read.sql.pragma('busy_timeout = 0');
    // Durability over a power cut is tested elsewhere.
    store.read.sql.pragma('synchronous = OFF');
    open.push(store);
    return store;
  }

  return {
    open: connect,
    async openAnother() {
      // The lock refuses a second process. Without it, the transactions of the database order the writes.
      rmSync(`${path}.lock`);
      return connect();
    },
    failStatement,
    writeHostRow: (sql, value) => void sql.prepare('INSERT INTO host_rows (value) VALUES (?)').run(value),
    hostRows: (sql) => sql.prepare<[], string>('SELECT value FROM host_rows').pluck().all(),
    async remove() {
      for (const store of open) await store.close();
    },
  };
}

const METHODS = ['run', 'get', 'all'] as const;
type Methods = Record<(typeof METHODS)[number], (...values: unknown[]) => unknown>;

/** Every statement of every connection is run by one of these methods. */
function prototypeOfStatements(): Methods {
  const database = new Database(':memory:');
  const prototype = Object.getPrototypeOf(database.prepare('SELECT 1'));
  database.close();
  return prototype;
}

function failStatement(number: number) {
  const prototype = prototypeOfStatements();
  const kept = METHODS.map((name) => [name, prototype[name]] as const);
  let left = number;
  let hasFailed = false;
  for (const [name, method] of kept) {
    prototype[name] = function (this: unknown, ...values) {
      left -= 1;
      if (left >= 0 || hasFailed) return method.apply(this, values);
      hasFailed = true;
      throw new Database.SqliteError('injected', 'SQLITE_IOERR_WRITE');
    };
  }
  return {
    hasFailed: () => hasFailed,
    stop() {
      for (const [name, method] of kept) prototype[name] = method;
    },
  };
}
