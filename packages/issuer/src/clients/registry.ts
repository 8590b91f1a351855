import { createHash, randomBytes } from 'node:crypto';
import { RescindError } from '@rescind/revocation';
import type { Client, IssuerClients, RegisteredClient } from '../issuer-clients.ts';
import type { Clients } from '../store/store.ts';
import type { Transactions } from '../transactions.ts';
import { MOST_SECRETS, toRegistered } from './requirements.ts';

/** Which clients there are: those registered, and those of the options that no registered one has replaced. */
export interface ClientRegistry {
  find(clientId: string): RegisteredClient | undefined;
  /** One that may hold tokens. @throws RescindError `client_invalid` */
  requireEnabled(clientId: string): RegisteredClient;
  list(): RegisteredClient[];
  /** Replaces those of the options: all of them, or none. @throws TypeError */
  replaceGiven(given: readonly Client[]): void;
  /** Inside a transaction. @throws TypeError */
  put(client: Client): void;
  /** Inside a transaction. */
  remove(clientId: string): boolean;
}

/** First-party and public: it runs where its users are and can keep no secret (RFC 6749 section 2.1). */
const WEB: Client = { clientId: 'web', name: 'Web', authMethod: 'none' };
const SECRET_BYTES = 32;

/** @throws TypeError */
export function createClientRegistry(clients: Clients, given: readonly Client[] = [WEB]): ClientRegistry {
  const byId = (some: readonly Client[]) => new Map(some.map(toRegistered).map((client) => [client.clientId, client]));
  let builtIn = byId(given);
  const find = (clientId: string) => clients.find(clientId) ?? builtIn.get(clientId);
  return {
    find,
    requireEnabled(clientId) {
      const client = find(clientId);
      if (client === undefined || client.disabled) throw new RescindError('client_invalid');
      return client;
    },
    replaceGiven(replacements) {
      builtIn = byId(replacements);
    },
    list() {
      const all = new Map([...builtIn, ...clients.all().map((client) => [client.clientId, client] as const)]);
      return [...all.values()].sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
    },
    put(client) {
      clients.put(toRegistered(client));
    },
    remove: (clientId) => clients.delete(clientId),
  };
}

/** SHA-256 in base64url. Secrets made here have 256 bits of their own, so nothing is gained by a slow hash. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/** Inside a transaction. @throws RescindError `client_unknown`; TypeError when it is a client that can have none */
export function addSecret(registry: ClientRegistry, clientId: string): string {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  const client = registry.find(clientId);
  if (client === undefined) throw new RescindError('client_unknown');
  registry.put({ ...client, secretHashes: [...client.secretHashes, hashSecret(secret)].slice(-MOST_SECRETS) });
  return secret;
}

type Writing = Pick<Transactions, 'run'>;

/** The administrator's side: each call is a transaction of its own. */
export function createClientAdministration(
  registry: ClientRegistry,
  transactions: Writing,
): Omit<IssuerClients, 'authenticate'> {
  return {
    put: (client) => transactions.run(() => registry.put(client)),
    find: (clientId) => registry.find(clientId),
    replaceConfigured: (clients) => registry.replaceGiven(clients),
    list: () => registry.list(),
    remove: (clientId) => transactions.run(() => registry.remove(clientId)),
    addSecret: (clientId) => transactions.run(() => addSecret(registry, clientId)),
  };
}
