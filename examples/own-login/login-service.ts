import { createBasicAuthenticator, createRevocationsHandler } from '@rescind/feed';
import type { Issuer } from '@rescind/issuer';
import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { RescindError } from '@rescind/revocation';
import type { ErrorRequestHandler, Express, Request } from 'express';
import express from 'express';
import type { User, Users } from './users.ts';
import { createUsers, hashPassword, TABLE, toSubject } from './users.ts';

export interface LoginServiceOptions {
  /** Where this is reached: the `iss` of its tokens. */
  readonly url: string;
  /** The team's database. The issuer adds tables of its own, named `rescind_…`. */
  readonly databasePath: string;
  readonly keysPath: string;
  /** Who may read the log of revocations: client ids and secrets. */
  readonly feedClients: Readonly<Record<string, string>>;
  /** Called with each error that is answered 500. Default: it is written to standard error. */
  readonly log?: (error: unknown) => void;
}

export interface LoginService {
  readonly app: Express;
  readonly issuer: Issuer;
  readonly users: Users;
  close(): Promise<void>;
}

/** A login service that has its own users, and takes the rest from the issuer. */
export async function openLoginService(options: LoginServiceOptions): Promise<LoginService> {
  const { url, databasePath, keysPath, feedClients, log = console.error } = options;
  const store = sqliteStore({ path: databasePath, schema: [TABLE] });
  const issuer = await openIssuer({
    issuer: url,
    store,
    keysPath,
    subject: (_from, id) => toSubject(users.byId(id)),
    clients: [{ clientId: 'shop', name: 'The shop', authMethod: 'none', audience: ['orders'] }],
  });
  const users = createUsers(store.sql, issuer);
  const revocations = createRevocationsHandler({
    source: issuer.log,
    authenticate: createBasicAuthenticator(feedClients),
  });
  const app = express();
  app.use(express.json());
  addLogin(app, issuer, users);
  addDocuments(app, issuer, url);
  app.get('/revocations', (request, response) => revocations.handle(request, response));
  app.post('/revocations/proof', (request, response) => revocations.handle(request, response));
  app.use(errorHandler(log));
  return {
    app,
    issuer,
    users,
    async close() {
      revocations.close();
      await issuer.close();
    },
  };
}

function addLogin(app: Express, issuer: Issuer, users: Users): void {
  app.post('/login', async ({ body, ip, headers }, response) => {
    const user = await users.prove(String(body.email), String(body.password));
    if (user === undefined) throw new RescindError('credentials_wrong');
    const origin = { address: ip ?? '', userAgent: headers['user-agent'] ?? '' };
    response.json(await issuer.transaction((tx) => tx.beginSession({ ...whoProved(user), origin, amr: ['pwd'] })));
  });

  app.post('/token', async ({ body }, response) => {
    response.json(await issuer.refresh({ refreshToken: String(body.refresh_token), clientId: 'shop' }));
  });

  app.post('/logout', async (request, response) => {
    const { sid } = await caller(issuer, request);
    await issuer.transaction((tx) => tx.endSession({ sid, reason: 'logout' }));
    response.status(204).end();
  });

  app.get('/devices', async (request, response) => {
    const { sub, sid } = await caller(issuer, request);
    response.json(await issuer.sessions.list({ sub, currentSid: sid }));
  });

  // The new password and the end of the other sessions commit together, or not at all.
  app.post('/password', async (request, response) => {
    const { sub, sid } = await caller(issuer, request);
    const user = await users.prove(String(users.byId(sub)?.email), String(request.body.current));
    if (user === undefined) throw new RescindError('credentials_wrong');
    const hashed = await hashPassword(String(request.body.next));
    await issuer.transaction(async (tx) => {
      users.setPassword(sub, hashed);
      await tx.endAllSessions({ sub, exceptSid: sid, reason: 'password_changed' });
    });
    response.status(204).end();
  });
}

/** What the guards of other services fetch: keys, and where they are. */
function addDocuments(app: Express, issuer: Issuer, url: string): void {
  app.get('/.well-known/jwks.json', (_request, response) => void response.json(issuer.jwks()));
  app.get('/.well-known/event-jwks.json', (_request, response) => void response.json(issuer.eventJwks()));
  app.get('/.well-known/oauth-authorization-server', (_request, response) => {
    response.json({
      issuer: url,
      jwks_uri: `${url}/.well-known/jwks.json`,
      event_jwks_uri: `${url}/.well-known/event-jwks.json`,
      revocations_endpoint: `${url}/revocations`,
    });
  });
}

const whoProved = (user: User) => ({ sub: user.id, clientId: 'shop', credentialVersion: user.credential_version });

/** @throws RescindError `token_missing`, `token_expired`, `token_revoked`, … */
async function caller(issuer: Issuer, request: Request): Promise<{ sub: string; sid: string }> {
  const [, token] = /^Bearer (.+)$/.exec(request.headers.authorization ?? '') ?? [];
  if (token === undefined) throw new RescindError('token_missing');
  const { sub, sid } = (await issuer.verify(token)).payload;
  return { sub: String(sub), sid: String(sid) };
}

/** Only errors of the issuer have a code for the caller; the others are ours, and are logged. */
function errorHandler(log: (error: unknown) => void): ErrorRequestHandler {
  return (error, _request, response, _next) => {
    const { status, code } = error instanceof RescindError ? error : new RescindError('internal');
    if (code === 'internal') log(error);
    response.status(status).json({ code });
  };
}
