import type { Issuer } from '@rescind/issuer';
import { openIssuer } from '@rescind/issuer';
import type { VerifiedResponse } from '@rescind/issuer/express';
import { accessToken, errorHandler, issuerRouter } from '@rescind/issuer/express';
import { sqliteStore } from '@rescind/issuer-sqlite';
import type { Telemetry } from '@rescind/revocation';
import { RescindError, standardErrorTelemetry } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import type { Express } from 'express';
import express from 'express';
import type { User, Users } from './users.ts';
import { createUsers, hashPassword, TABLE, toSubject } from './users.ts';

export interface LoginServiceOptions {
  /** The URL of this service: the `iss` of its tokens. */
  readonly url: string;
  /** The team's database. The issuer adds tables of its own, named `rescind_…`. */
  readonly databasePath: string;
  readonly keysPath: string;
  /** The services that may read the log of revocations: client ids and secrets. */
  readonly feedClients: Readonly<Record<string, string>>;
  /** Default: lines of JSON on standard error. */
  readonly telemetry?: Telemetry;
}

export interface LoginService {
  readonly app: Express;
  readonly issuer: Issuer;
  readonly users: Users;
  close(): Promise<void>;
}

/** A login service with its own table of users. The router of the issuer serves tokens, keys, metadata and the log. */
export async function openLoginService(options: LoginServiceOptions): Promise<LoginService> {
  const { url, databasePath, keysPath, feedClients, telemetry = standardErrorTelemetry } = options;
  const store = sqliteStore({ path: databasePath, schema: [TABLE] });
  const issuer = await openIssuer({
    issuer: url,
    store,
    keysPath,
    telemetry,
    subject: (_from, id) => toSubject(users.byId(id)),
    clients: [{ clientId: 'shop', name: 'The shop', authMethod: 'none', audience: ['orders'] }],
  });
  const users = createUsers(store.sql, issuer);
  const router = issuerRouter(issuer, {
    feedClients,
    defaultClientId: 'shop',
    scopes: ['orders', 'orders:write'],
    telemetry,
  });
  const app = express();
  app.use(router, express.json());
  addLogin(app, issuer, users);
  app.use(errorHandler({ telemetry }));
  return {
    app,
    issuer,
    users,
    async close() {
      router.close();
      await issuer.close();
    },
  };
}

function addLogin(app: Express, issuer: Issuer, users: Users): void {
  const signedIn = accessToken(issuer);
  const caller = ({ locals }: VerifiedResponse) => {
    const { sub, sid } = locals.token.payload;
    return { sub: String(sub), sid: String(sid) };
  };

  app.post('/login', async ({ body, ip, headers }, response) => {
    const user = await verified(users, textOf(body, 'email'), textOf(body, 'password'));
    const origin = { address: ip ?? '', userAgent: headers['user-agent'] ?? '' };
    const { id: sub, credential_version: credentialVersion } = user;
    const login = { sub, clientId: 'shop', credentialVersion, origin, amr: ['pwd'] };
    response.set('Cache-Control', 'no-store').json(await issuer.transaction((tx) => tx.beginSession(login)));
  });

  app.post('/logout', signedIn, async (_request, response: VerifiedResponse) => {
    await issuer.transaction((tx) => tx.endSession({ sid: caller(response).sid, reason: 'logout' }));
    response.status(204).end();
  });

  app.get('/devices', signedIn, async (_request, response: VerifiedResponse) => {
    const { sub, sid } = caller(response);
    response.json(await issuer.sessions.list({ sub, currentSid: sid }));
  });

  // The new password and the end of the other sessions commit together, or not at all.
  app.post('/password', signedIn, async ({ body }, response: VerifiedResponse) => {
    const { sub, sid } = caller(response);
    await verified(users, users.byId(sub)?.email ?? '', textOf(body, 'current'));
    const hashed = await hashPassword(textOf(body, 'next'));
    await issuer.transaction(async (tx) => {
      users.setPassword(sub, hashed);
      await tx.endAllSessions({ sub, exceptSid: sid, reason: 'password_changed' });
    });
    response.status(204).end();
  });
}

/** @throws RescindError `credentials_wrong` */
async function verified(users: Users, email: string, password: string): Promise<User> {
  const user = await users.verify(email, password);
  if (user === undefined) throw new RescindError('credentials_wrong');
  return user;
}

/** @throws RescindError `request_invalid` naming the member */
function textOf(body: unknown, name: string): string {
  const value: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined;
  if (typeof value !== 'string') throw new RequestRefused([{ path: name, message: 'must be text' }]);
  return value;
}
