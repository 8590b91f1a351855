import type { OtherIssuers, Revocations } from '@rescind/issuer/store';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { mergeRows } from '@rescind/revocation/cut-off';
import type Database from 'better-sqlite3';

const COLUMNS = `iss, claim, value, issued_until AS issuedUntil, expires_at AS expiresAt, session_until AS sessionUntil, txn,
  reason, epoch, seq`;

export function createRevocations(database: Database.Database): Revocations {
  // Jumps from name to name along the primary key: its cost is the number of names, not of rows.
  const names = database
    .prepare<[string, string], string>(
      `WITH RECURSIVE names (claim) AS (
         SELECT MIN(claim) FROM rescind_revocations WHERE iss = ?
         UNION ALL
         SELECT (SELECT MIN(claim) FROM rescind_revocations WHERE iss = ? AND claim > names.claim) FROM names
         WHERE names.claim IS NOT NULL
       )
       SELECT claim FROM names WHERE claim IS NOT NULL`,
    )
    .pluck();
  const row = database.prepare<[string, string, string], CutOffRow>(
    `SELECT ${COLUMNS} FROM rescind_revocations WHERE iss = ? AND claim = ? AND value = ?`,
  );
  const put = database.prepare(
    `INSERT OR REPLACE INTO rescind_revocations
       (iss, claim, value, issued_until, expires_at, session_until, txn, reason, epoch, seq)
     VALUES (@iss, @claim, @value, @issuedUntil, @expiresAt, @sessionUntil, @txn, @reason, @epoch, @seq)`,
  );
  const prune = database.prepare('DELETE FROM rescind_revocations WHERE expires_at < ?');
  const find = (iss: string, claim: string, value: string) => row.get(iss, claim, value);

  return {
    async about(iss, values) {
      const known = names.all(iss, iss);
      const rows = known.flatMap((claim) => values(claim).map((value) => find(iss, claim, value)));
      return { names: known, rows: rows.filter((row) => row !== undefined) };
    },
    row: async (iss, claim, value) => find(iss, claim, value),
    async merge(cutoff) {
      const existing = find(cutoff.iss, cutoff.claim, cutoff.value);
      put.run(existing === undefined ? cutoff : mergeRows(existing, cutoff));
    },
    prune: async (before) => prune.run(before).changes,
  };
}

export function createOtherIssuers(database: Database.Database): OtherIssuers {
  const insert = database.prepare('INSERT OR IGNORE INTO rescind_other_issuers (iss) VALUES (?)');
  const all = database.prepare<[], string>('SELECT iss FROM rescind_other_issuers ORDER BY iss').pluck();
  return {
    async add(iss) {
      insert.run(iss);
    },
    all: async () => all.all(),
  };
}
