import type { HostSql, MigrationSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { lookAlikeKeys } from './account.ts';

/** SQL, or what SQL cannot compute. */
type Migration = string | ((sql: MigrationSql) => void);

/** Each entry takes the tables from one version to the next, with their rows. A released entry is never changed. */
const MIGRATIONS: readonly Migration[] = [
  `
  CREATE TABLE accounts (
    sub TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    name_key TEXT NOT NULL UNIQUE,
    password TEXT NOT NULL,
    credential_version INTEGER NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT;
  `,
  // States, claims, second factors, links, known devices, notices. An account of an earlier version counts as having logged in, so its
  // next unknown device is reported.
  `
  ALTER TABLE accounts ADD COLUMN state TEXT NOT NULL DEFAULT 'active'
    CHECK (state IN ('active', 'suspended', 'banned', 'deleted'));
  ALTER TABLE accounts ADD COLUMN state_reason TEXT;
  ALTER TABLE accounts ADD COLUMN reset_reason TEXT;
  ALTER TABLE accounts ADD COLUMN scopes TEXT;
  ALTER TABLE accounts ADD COLUMN claims TEXT NOT NULL DEFAULT '{}';
  ALTER TABLE accounts ADD COLUMN last_login_at INTEGER;
  UPDATE accounts SET last_login_at = created_at;

  CREATE TABLE account_second_factors (
    sub TEXT PRIMARY KEY REFERENCES accounts (sub),
    secret BLOB NOT NULL,
    confirmed_at INTEGER,
    last_step INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE account_recovery_codes (
    sub TEXT NOT NULL REFERENCES accounts (sub),
    hash BLOB NOT NULL,
    PRIMARY KEY (sub, hash)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE account_links (
    hash BLOB PRIMARY KEY,
    sub TEXT NOT NULL REFERENCES accounts (sub),
    purpose TEXT NOT NULL CHECK (purpose IN ('password_reset', 'not_me')),
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX account_links_sub ON account_links (sub);
  CREATE INDEX account_links_expiry ON account_links (expires_at);

  CREATE TABLE account_devices (
    sub TEXT NOT NULL REFERENCES accounts (sub),
    fingerprint BLOB NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (sub, fingerprint)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE notices (
    id TEXT PRIMARY KEY,
    sub TEXT NOT NULL,
    type TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    dead_at INTEGER
  ) STRICT;
  CREATE INDEX notices_next ON notices (next_at) WHERE dead_at IS NULL;
  CREATE INDEX notices_sub ON notices (sub);
  `,
  // What "this was not me" goes back to. account_history has a state from before each change that a live link may undo;
  // account_links.position is where in it the link was issued. A link issued before this version restores the first state stored since.
  // account_recovery_codes.used_at: a used code differs from a wrong one.
  `
  CREATE TABLE account_history (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    sub TEXT NOT NULL REFERENCES accounts (sub),
    at INTEGER NOT NULL,
    sealed BLOB NOT NULL
  ) STRICT;
  CREATE INDEX account_history_sub ON account_history (sub, seq);
  CREATE TABLE account_history_codes (
    seq INTEGER NOT NULL REFERENCES account_history (seq),
    sub TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (seq, hash)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX account_history_codes_hash ON account_history_codes (sub, hash);

  ALTER TABLE account_links ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE account_links ADD COLUMN recovers INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE accounts ADD COLUMN erase_at INTEGER;
  CREATE INDEX accounts_erase ON accounts (erase_at) WHERE erase_at IS NOT NULL;
  ALTER TABLE account_recovery_codes ADD COLUMN used_at INTEGER;
  `,
  addNameKeys,
];

/** By what names look alike. An account from before this version keeps its name; no new account may have one that looks like it. */
function addNameKeys(sql: MigrationSql): void {
  sql.exec(`
    CREATE TABLE account_name_keys (
      key TEXT NOT NULL,
      sub TEXT NOT NULL REFERENCES accounts (sub),
      PRIMARY KEY (key, sub)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX account_name_keys_sub ON account_name_keys (sub);
  `);
  const insert = sql.prepare('INSERT OR IGNORE INTO account_name_keys (key, sub) VALUES (?, ?)');
  const accounts = sql.prepare<[], { sub: string; name: string }>(
    `SELECT sub, CASE username WHEN '' THEN name_key ELSE username END AS name FROM accounts
     WHERE state <> 'deleted' OR erase_at IS NOT NULL`,
  );
  for (const { sub, name } of accounts.all()) {
    for (const key of lookAlikeKeys(name)) insert.run(key, sub);
  }
}

/** Tables and columns that each version added: they identify the version of files from before `account_schema`. */
const SIGNS: readonly (readonly [table: string, column: string])[] = [
  ['accounts', 'sub'],
  ['accounts', 'state'],
  ['accounts', 'erase_at'],
  ['account_name_keys', 'key'],
];

/**
 * Creates the tables of accounts, or takes those of an earlier version to the present one, in one transaction.
 * Their version is in `account_schema`: the file's `user_version` is the host's.
 * @throws RescindError `database_newer`
 */
export function prepareAccountTables(sql: HostSql): void {
  const version = versionOf(sql);
  if (version > MIGRATIONS.length) {
    throw new RescindError('database_newer', {
      detail: `accounts of version ${version}, known is ${MIGRATIONS.length}`,
    });
  }
  if (isVersioned(sql) && version === MIGRATIONS.length) return;
  sql.migrate((writing) => {
    for (const migration of MIGRATIONS.slice(version)) {
      if (typeof migration === 'string') writing.exec(migration);
      else migration(writing);
    }
    writing.exec(`
      CREATE TABLE IF NOT EXISTS account_schema (version INTEGER NOT NULL) STRICT;
      DELETE FROM account_schema;
      INSERT INTO account_schema (version) VALUES (${MIGRATIONS.length});
    `);
  });
}

function versionOf(sql: HostSql): number {
  if (!isVersioned(sql)) return SIGNS.filter((sign) => hasColumn(sql, ...sign)).length;
  return sql.prepare<[], number>('SELECT version FROM account_schema').pluck().get() ?? 0;
}

const isVersioned = (sql: HostSql) => hasColumn(sql, 'account_schema', 'version');

function hasColumn(sql: HostSql, table: string, column: string): boolean {
  return sql.prepare('SELECT 1 FROM pragma_table_info(?) WHERE name = ?').get(table, column) !== undefined;
}

/** The length of one step of a one-time code (RFC 6238 section 5.2). */
const STEP_MS = 30_000;

/** By table; a file of an earlier version may have fewer of them. */
const TIMES: Readonly<Record<string, readonly string[]>> = {
  accounts: ['created_at', 'last_login_at'],
  account_second_factors: ['confirmed_at'],
  account_recovery_codes: ['used_at'],
  account_devices: ['seen_at'],
  account_history: ['at'],
  notices: ['created_at', 'next_at', 'dead_at'],
};

/**
 * Makes every time in the tables of accounts that is later than `at` that time, inside the transaction in which the issuer's clock
 * is set. The remaining life of a link stays the same, and one-time codes are accepted at once.
 */
export function lowerAccountTimes(sql: HostSql, at: EpochMillis): void {
  const columnsOf = (table: string) =>
    sql.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(table);
  for (const [table, columns] of Object.entries(TIMES)) {
    const known = columnsOf(table);
    for (const column of columns.filter((name) => known.includes(name))) {
      sql.prepare(`UPDATE ${table} SET ${column} = ? WHERE ${column} > ?`).run(at, at);
    }
  }
  if (columnsOf('account_links').length === 0) return;
  sql
    .prepare('UPDATE account_links SET expires_at = expires_at - (issued_at - ?), issued_at = ? WHERE issued_at > ?')
    .run(at, at, at);
  const step = Math.floor(at / STEP_MS);
  sql.prepare('UPDATE account_second_factors SET last_step = ? WHERE last_step > ?').run(step, step);
}
