import { openPublisher } from '@rescind/feed-kafka';
import { openIssuer } from '@rescind/issuer';
import { errorHandler, issuerProbes, issuerRouter } from '@rescind/issuer/express';
import type { LoginTelemetry } from '@rescind/issuer/http';
import { createTelemetry } from '@rescind/issuer/http';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { RescindError } from '@rescind/revocation';
import express from 'express';
import { addAccountEndpoints, textOf } from './account-endpoints.ts';
import { createUsers, TABLE, toSubject } from './users.ts';

export interface LoginServiceOptions {
  /** The URL of this service: the `iss` of its tokens. */
  readonly url: string;
  /** The team's database. The issuer adds tables of its own, named `rescind_…`. */
  readonly databasePath: string;
  readonly keysPath: string;
  /** The services that may read the log of revocations: client ids and secrets. */
  readonly feedClients: Readonly<Record<string, string>>;
  /** The brokers of Kafka, to which the log is published. Without them services read it from this service. */
  readonly brokers?: readonly string[] | undefined;
  /** Default: warnings on standard error, metrics in memory. */
  readonly telemetry?: LoginTelemetry;
}

/** The topic keeps an event as long as a service that reads it may be down. */
const KAFKA = { clientId: 'login', minRetentionMs: 7 * 24 * 3_600_000, createTopic: true };

export type LoginService = Awaited<ReturnType<typeof openLoginService>>;

/** A login service with its own table of users. The router of the issuer serves tokens, keys, metadata and the log. */
export async function openLoginService(options: LoginServiceOptions) {
  const { url, databasePath, keysPath, feedClients, brokers, telemetry = createTelemetry() } = options;
  const store = sqliteStore({ path: databasePath, schema: [TABLE] });
  const clients = [{ clientId: 'shop', name: 'The shop', authMethod: 'none', audience: ['orders'] }] as const;
  const subject = (_from: unknown, id: string) => toSubject(users.byId(id));
  const publisher = brokers && openPublisher({ ...KAFKA, brokers, log: url, telemetry });
  const issuer = await openIssuer({ issuer: url, store, keysPath, telemetry, subject, clients, publisher });
  const users = createUsers(store.sql, issuer);
  const scopes = ['orders', 'orders:write'];
  const router = issuerRouter(issuer, { feedClients, defaultClientId: 'shop', scopes, telemetry });
  const app = express();
  app.use(issuerProbes(issuer, { telemetry, checks: () => publisher?.health() ?? [] }), router, express.json());

  app.post('/login', async ({ body, ip, headers }, response) => {
    const user = await users.verify(textOf(body, 'email'), textOf(body, 'password'));
    if (user === undefined) throw new RescindError('credentials_wrong');
    const origin = { address: ip ?? '', userAgent: headers['user-agent'] ?? '' };
    const { id: sub, credential_version: credentialVersion } = user;
    const login = { sub, clientId: 'shop', credentialVersion, origin, amr: ['pwd'] };
    response.set('Cache-Control', 'no-store').json(await issuer.transaction((tx) => tx.beginSession(login)));
  });
  addAccountEndpoints(app, issuer, users);
  app.use(errorHandler({ telemetry }));

  async function close(): Promise<void> {
    router.close();
    await issuer.close();
  }
  return { app, issuer, users, close };
}
