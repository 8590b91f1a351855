import type { SessionClaim, StoredTimes } from '@rescind/issuer/store';
import { UNBOUNDED } from '@rescind/revocation';
import type Database from 'better-sqlite3';

/** Times that a clock which was ahead has left in the tables. */
export function createStoredTimes(database: Database.Database): StoredTimes {
  const softBeyond = database.prepare<[string, number], { claim: SessionClaim; value: string }>(
    `SELECT claim, value FROM rescind_revocations
     WHERE iss = ? AND issued_until > ? AND issued_until < ${UNBOUNDED} AND session_until < issued_until
       AND claim IN ('sid', 'sub', 'client_id', 'iss')`,
  );
  const statements = [
    // A deadline that never comes stays.
    `UPDATE rescind_sessions SET
       absolute_expires_at = CASE WHEN absolute_expires_at < ${UNBOUNDED}
         THEN absolute_expires_at - MAX(0, created_at - @at) ELSE absolute_expires_at END,
       idle_expires_at = CASE WHEN idle_expires_at < ${UNBOUNDED}
         THEN idle_expires_at - MAX(0, last_used_at - @at) ELSE idle_expires_at END,
       created_at = MIN(created_at, @at), auth_time = MIN(auth_time, @at), last_used_at = MIN(last_used_at, @at),
       ended_at = MIN(ended_at, @at), greatest_exp = MIN(greatest_exp, @at), newest_exp = MIN(newest_exp, @at),
       sealed = CASE WHEN rotated_at <= @at THEN sealed END,
       rotated_at = CASE WHEN rotated_at <= @at THEN rotated_at END,
       renewed_at = CASE WHEN renewed_at <= @at THEN renewed_at END`,
    `UPDATE rescind_keys SET created_at = MIN(created_at, @at), activated_at = MIN(activated_at, @at),
       retires_at = MIN(retires_at, @eventKeysUntil)`,
    `UPDATE rescind_revocations SET
       issued_until = CASE WHEN issued_until < ${UNBOUNDED} THEN MIN(issued_until, @at) ELSE issued_until END,
       session_until = CASE WHEN session_until < ${UNBOUNDED} THEN MIN(session_until, @at) ELSE session_until END`,
    'UPDATE rescind_meta SET greatest_exp = MIN(greatest_exp, @at)',
  ].map((sql) => database.prepare(sql));

  return {
    softBeyond: async (iss, at) => softBeyond.all(iss, at),
    async lower(at, eventKeysUntil) {
      for (const statement of statements) statement.run({ at, eventKeysUntil });
    },
  };
}
