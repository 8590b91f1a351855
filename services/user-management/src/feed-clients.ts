import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RevocationsHandlerOptions } from '@rescind/feed';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import { clientIdPattern, oneHeader, readBasic } from '@rescind/revocation/http';
import { z } from 'zod';
import { readPrivateJson, secretText } from './private-file.ts';

/** RFC 6749 appendix A.1, and a colon would end it in HTTP Basic. A secret of 16 characters of base64 has 96 bits. */
export const feedClientId = z.string().regex(clientIdPattern(64), 'must be 1 to 64 visible ASCII characters');
const clients = z.record(feedClientId, secretText(16));

/**
 * Reads the clients that may read revocations: `{ "<client id>": "<secret>" }`. Without a file there are none.
 * @throws ConfigurationError the file cannot be read, is open to others, or is not of that shape; never with a secret
 */
export function readFeedClients(path: string | undefined): Record<string, string> {
  if (path === undefined) return {};
  return readPrivateJson({
    variable: 'FEED_CLIENTS_FILE',
    path,
    schema: clients,
    shape: 'a JSON object of client ids (visible ASCII without colon) and secrets of 16 to 256 random characters',
  });
}

/** A reader of the log that an administrator has registered. */
export interface FeedClient {
  readonly clientId: string;
  /** SHA-256 of its secrets, base64url, the newest last: two while they are being rotated. */
  readonly secretHashes: readonly string[];
}

export interface FeedClientTable {
  find(clientId: string): FeedClient | undefined;
  /** By their id. */
  list(): FeedClient[];
  /** Inside a transaction. */
  put(client: FeedClient, at: EpochMillis): void;
  /** Inside a transaction. */
  remove(clientId: string): void;
}

const MAX_SECRETS = 2;
const SECRET_BYTES = 32;

/** In the issuer's file. */
export function createFeedClientTable(sql: HostSql): FeedClientTable {
  const columns = 'client_id AS clientId, secret_hashes AS hashes';
  type Row = { clientId: string; hashes: string };
  const find = sql.prepare<[string], Row>(`SELECT ${columns} FROM feed_clients WHERE client_id = ?`);
  const all = sql.prepare<[], Row>(`SELECT ${columns} FROM feed_clients ORDER BY client_id`);
  const put = sql.prepare(
    `INSERT INTO feed_clients (client_id, secret_hashes, added_at) VALUES (?, ?, ?)
     ON CONFLICT (client_id) DO UPDATE SET secret_hashes = excluded.secret_hashes`,
  );
  const remove = sql.prepare('DELETE FROM feed_clients WHERE client_id = ?');
  const toClient = ({ clientId, hashes }: Row): FeedClient => ({ clientId, secretHashes: JSON.parse(hashes) });
  return {
    find(clientId) {
      const row = find.get(clientId);
      return row === undefined ? undefined : toClient(row);
    },
    list: () => all.all().map(toClient),
    put: ({ clientId, secretHashes }, at) => void put.run(clientId, JSON.stringify(secretHashes), at),
    remove: (clientId) => void remove.run(clientId),
  };
}

/** Makes a secret of 256 bits. The newest previous one remains valid. */
export function makeSecret(before: readonly string[]): { readonly secret: string; readonly secretHashes: string[] } {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { secret, secretHashes: [...before, hashSecret(secret)].slice(-MAX_SECRETS) };
}

export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

type Authenticate = RevocationsHandlerOptions['authenticate'];

/** HTTP Basic (RFC 7617): a registered client by its secrets alone, every other one by `configured`. */
export function createReaderAuthentication(
  configured: Authenticate,
  registered: Pick<FeedClientTable, 'find'>,
): Authenticate {
  return (request) => {
    const { id, secret } = readBasic(oneHeader(request.rawHeaders, 'authorization')) ?? { id: '', secret: '' };
    const client = registered.find(id);
    if (client === undefined) return configured(request);
    const presented = Buffer.from(hashSecret(secret));
    const matching = client.secretHashes.filter((held) => timingSafeEqual(presented, Buffer.from(held)));
    return matching.length > 0 ? id : undefined;
  };
}
