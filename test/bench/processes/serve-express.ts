import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { guard } from '@rescind/guard/express';
import { publicJwks } from '@rescind/token/signing';
import type { RequestHandler } from 'express';
import express from 'express';
import { Redis } from 'ioredis';
import jwt from 'jsonwebtoken';
import { readKey } from '../material/events.ts';
import { openLiveGuard } from '../material/guard.ts';
import { serveMeasured } from '../material/measured-server.ts';
import { CLAIMS, openPlainTables } from '../material/plain-tables.ts';
import { ISSUER } from '../material/rows.ts';
import { AUDIENCE } from '../material/tokens.ts';

/** Without its types: its declaration of `request.auth` conflicts with that of this project. */
const { auth }: { auth(options: object): RequestHandler } = createRequire(import.meta.url)('express-oauth2-jwt-bearer');

/** The same application behind one kind of authentication or none. */
const [kind = '', directory = '', redisSocket = ''] = process.argv.slice(2);
const key = readKey(directory, 'token');

const verify = (request: express.Request): jwt.JwtPayload =>
  jwt.verify(request.headers.authorization?.slice('Bearer '.length) ?? '', key.publicKey, {
    algorithms: ['RS256'],
    issuer: ISSUER,
    audience: AUDIENCE,
  }) as jwt.JwtPayload;

const valuesOf = (payload: jwt.JwtPayload) => CLAIMS.map((claim) => String(payload[claim]));

const refuse = (response: express.Response) => void response.status(401).end();

const KINDS: Readonly<Record<string, () => RequestHandler | Promise<RequestHandler>>> = {
  none: () => (_request, _response, next) => next(),
  guard: async () => guard(await openLiveGuard(join(directory, 'denylist.db'), key)),
  jsonwebtoken: () => (request, _response, next) => {
    verify(request);
    next();
  },
  sqlite() {
    const tables = openPlainTables(join(directory, 'plain.db'));
    return (request, response, next) => (tables.four(valuesOf(verify(request))) ? refuse(response) : next());
  },
  redis() {
    const redis = new Redis({ path: redisSocket, enableAutoPipelining: true });
    return (request, response, next) => {
      const names = valuesOf(verify(request)).map((value, at) => `${CLAIMS[at]}:${value}`);
      redis.exists(...names).then((found) => (found > 0 ? refuse(response) : next()), next);
    };
  },
  async 'oauth2-jwt-bearer'() {
    const keys = createServer((_request, response) => void response.end(JSON.stringify(publicJwks([key]))));
    await once(keys.listen(0, '127.0.0.1'), 'listening');
    const jwksUri = `http://127.0.0.1:${(keys.address() as AddressInfo).port}/`;
    return auth({ issuer: ISSUER, audience: AUDIENCE, jwksUri, tokenSigningAlg: 'RS256' });
  },
};

const authenticate = await KINDS[kind]?.();
if (authenticate === undefined) throw new Error(`no such kind: ${kind}`);
const app = express();
app.disable('x-powered-by');
app.use(authenticate);
app.get('/', (_request, response) => void response.json({ EUR: 1, USD: 1.08, JPY: 163.4 }));
await serveMeasured(app);
