import { createHash, randomBytes } from 'node:crypto';
import type { Issuer } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';

/** What the holder of a link's token may do, once. */
type LinkPurpose = 'password_reset' | 'not_me';

interface Link {
  readonly sub: string;
  readonly issuedAt: EpochMillis;
}

/** Tokens that are sent to somebody and come back once: 256 random bits, kept as a hash. All of it inside transactions. */
export interface Links {
  issue(sub: string, purpose: LinkPurpose, at: EpochMillis, expiresAt: EpochMillis): string;
  /** Whose it is, if it is good; it stays as it is. */
  find(token: string, purpose: LinkPurpose, now: EpochMillis): Link | undefined;
  /** The same, and it is good no more. */
  take(token: string, purpose: LinkPurpose, now: EpochMillis): Link | undefined;
  /** Those of an account die, of one purpose or all. */
  forget(sub: string, purpose?: LinkPurpose): void;
  prune(before: EpochMillis): number;
}

const TOKEN_BYTES = 32;

export function createLinks(database: Issuer['database']): Links {
  const insert = database.prepare(
    'INSERT INTO account_links (hash, sub, purpose, issued_at, expires_at) VALUES (?, ?, ?, ?, ?)',
  );
  const find = database.prepare<[Buffer, string, number], Link>(
    'SELECT sub, issued_at AS issuedAt FROM account_links WHERE hash = ? AND purpose = ? AND expires_at > ?',
  );
  const remove = database.prepare('DELETE FROM account_links WHERE hash = ?');
  const forget = database.prepare(
    'DELETE FROM account_links WHERE sub = @sub AND (@purpose IS NULL OR purpose = @purpose)',
  );
  const prune = database.prepare('DELETE FROM account_links WHERE expires_at <= ?');

  const findLink = (token: string, purpose: LinkPurpose, now: EpochMillis) => find.get(hashOf(token), purpose, now);
  return {
    issue(sub, purpose, at, expiresAt) {
      const token = randomBytes(TOKEN_BYTES).toString('base64url');
      insert.run(hashOf(token), sub, purpose, at, expiresAt);
      return token;
    },
    find: findLink,
    take(token, purpose, now) {
      const link = findLink(token, purpose, now);
      if (link !== undefined) remove.run(hashOf(token));
      return link;
    },
    forget(sub, purpose) {
      forget.run({ sub, purpose: purpose ?? null });
    },
    prune: (before) => prune.run(before).changes,
  };
}

/** The token is random enough that a plain hash keeps it, and finds its row. */
function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
