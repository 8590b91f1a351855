import type { HostMigration, HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';

/**
 * What administrators did. Rows are only ever added: SQLite itself refuses to change or remove one. (A REPLACE would remove one
 * without firing a trigger for it, so a seq that is there cannot be given again.)
 */
const ADMINISTRATION = `
CREATE TABLE admin_audit (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  operation TEXT NOT NULL,
  targets TEXT NOT NULL,
  reason TEXT,
  why TEXT,
  result TEXT NOT NULL,
  request_id TEXT NOT NULL,
  details TEXT NOT NULL,
  hash TEXT NOT NULL
) STRICT;
CREATE INDEX admin_audit_who ON admin_audit (who, seq);
CREATE INDEX admin_audit_operation ON admin_audit (operation, seq);
CREATE TRIGGER admin_audit_keeps_rows BEFORE DELETE ON admin_audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER admin_audit_keeps_content BEFORE UPDATE ON admin_audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER admin_audit_replaces_nothing BEFORE INSERT ON admin_audit
WHEN EXISTS (SELECT 1 FROM admin_audit WHERE seq = NEW.seq)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
`;

/** What administrators register beside the configuration. Secrets are stored as SHA-256. */
const REGISTRATIONS = `
CREATE TABLE service_audiences (
  audience TEXT PRIMARY KEY,
  added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE feed_clients (
  client_id TEXT PRIMARY KEY,
  secret_hashes TEXT NOT NULL,
  added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE applied_clients (
  client_id TEXT PRIMARY KEY,
  bounds TEXT NOT NULL
) STRICT, WITHOUT ROWID;
`;

/** What versions 1, 2, 4 and 5 changed are tables of accounts, whose versions packages/accounts counts separately. */
const OF_ACCOUNTS = '-- packages/accounts';

/**
 * Each entry takes the tables of user-management itself from one version (`user_version` of the file) to the next; a released entry
 * is never changed. Version 7 is there for its number: releases before it would not see that accounts are newer.
 */
export const SCHEMA: readonly HostMigration[] = [
  ...[OF_ACCOUNTS, OF_ACCOUNTS, ADMINISTRATION, OF_ACCOUNTS, OF_ACCOUNTS, REGISTRATIONS],
  ...[OF_ACCOUNTS],
];

/**
 * Makes every time in these tables that is later than `at` that time, inside the transaction in which the issuer's clock is set. The
 * audit keeps what was written.
 */
export function lowerTimes(sql: HostSql, at: EpochMillis): void {
  for (const table of ['service_audiences', 'feed_clients']) {
    sql.prepare(`UPDATE ${table} SET added_at = ? WHERE added_at > ?`).run(at, at);
  }
}
