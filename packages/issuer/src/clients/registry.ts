import { createHash, randomBytes } from 'node:crypto';
import { RescindError } from '@rescind/revocation';
import { clientOptions } from '../call-options.ts';
import type { Client, ClientRegistrations, RegisteredClient } from '../issuer-clients.ts';
import type { ClientReads } from '../store/store.ts';
import type { Transaction } from '../transaction.ts';
import { MAX_SECRETS, toRegistered } from './requirements.ts';

/** The clients: the registered ones, and those of the options that no registered client replaces. */
export interface ClientRegistry {
  find(clients: ClientReads, clientId: string): Promise<RegisteredClient | undefined>;
  /** The client, if it is known and not disabled. @throws RescindError `client_invalid` */
  requireEnabled(clients: ClientReads, clientId: string): Promise<RegisteredClient>;
  list(clients: ClientReads): Promise<RegisteredClient[]>;
  /** Replaces the clients of the options by these: all of them, or none if one is invalid. @throws TypeError */
  replaceConfigured(clients: readonly Client[]): void;
}

/** First-party and public: it runs where its users are and can keep no secret (RFC 6749 section 2.1). */
const WEB: Client = { clientId: 'web', name: 'Web', authMethod: 'none' };
const SECRET_BYTES = 32;

/** @throws TypeError */
export function createClientRegistry(configured: readonly Client[] = [WEB]): ClientRegistry {
  const byId = (some: readonly Client[]) => new Map(some.map(toRegistered).map((client) => [client.clientId, client]));
  let builtIn = byId(configured);
  const find = async (clients: ClientReads, clientId: string) =>
    (await clients.find(clientId)) ?? builtIn.get(clientId);
  return {
    find,
    async requireEnabled(clients, clientId) {
      const client = await find(clients, clientId);
      if (client === undefined || client.disabled) throw new RescindError('client_invalid');
      return client;
    },
    replaceConfigured(replacements) {
      builtIn = byId(replacements);
    },
    async list(clients) {
      // A copy: `replaceConfigured` may be called while the registered clients are read.
      const present = [...builtIn];
      const registered = await clients.all();
      const all = new Map([...present, ...registered.map((client) => [client.clientId, client] as const)]);
      return [...all.values()].sort((a, b) => (a.clientId < b.clientId ? -1 : 1));
    },
  };
}

/** SHA-256 in base64url. Secrets made here have 256 bits of their own, so nothing is gained by a slow hash. */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}

/** The registrations of one transaction. */
export function registrationsIn(registry: ClientRegistry, { store }: Pick<Transaction, 'store'>): ClientRegistrations {
  const find = (clientId: string) => registry.find(store.clients, clientId);
  const put = async (client: Client) => store.clients.put(toRegistered(clientOptions(client)));
  return {
    put,
    find,
    list: () => registry.list(store.clients),
    remove: (clientId) => store.clients.delete(clientId),
    async addSecret(clientId) {
      const secret = randomBytes(SECRET_BYTES).toString('base64url');
      const client = await find(clientId);
      if (client === undefined) throw new RescindError('client_unknown');
      await put({ ...client, secretHashes: [...client.secretHashes, hashSecret(secret)].slice(-MAX_SECRETS) });
      return secret;
    },
  };
}
