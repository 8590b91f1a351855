import { createHash } from 'node:crypto';
import type { Issuer, TokenAnswer } from '@rescind/issuer';
import type { HostSql } from '@rescind/issuer-sqlite';

/** The table of the former login service, in the database that the issuer now opens: a hash of each refresh token that it issued. */
export const FORMER_TABLE = `CREATE TABLE former_refresh_tokens (
  hash TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  used INTEGER NOT NULL DEFAULT 0
) STRICT`;

export const hashOf = (refreshToken: string) => createHash('sha256').update(refreshToken).digest('hex');

/**
 * Exchanges a refresh token of the former login service for a session of the issuer, once: the token is used up in the transaction
 * that begins the session, so if the issuer refuses the session, such as that of a suspended user, the token is not used up.
 * @returns undefined for a token that is unknown, expired or used
 */
export function exchange(issuer: Issuer<HostSql>, refreshToken: string): Promise<TokenAnswer | undefined> {
  return issuer.transaction(async (tx) => {
    const row = tx.sql
      .prepare<[string, number], { user_id: string }>(
        'SELECT user_id FROM former_refresh_tokens WHERE hash = ? AND used = 0 AND expires_at > ?',
      )
      .get(hashOf(refreshToken), Date.now());
    if (row === undefined) return undefined;
    tx.sql.prepare('UPDATE former_refresh_tokens SET used = 1 WHERE hash = ?').run(hashOf(refreshToken));
    return tx.beginSession({ sub: row.user_id, clientId: 'web', audience: 'orders', credentialVersion: 1 });
  });
}
