import { createHash, randomBytes } from 'node:crypto';
import type { Issuer } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';

/** What the holder of a link's token may do, once. */
type LinkPurpose = 'password_reset' | 'not_me';

/** Tokens that are sent to somebody and come back once: 256 random bits, kept as a hash. All of it inside transactions. */
export interface Links {
  issue(sub: string, purpose: LinkPurpose, expiresAt: EpochMillis): string;
  /** Whose it is, if it is good; it stays as it is. */
  find(token: string, purpose: LinkPurpose, now: EpochMillis): string | undefined;
  /** The same, and it is good no more. */
  take(token: string, purpose: LinkPurpose, now: EpochMillis): string | undefined;
  /** Those of an account die, of one purpose or all. */
  forget(sub: string, purpose?: LinkPurpose): void;
  prune(before: EpochMillis): number;
}

const TOKEN_BYTES = 32;

export function createLinks(database: Issuer['database']): Links {
  const insert = database.prepare('INSERT INTO account_links (hash, sub, purpose, expires_at) VALUES (?, ?, ?, ?)');
  const find = database
    .prepare<[Buffer, string, number], string>(
      'SELECT sub FROM account_links WHERE hash = ? AND purpose = ? AND expires_at > ?',
    )
    .pluck();
  const remove = database.prepare('DELETE FROM account_links WHERE hash = ?');
  const forget = database.prepare(
    'DELETE FROM account_links WHERE sub = @sub AND (@purpose IS NULL OR purpose = @purpose)',
  );
  const prune = database.prepare('DELETE FROM account_links WHERE expires_at <= ?');

  const findLink = (token: string, purpose: LinkPurpose, now: EpochMillis) => find.get(hashOf(token), purpose, now);
  return {
    issue(sub, purpose, expiresAt) {
      const token = randomBytes(TOKEN_BYTES).toString('base64url');
      insert.run(hashOf(token), sub, purpose, expiresAt);
      return token;
    },
    find: findLink,
    take(token, purpose, now) {
      const sub = findLink(token, purpose, now);
      if (sub !== undefined) remove.run(hashOf(token));
      return sub;
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
