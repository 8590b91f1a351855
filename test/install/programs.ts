/** Texts of programs that the projects of packages.test.ts run. */

/** The service of docs/testing.md: what its requests get before and after the logout. */
export const service = (imports: string) => `${imports}
const kit = openTestKit({ audience: 'prices' });
const app = express();
app.get('/prices', guard(kit.guard, { scopes: ['prices:read'] }), (request, response) => {
  response.json({ for: request.auth?.payload.sub });
});
app.use(errorHandler());
const server = app.listen(0, async () => {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const token = kit.token({ sub: 'ada', sid: 'laptop', scope: 'prices:read' });
  const ask = async () =>
    (await fetch('http://localhost:' + port + '/prices', { headers: { authorization: 'Bearer ' + token } })).status;
  const before = await ask();
  kit.revoke({ claim: 'sid', value: 'laptop' });
  console.log(before, await ask());
  server.close();
  server.closeAllConnections();
  await kit[Symbol.asyncDispose]();
});
`;

export const IMPORTS = `import express from 'express';
import { errorHandler, guard } from '@rescind/guard/express';
import { openTestKit } from '@rescind/guard/testing';`;

export const REQUIRES = `const express = require('express');
const { errorHandler, guard } = require('@rescind/guard/express');
const { openTestKit } = require('@rescind/guard/testing');`;

/** The examples of docs/adapters.md that `WALK` starts: the name of the file by the heading of the page. */
export const ADAPTERS: Readonly<Record<string, string>> = {
  Express: 'express',
  Fastify: 'fastify',
  NestJS: 'nestjs',
  'express-jwt': 'express-jwt',
  Passport: 'passport',
  Hono: 'hono',
};

/**
 * Starts the application of each adapter, and writes a line for it: the statuses of a valid token, of none, without the scope, after an old
 * authentication, of the probe of readiness, and after the logout. In CommonJS, which has no `await` of a module, and ESM.
 */
export const WALK = `import { openTestKit } from '@rescind/guard/testing';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createApp as createExpress } from './express.js';
import { createApp as createExpressJwt } from './express-jwt.js';
import { createApp as createFastify } from './fastify.js';
import { createApp as createHono } from './hono.js';
import { createApp as createNest } from './nestjs.js';
import { createApp as createPassport } from './passport.js';

// The types of Express are those of 5.
const express4 = createRequire(process.cwd() + '/')('express4');
const kit = openTestKit({ audience: 'prices' });

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return 'http://127.0.0.1:' + (server.address() as AddressInfo).port;
}

async function walk(name: string, url: string): Promise<void> {
  const ask = async (path: string, token?: string, method = 'GET') => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: 'Bearer ' + token };
    return (await fetch(url + path, { method, headers })).status;
  };
  const token = kit.token({ sid: name, scope: 'prices:read', auth_time: 1 });
  const statuses = [await ask('/prices', token), await ask('/prices'), await ask('/prices/premium', token)];
  statuses.push(await ask('/transfers', token, 'POST'), await ask('/readyz'));
  kit.revoke({ claim: 'sid', value: name });
  console.log(name, ...statuses, await ask('/prices', token));
}

async function main(): Promise<void> {
  await walk('express', await serve(createExpress(kit.guard)));
  await walk('express4', await serve(createExpress(kit.guard, express4)));
  await walk('fastify', await createFastify(kit.guard).listen({ port: 0 }));
  const nest = await createNest(kit.guard);
  await nest.listen(0, '127.0.0.1');
  await walk('nestjs', await nest.getUrl());
  await walk('express-jwt', await serve(createExpressJwt(kit.guard, kit.publicKey)));
  await walk('passport', await serve(createPassport(kit.guard)));
  await walk('hono', await serve(createHono(kit.guard)));
  process.exit(0);
}
void main();
`;

/** What `WALK` writes. Applications of express-jwt and Passport in the examples have no probes. */
export const WALKED = [
  'express 200 401 403 401 200 401',
  'express4 200 401 403 401 200 401',
  'fastify 200 401 403 401 200 401',
  'nestjs 200 401 403 401 200 401',
  'express-jwt 200 401 403 401 404 401',
  'passport 200 401 403 401 404 401',
  'hono 200 401 403 401 200 401',
];

/** Requests to the servers of Apollo and of Yoga: status, challenge, and error code or data. */
export const GRAPHQL_CLIENT = `import { openTestKit } from '@rescind/guard/testing';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { listen } from './apollo.js';
import { createApp } from './yoga.js';
const kit = openTestKit({ audience: 'prices' });
async function walk(name: string, url: string): Promise<void> {
  const ask = async (query: string, token?: string) => {
    const authorization = token === undefined ? {} : { authorization: 'Bearer ' + token };
    const headers = { 'content-type': 'application/json', ...authorization };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query }) });
    const { data, errors } = (await response.json()) as { data?: object; errors?: { extensions: { code: string } }[] };
    const challenge = response.headers.get('www-authenticate');
    console.log(name, response.status, challenge?.split(' ')[0], errors?.[0]?.extensions.code ?? JSON.stringify(data));
  };
  const token = kit.token({ sub: 'ada', sid: name, scope: 'prices:read' });
  await ask('{ user }', token);
  await ask('{ premium }', token);
  await ask('{ user }');
  kit.revoke({ claim: 'sid', value: name });
  await ask('{ user }', token);
}
async function main(): Promise<void> {
  const apollo = await listen(kit.guard, 0);
  await walk('apollo', apollo.url);
  await apollo.close();
  const yoga = createServer(createApp(kit.guard));
  await new Promise<void>((listening) => yoga.listen(0, '127.0.0.1', listening));
  await walk('yoga', 'http://127.0.0.1:' + (yoga.address() as AddressInfo).port + '/graphql');
  yoga.close();
  yoga.closeAllConnections();
  await kit.close();
}
void main();
`;

const walkedOf = (name: string) => [
  `${name} 200 undefined {"user":"ada"}`,
  `${name} 403 Bearer scope_insufficient`,
  `${name} 401 Bearer token_missing`,
  `${name} 401 Bearer token_revoked`,
];

/** What `GRAPHQL_CLIENT` writes. */
export const GRAPHQL_WALKED = [...walkedOf('apollo'), ...walkedOf('yoga')];
