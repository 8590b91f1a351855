import { createHash, randomBytes } from 'node:crypto';
import { RescindError } from '@rescind/revocation';
import type { Client, IssuerClients, RegisteredClient } from '../issuer-clients.ts';
import type { ClientReads, Clients } from '../store/store.ts';
import type { Transactions } from '../transactions.ts';
import { MOST_SECRETS, toRegistered } from './requirements.ts';

/** Which clients there are: those registered, and those of the options that no registered one has replaced. */
export interface ClientRegistry {
  find(clients: ClientReads, clientId: string): Promise<RegisteredClient | undefined>;
  /** One that may hold tokens. @throws RescindError `client_invalid` */
  requireEnabled(clients: ClientReads, clientId: string): Promise<RegisteredClient>;
  list(clients: ClientReads): Promise<RegisteredClient[]>;
  /** Replaces those of the options: all of them, or none. @throws TypeError */
  replaceGiven(given: readonly Client[]): void;
}

/** First-party and public: it runs where its users are and can keep no secret (RFC 6749 section 2.1). */
const WEB: Client = { clientId: 'web', name: 'Web', authMethod: 'none' };
const SECRET_BYTES = 32;

/** @throws TypeError */
export function createClientRegistry(given: readonly Client[] = [WEB]): ClientRegistry {
  const byId = (some: readonly Client[]) => new Map(some.map(toRegistered).map((client) => [client.clientId, client]));
  let builtIn = byId(given);
  const find = async (clients: ClientReads, clientId: string) =>
    (await clients.find(clientId)) ?? builtIn.get(clientId);
  return {
    find,
    async requireEnabled(clients, clientId) {
      const client = await find(clients, clientId);
      if (client === undefined || client.disabled) throw new RescindError('client_invalid');
      return client;
    },
    replaceGiven(replacements) {
      builtIn = byId(replacements);
    },
    async list(clients) {
      // Those configured now, whatever replaces them while the others are read.
      const given = [...builtIn];
      const registered = await clients.all();
      const all = new Map([...given, ...registered.map((client) => [client.clientId, client] as const)]);
      return [...all.values()].sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
    },
  };
}

/** SHA-256 in base64url. Secrets made here have 256 bits of their own, so nothing is gained by a slow hash. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/** Inside a transaction. @throws TypeError */
export async function putClient(clients: Clients, client: Client): Promise<void> {
  await clients.put(toRegistered(client));
}

/** Inside a transaction. @throws RescindError `client_unknown`; TypeError when it is a client that can have none */
export async function addSecret(registry: ClientRegistry, clients: Clients, clientId: string): Promise<string> {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  const client = await registry.find(clients, clientId);
  if (client === undefined) throw new RescindError('client_unknown');
  const secretHashes = [...client.secretHashes, hashSecret(secret)].slice(-MOST_SECRETS);
  await putClient(clients, { ...client, secretHashes });
  return secret;
}

type Writing = Pick<Transactions, 'run'>;

/** The administrator's side: each call is a transaction of its own. */
export function createClientAdministration(
  registry: ClientRegistry,
  clients: ClientReads,
  transactions: Writing,
): Omit<IssuerClients, 'authenticate'> {
  return {
    put: (client) => transactions.run((unit) => putClient(unit.store.clients, client)),
    find: (clientId) => registry.find(clients, clientId),
    replaceConfigured: (clients) => registry.replaceGiven(clients),
    list: () => registry.list(clients),
    remove: (clientId) => transactions.run((unit) => unit.store.clients.delete(clientId)),
    addSecret: (clientId) => transactions.run((unit) => addSecret(registry, unit.store.clients, clientId)),
  };
}
