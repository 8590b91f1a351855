import type { RegisteredClient } from '@rescind/issuer';
import type { Clients } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';

interface ClientRow {
  readonly clientId: string;
  readonly name: string;
  readonly authMethod: RegisteredClient['authMethod'];
  readonly secretHashes: string;
  readonly jwks: string | null;
  readonly mayIntrospect: number;
  readonly scope: string | null;
  readonly audience: string | null;
  readonly policy: string;
  readonly disabled: number;
}

const COLUMNS = `client_id AS clientId, name, auth_method AS authMethod, secret_hashes AS secretHashes, jwks,
  may_introspect AS mayIntrospect, scope, audience, policy, disabled`;

export function createClients(database: Database.Database): Clients {
  const put = database.prepare(
    `INSERT OR REPLACE INTO rescind_clients (client_id, name, auth_method, secret_hashes, jwks, may_introspect, scope,
       audience, policy, disabled)
     VALUES (@clientId, @name, @authMethod, @secretHashes, @jwks, @mayIntrospect, @scope, @audience, @policy, @disabled)`,
  );
  const find = database.prepare<[string], ClientRow>(`SELECT ${COLUMNS} FROM rescind_clients WHERE client_id = ?`);
  const all = database.prepare<[], ClientRow>(`SELECT ${COLUMNS} FROM rescind_clients ORDER BY client_id`);
  const remove = database.prepare('DELETE FROM rescind_clients WHERE client_id = ?');
  const take = database.prepare(
    'INSERT OR IGNORE INTO rescind_client_assertions (client_id, digest, expires_at) VALUES (?, ?, ?)',
  );
  const prune = database.prepare('DELETE FROM rescind_client_assertions WHERE expires_at < ?');

  return {
    async put(client) {
      put.run(toRow(client));
    },
    async find(clientId) {
      const row = find.get(clientId);
      return row && toClient(row);
    },
    all: async () => all.all().map(toClient),
    delete: async (clientId) => remove.run(clientId).changes === 1,
    takeAssertion: async (clientId, digest, expiresAt) => take.run(clientId, digest, expiresAt).changes === 1,
    async pruneAssertions(before) {
      prune.run(before);
    },
  };
}

function toRow(client: RegisteredClient): ClientRow {
  return {
    clientId: client.clientId,
    name: client.name,
    authMethod: client.authMethod,
    secretHashes: JSON.stringify(client.secretHashes),
    jwks: client.jwks === undefined ? null : JSON.stringify(client.jwks),
    mayIntrospect: Number(client.mayIntrospect),
    scope: client.scope ?? null,
    audience: client.audience === undefined ? null : JSON.stringify(client.audience),
    policy: JSON.stringify(client.policy),
    disabled: Number(client.disabled),
  };
}

function toClient(row: ClientRow): RegisteredClient {
  return {
    clientId: row.clientId,
    name: row.name,
    authMethod: row.authMethod,
    secretHashes: JSON.parse(row.secretHashes),
    ...(row.jwks === null ? {} : { jwks: JSON.parse(row.jwks) }),
    mayIntrospect: row.mayIntrospect === 1,
    ...(row.scope === null ? {} : { scope: row.scope }),
    ...(row.audience === null ? {} : { audience: JSON.parse(row.audience) }),
    policy: JSON.parse(row.policy),
    disabled: row.disabled === 1,
  };
}
