import { createHash, randomBytes } from 'node:crypto';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';

/** What the holder of a one-time token may do, once. */
type OneTimeTokenPurpose = 'password_reset' | 'not_me';

export interface OneTimeToken {
  readonly hash: Buffer;
  readonly sub: string;
  readonly issuedAt: EpochMillis;
  /** Of `not_me`: where in the account's history it was issued. Of `password_reset`: that of the token by which it recovers. */
  readonly position: number;
  /** Of `password_reset`: whether it ends a recovery, so that it consumes earlier tokens too. */
  readonly recovers: boolean;
}

interface NewOneTimeToken {
  readonly sub: string;
  readonly purpose: OneTimeTokenPurpose;
  readonly at: EpochMillis;
  readonly expiresAt: EpochMillis;
  /** Default 0. */
  readonly position?: number;
  /** Default false. */
  readonly recovers?: boolean;
}

/** One-time tokens that an owner gets by a notice and presents: 256 random bits, stored as a hash. Writes are inside transactions. */
export interface OneTimeTokenRows {
  issue(oneTimeToken: NewOneTimeToken): string;
  /** The row of a valid token, which stays valid. */
  find(token: string, purpose: OneTimeTokenPurpose, now: EpochMillis): OneTimeToken | undefined;
  /** Returns the row and deletes it by one statement: of concurrent calls only one gets the row. */
  consume(token: string, purpose: OneTimeTokenPurpose, now: EpochMillis): OneTimeToken | undefined;
  /** The valid tokens of an account, in the order in which they were issued. */
  live(sub: string, purpose: OneTimeTokenPurpose, now: EpochMillis): readonly OneTimeToken[];
  /** Removes the tokens of an account, of one purpose or of all. */
  remove(sub: string, purpose?: OneTimeTokenPurpose): void;
  /** Removes the tokens of "not me" of the account with the same or a later position, except this one. */
  removeLater(oneTimeToken: Pick<OneTimeToken, 'sub' | 'position' | 'hash'>): void;
  /** Removes the tokens of "not me" from the position of a reset on that were issued before the reset. */
  removeRecovered(reset: Pick<OneTimeToken, 'sub' | 'position' | 'issuedAt'>): void;
  /** Removes expired tokens. */
  prune(now: EpochMillis): void;
}

const TOKEN_BYTES = 32;
/**
 * Tokens of one purpose that are stored for an account: this number of the oldest, and as many of the newest. An attacker who creates
 * many displaces those between, never the owner's oldest.
 */
const MAX_AT_EACH_END = 50;

interface Row extends Omit<OneTimeToken, 'recovers'> {
  readonly recovers: number;
}

const COLUMNS = 'hash, sub, issued_at AS issuedAt, position, recovers';
const IN_ORDER = 'ORDER BY position, issued_at, hash';

export function createOneTimeTokenRows(sql: HostSql): OneTimeTokenRows {
  const insert = sql.prepare(
    `INSERT INTO account_links (hash, sub, purpose, issued_at, expires_at, position, recovers)
     VALUES (@hash, @sub, @purpose, @at, @expiresAt, @position, @recovers)`,
  );
  const trim = sql.prepare(
    `DELETE FROM account_links WHERE hash IN (
       SELECT hash FROM account_links WHERE sub = @sub AND purpose = @purpose ${IN_ORDER}
       LIMIT max(0, (SELECT count(*) FROM account_links WHERE sub = @sub AND purpose = @purpose) - ${2 * MAX_AT_EACH_END})
       OFFSET ${MAX_AT_EACH_END})`,
  );
  const unexpired = 'hash = ? AND purpose = ? AND expires_at > ?';
  const find = sql.prepare<[Buffer, string, number], Row>(`SELECT ${COLUMNS} FROM account_links WHERE ${unexpired}`);
  const consume = sql.prepare<[Buffer, string, number], Row>(
    `DELETE FROM account_links WHERE ${unexpired} RETURNING ${COLUMNS}`,
  );
  const live = sql.prepare<[string, string, number], Row>(
    `SELECT ${COLUMNS} FROM account_links WHERE sub = ? AND purpose = ? AND expires_at > ? ${IN_ORDER}`,
  );
  const remove = sql.prepare('DELETE FROM account_links WHERE sub = @sub AND (@purpose IS NULL OR purpose = @purpose)');
  const later = `DELETE FROM account_links WHERE sub = ? AND purpose = 'not_me' AND position >= ?`;
  const removeLater = sql.prepare(`${later} AND hash <> ?`);
  const removeRecovered = sql.prepare(`${later} AND issued_at <= ?`);
  const prune = sql.prepare('DELETE FROM account_links WHERE expires_at <= ?');

  return {
    issue({ position = 0, recovers = false, ...oneTimeToken }) {
      const token = randomBytes(TOKEN_BYTES).toString('base64url');
      insert.run({ ...oneTimeToken, hash: hashOf(token), position, recovers: Number(recovers) });
      trim.run({ sub: oneTimeToken.sub, purpose: oneTimeToken.purpose });
      return token;
    },
    find: (token, purpose, now) => toOneTimeToken(find.get(hashOf(token), purpose, now)),
    consume: (token, purpose, now) => toOneTimeToken(consume.get(hashOf(token), purpose, now)),
    live: (sub, purpose, now) => live.all(sub, purpose, now).flatMap((row) => toOneTimeToken(row) ?? []),
    remove: (sub, purpose) => void remove.run({ sub, purpose: purpose ?? null }),
    removeLater: ({ sub, position, hash }) => void removeLater.run(sub, position, hash),
    removeRecovered: ({ sub, position, issuedAt }) => void removeRecovered.run(sub, position, issuedAt),
    prune: (now) => void prune.run(now),
  };
}

/** The order of `live`: below 0 where the first token was issued first. */
export function compareOneTimeTokens(one: OneTimeToken, other: OneTimeToken): number {
  return one.position - other.position || one.issuedAt - other.issuedAt || one.hash.compare(other.hash);
}

function toOneTimeToken(row: Row | undefined): OneTimeToken | undefined {
  return row && { ...row, recovers: row.recovers === 1 };
}

/** The token is random enough that a plain hash is no help in guessing it, and finds its row. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
