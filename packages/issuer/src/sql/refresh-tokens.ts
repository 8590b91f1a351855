import type { EpochMillis } from '@rescind/revocation';
import type Database from 'better-sqlite3';

/** A refresh token as it is kept: nothing here can be presented. */
export interface RefreshTokenRow {
  readonly selector: string;
  /** SHA-256 of the verifier. */
  readonly verifierHash: Buffer;
  readonly sid: string;
  readonly idleExpiresAt: EpochMillis;
  readonly usedAt: EpochMillis | null;
  /** The selector of the token it was exchanged for. */
  readonly successor: string | null;
  /** That token, sealed under a key that only this one's holder can derive; null once the successor was used. */
  readonly sealed: Buffer | null;
}

type NewRefreshToken = Pick<RefreshTokenRow, 'selector' | 'verifierHash' | 'sid' | 'idleExpiresAt'>;

export interface RefreshTokens {
  insert(token: NewRefreshToken): void;
  find(selector: string): RefreshTokenRow | undefined;
  /** The one write that decides who rotates: false when somebody else was first. */
  use(selector: string, at: EpochMillis, successor: string, sealed: Buffer | null): boolean;
  /** The successor has been used: what was sealed for a lost answer goes. */
  wipe(successor: string): void;
  /** Wipes what was sealed for longer than the grace. */
  wipeUsedBefore(before: EpochMillis): number;
}

export function createRefreshTokens(database: Database.Database): RefreshTokens {
  const insert = database.prepare(
    `INSERT INTO rescind_refresh_tokens (selector, verifier_hash, sid, idle_expires_at)
     VALUES (@selector, @verifierHash, @sid, @idleExpiresAt)`,
  );
  const find = database.prepare<[string], RefreshTokenRow>(
    `SELECT selector, verifier_hash AS verifierHash, sid, idle_expires_at AS idleExpiresAt, used_at AS usedAt, successor,
       sealed
     FROM rescind_refresh_tokens WHERE selector = ?`,
  );
  const use = database.prepare(
    `UPDATE rescind_refresh_tokens SET used_at = @at, successor = @successor, sealed = @sealed
     WHERE selector = @selector AND used_at IS NULL`,
  );
  const wipe = database.prepare('UPDATE rescind_refresh_tokens SET sealed = NULL WHERE successor = ?');
  const wipeUsedBefore = database.prepare(
    'UPDATE rescind_refresh_tokens SET sealed = NULL WHERE sealed IS NOT NULL AND used_at < ?',
  );
  return {
    insert(token) {
      insert.run(token);
    },
    find: (selector) => find.get(selector),
    use: (selector, at, successor, sealed) => use.run({ selector, at, successor, sealed }).changes === 1,
    wipe(successor) {
      wipe.run(successor);
    },
    wipeUsedBefore: (before) => wipeUsedBefore.run(before).changes,
  };
}
