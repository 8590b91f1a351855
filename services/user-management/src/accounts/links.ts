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

/** Tokens that are sent to somebody and come back once: 256 random bits, kept as a hash. All of it inside transactions. */
export interface Links {
  issue(link: NewLink): string;
  /** Whose it is, if it is good; it stays as it is. */
  find(token: string, purpose: LinkPurpose, now: EpochMillis): Link | undefined;
  /** The same, and it is good no more. */
  take(token: string, purpose: LinkPurpose, now: EpochMillis): Link | undefined;
  /** Those of an account that are good, the one that was issued first before the others. */
  live(sub: string, purpose: LinkPurpose, now: EpochMillis): readonly Link[];
  /** Those of an account die, of one purpose or all. */
  forget(sub: string, purpose?: LinkPurpose): void;
  /** Those of "not me" die that stand where this one does or later, but this one. */
  forgetLater(link: Pick<Link, 'sub' | 'position' | 'hash'>): void;
  /** The same, if they were issued before the reset that recovers by it. */
  forgetRecovered(reset: Pick<Link, 'sub' | 'position' | 'issuedAt'>): void;
  prune(before: EpochMillis): number;
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

export function createLinks(sql: HostSql): Links {
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
  const find = sql.prepare<[Buffer, string, number], Row>(
    `SELECT ${COLUMNS} FROM account_links WHERE hash = ? AND purpose = ? AND expires_at > ?`,
  );
  const live = sql.prepare<[string, string, number], Row>(
    `SELECT ${COLUMNS} FROM account_links WHERE sub = ? AND purpose = ? AND expires_at > ? ${IN_ORDER}`,
  );
  const remove = sql.prepare('DELETE FROM account_links WHERE hash = ?');
  const forget = sql.prepare('DELETE FROM account_links WHERE sub = @sub AND (@purpose IS NULL OR purpose = @purpose)');
  const later = `DELETE FROM account_links WHERE sub = ? AND purpose = 'not_me' AND position >= ?`;
  const forgetLater = sql.prepare(`${later} AND hash <> ?`);
  const forgetRecovered = sql.prepare(`${later} AND issued_at <= ?`);
  const prune = sql.prepare('DELETE FROM account_links WHERE expires_at <= ?');

  const findLink = (token: string, purpose: LinkPurpose, now: EpochMillis) =>
    toLink(find.get(hashOf(token), purpose, now));
  return {
    issue({ position = 0, recovers = false, ...link }) {
      const token = randomBytes(TOKEN_BYTES).toString('base64url');
      insert.run({ ...link, hash: hashOf(token), position, recovers: Number(recovers) });
      trim.run({ sub: link.sub, purpose: link.purpose });
      return token;
    },
    find: findLink,
    take(token, purpose, now) {
      const link = findLink(token, purpose, now);
      if (link !== undefined) remove.run(hashOf(token));
      return link;
    },
    live: (sub, purpose, now) => live.all(sub, purpose, now).flatMap((row) => toLink(row) ?? []),
    forgetLater({ sub, position, hash }) {
      forgetLater.run(sub, position, hash);
    },
    forgetRecovered({ sub, position, issuedAt }) {
      forgetRecovered.run(sub, position, issuedAt);
    },
    forget(sub, purpose) {
      forget.run({ sub, purpose: purpose ?? null });
    },
    prune: (before) => prune.run(before).changes,
  };
}

function toLink(row: Row | undefined): Link | undefined {
  return row && { ...row, recovers: row.recovers === 1 };
}

/** The token is random enough that a plain hash keeps it, and finds its row. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
