import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RevocationsHandlerOptions } from '@rescind/feed';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import { oneHeader, readBasic } from '@rescind/revocation/http';

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

const MOST_SECRETS = 2;
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

/** Another secret beside the newest of those before, and the hashes that are good then. It has 256 bits. */
export function makeSecret(before: readonly string[]): { readonly secret: string; readonly secretHashes: string[] } {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  return { secret, secretHashes: [...before, hashSecret(secret)].slice(-MOST_SECRETS) };
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
