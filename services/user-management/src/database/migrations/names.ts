import type { HostSql } from '@rescind/issuer-sqlite';
import { lookAlikeKeys } from '../../accounts/names.ts';

/**
 * Version 5: by what names look alike. Accounts of before keep their names, whatever they look like; nobody else may have
 * one that looks like theirs from now on.
 */
export function names(sql: HostSql): void {
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
