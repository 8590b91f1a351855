import { createHash, randomBytes } from 'node:crypto';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';

/** What the holder of a link's token may do, once. */
type LinkPurpose = 'password_reset' | 'not_me';

export interface Link {
  readonly hash: Buffer;
  readonly sub: string;
  readonly issuedAt: EpochMillis;
  /** Of `not_me`: where in the account's history it was issued. Of `password_reset`: the same of the link it recovers by. */
  readonly position: number;
  /** Of `password_reset`: whether it ends a recovery, so that links of before are spent with it. */
  readonly recovers: boolean;
}

interface NewLink {
  readonly sub: string;
  readonly purpose: LinkPurpose;
  readonly at: EpochMillis;
  readonly expiresAt: EpochMillis;
  /** Default 0. */
  readonly position?: number;
  /** Default false. */
  readonly recovers?: boolean;
}

/** One-time tokens that are sent to somebody and come back: 256 random bits, stored as a hash. Writes are inside transactions. */
export interface LinkRows {
  issue(link: NewLink): string;
  /** The link of a token that is good; it stays good. */
  find(token: string, purpose: LinkPurpose, now: EpochMillis): Link | undefined;
  /** The same, and removes it: of all that take one token one gets its link. */
  take(token: string, purpose: LinkPurpose, now: EpochMillis): Link | undefined;
  /** The good links of an account, in the order in which they were issued. */
  live(sub: string, purpose: LinkPurpose, now: EpochMillis): readonly Link[];
  /** Removes those of an account, of one purpose or all. */
  remove(sub: string, purpose?: LinkPurpose): void;
  /** Removes those of "not me" whose position is this one's or later, but this one. */
  removeLater(link: Pick<Link, 'sub' | 'position' | 'hash'>): void;
  /** Removes the same, if they were issued before the reset that recovers by that link. */
  removeRecovered(reset: Pick<Link, 'sub' | 'position' | 'issuedAt'>): void;
  /** Removes those that have expired. */
  prune(now: EpochMillis): void;
}

const TOKEN_BYTES = 32;
/**
 * Links of one purpose that an account keeps: so many of the oldest, and as many of the newest. A thief who makes many loses
 * those between, never the owner's oldest.
 */
const KEPT_AT_EACH_END = 50;

interface Row extends Omit<Link, 'recovers'> {
  readonly recovers: number;
}

const COLUMNS = 'hash, sub, issued_at AS issuedAt, position, recovers';
const IN_ORDER = 'ORDER BY position, issued_at, hash';

export function createLinkRows(sql: HostSql): LinkRows {
  const insert = sql.prepare(
    `INSERT INTO account_links (hash, sub, purpose, issued_at, expires_at, position, recovers)
     VALUES (@hash, @sub, @purpose, @at, @expiresAt, @position, @recovers)`,
  );
  const trim = sql.prepare(
    `DELETE FROM account_links WHERE hash IN (
       SELECT hash FROM account_links WHERE sub = @sub AND purpose = @purpose ${IN_ORDER}
       LIMIT max(0, (SELECT count(*) FROM account_links WHERE sub = @sub AND purpose = @purpose) - ${2 * KEPT_AT_EACH_END})
       OFFSET ${KEPT_AT_EACH_END})`,
  );
  const good = 'hash = ? AND purpose = ? AND expires_at > ?';
  const find = sql.prepare<[Buffer, string, number], Row>(`SELECT ${COLUMNS} FROM account_links WHERE ${good}`);
  const take = sql.prepare<[Buffer, string, number], Row>(
    `DELETE FROM account_links WHERE ${good} RETURNING ${COLUMNS}`,
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
    issue({ position = 0, recovers = false, ...link }) {
      const token = randomBytes(TOKEN_BYTES).toString('base64url');
      insert.run({ ...link, hash: hashOf(token), position, recovers: Number(recovers) });
      trim.run({ sub: link.sub, purpose: link.purpose });
      return token;
    },
    find: (token, purpose, now) => toLink(find.get(hashOf(token), purpose, now)),
    take: (token, purpose, now) => toLink(take.get(hashOf(token), purpose, now)),
    live: (sub, purpose, now) => live.all(sub, purpose, now).flatMap((row) => toLink(row) ?? []),
    remove: (sub, purpose) => void remove.run({ sub, purpose: purpose ?? null }),
    removeLater: ({ sub, position, hash }) => void removeLater.run(sub, position, hash),
    removeRecovered: ({ sub, position, issuedAt }) => void removeRecovered.run(sub, position, issuedAt),
    prune: (now) => void prune.run(now),
  };
}

/** The order of `live`: below 0 where the first link was issued first. */
export function compareLinks(one: Link, other: Link): number {
  return one.position - other.position || one.issuedAt - other.issuedAt || one.hash.compare(other.hash);
}

function toLink(row: Row | undefined): Link | undefined {
  return row && { ...row, recovers: row.recovers === 1 };
}

/** The token is random enough that a plain hash is no help in guessing it, and finds its row. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
