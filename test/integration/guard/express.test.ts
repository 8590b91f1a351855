import { once } from 'node:events';
import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Revoked } from '@rescind/guard';
import type { ExpressRoute } from '@rescind/guard/express';
import { claimCheck, claimEquals, claimIncludes, errorHandler, guard, requiredScopes } from '@rescind/guard/express';
import type { ErrorRequestHandler, RequestHandler } from 'express';
import express from 'express';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { openTestIssuer } from './issuer.ts';
import { ask, freshPath, openMiddleware, serve, serveGuarded } from './setting.ts';

async function openService(route: ExpressRoute = {}) {
  const issuer = await openTestIssuer();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath(), ...route });
  await middleware.ready();
  return { issuer, middleware, url: await serveGuarded(middleware) };
}

test('a request without a token gets a challenge without an error', async () => {
  const { url } = await openService();
  for (const authorization of [undefined, 'Basic dXNlcjpzZWNyZXQ=', 'Bearerabc', '']) {
    const answer = await ask(url, undefined, authorization === undefined ? {} : { headers: { authorization } });
    expect(answer).toMatchObject({ status: 401, challenge: 'Bearer', body: { code: 'token_missing' } });
    expect(answer.body).not.toHaveProperty('error');
    expect(answer.cacheControl).toBe('no-store');
  }
});

test('a token in the address or in the body, or two tokens, get 400', async () => {
  const { issuer, url } = await openService();
  const token = issuer.token();
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const asked = [
    ask(`${url}/?access_token=${token}`),
    ask(`${url}/?access_token=${token}`, token),
    ask(`${url}/?a=1&access%5Ftoken=`, token),
    ask(url, undefined, { method: 'POST', headers: form, body: `access_token=${token}` }),
    ask(url, token, { method: 'POST', headers: form, body: `access_token=${token}` }),
    ask(url, `${token}, Bearer ${token}`),
    ask(url, `${token} ${token}`),
    ask(url, undefined, { headers: { authorization: 'Bearer' } }),
    ask(url, undefined, { headers: { authorization: 'Bearer ' } }),
  ];
  for (const answer of await Promise.all(asked)) {
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request', code: 'request_invalid' } });
    expect(answer.challenge).toMatch(/^Bearer error="invalid_request"/);
  }
});

test('a token that is bound to a key of its client is refused, sent as a bearer token or by DPoP (RFC 9449 section 7)', async () => {
  for (const route of [{}, { optional: true }]) {
    const { issuer, url } = await openService(route);
    const bound = issuer.token({ cnf: { jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I' } });
    const certificate = issuer.token({ cnf: { 'x5t#S256': 'bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2' } });
    const dpop = (scheme: string, token: string) => ({
      headers: { authorization: `${scheme} ${token}`, dpop: 'a.b.c' },
    });
    const answers = [
      await ask(url, bound),
      await ask(url, certificate),
      await ask(url, bound, { headers: { dpop: 'a.b.c' } }),
      await ask(url, undefined, dpop('DPoP', bound)),
      await ask(url, undefined, dpop('dpop', issuer.token())),
    ];
    for (const answer of answers) {
      expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_token', code: 'token_sender_constrained' } });
      expect(answer.challenge).toMatch(/^Bearer error="invalid_token"/);
    }
    expect((await ask(url, issuer.token())).status).toBe(200);
  }
});

test('two Authorization headers get 400, whatever they contain', async () => {
  const { issuer, url } = await openService();
  const { port } = new URL(url);
  const socket = createConnection(Number(port), '127.0.0.1');
  const header = `Authorization: Bearer ${issuer.token()}\r\n`;
  socket.end(`GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${header}${header}\r\n`);
  await once(socket, 'connect');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 .*"code":"request_invalid"/s);
});

test('a JSON body may have a member access_token', async () => {
  const { issuer, url } = await openService();
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ access_token: 'a column of mine' });
  expect((await ask(url, issuer.token(), { method: 'POST', headers, body })).status).toBe(200);
});

test('a missing scope gets 403, by the route and by requiredScopes', async () => {
  const issuer = await openTestIssuer();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath() });
  await middleware.ready();
  const { opened } = middleware;
  const application = express();
  application.get('/route', guard(opened, { scopes: ['prices:read', 'prices:write'] }), (_request, response) => {
    response.json({});
  });
  application.get('/behind', middleware, requiredScopes('prices:write'), (_request, response) => {
    response.json({});
  });
  application.get('/alone', requiredScopes('prices:write'), (_request, response) => {
    response.json({});
  });
  application.use(errorHandler());
  const url = await serve(application);

  const reader = issuer.token({ scope: 'prices:read' });
  const writer = issuer.token({ scope: 'prices:write prices:read' });
  const listed = issuer.token({ scope: ['prices:write', 'prices:read'] });
  const description = 'error_description="The access token lacks a scope that is needed here"';
  expect(await ask(`${url}/route`, reader)).toMatchObject({
    status: 403,
    body: { error: 'insufficient_scope', code: 'scope_insufficient' },
    challenge: `Bearer error="insufficient_scope", ${description}, scope="prices:read prices:write"`,
  });
  expect(await ask(`${url}/behind`, reader)).toMatchObject({
    status: 403,
    challenge: `Bearer error="insufficient_scope", ${description}, scope="prices:write"`,
  });
  for (const token of [writer, listed]) {
    expect((await ask(`${url}/route`, token)).status).toBe(200);
    expect((await ask(`${url}/behind`, token)).status).toBe(200);
  }
  expect((await ask(`${url}/behind`, issuer.token({ scope: undefined }))).status).toBe(403);
  expect((await ask(`${url}/behind`, issuer.token({ scope: 'prices:writer xprices:write' }))).status).toBe(403);
  expect((await ask(`${url}/alone`, writer)).body.code).toBe('token_missing');
});

test('the challenge of a step-up has max_age and acr_values (RFC 9470)', async () => {
  const { issuer, url } = await openService({ maxAuthAgeSeconds: 300, acrValues: ['phr', 'mfa'], scopes: ['never'] });
  const now = Math.floor(Date.now() / 1000);
  const description = 'error_description="A more recent or a stronger authentication is needed here"';
  const challenge = `Bearer error="insufficient_user_authentication", ${description}, acr_values="phr mfa", max_age="300"`;
  for (const claims of [
    {},
    { acr: 'mfa', auth_time: now - 400 },
    { acr: 'pwd', auth_time: now },
    { acr: 'mfa' },
    { auth_time: now },
  ]) {
    expect(await ask(url, issuer.token(claims))).toMatchObject({
      ...{ status: 401, challenge, cacheControl: 'no-store' },
      body: { error: 'insufficient_user_authentication', code: 'authentication_insufficient' },
    });
  }
  // Missing scopes are reported only after a sufficient authentication.
  const strong = issuer.token({ acr: 'mfa', auth_time: now });
  expect(await ask(url, strong)).toMatchObject({ status: 403, body: { code: 'scope_insufficient' } });
});

test('a missing claim gets 403, by the route and by claim middleware', async () => {
  const issuer = await openTestIssuer();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath() });
  await middleware.ready();
  const application = express();
  const done: RequestHandler = (_request, response) => void response.json({});
  application.get('/route', guard(middleware.opened, { claimEquals: { tier: 'gold' } }), done);
  application.use(middleware);
  application.get('/equals', claimEquals('tier', 'gold'), done);
  application.get('/includes', claimIncludes('roles', 'admin', 'editor'), done);
  const check = claimCheck(({ age }) => typeof age === 'number' && age >= 18);
  application.get('/check', check, done);
  application.use(errorHandler());
  const url = await serve(application);

  const good = issuer.token({ tier: 'gold', roles: ['editor', 'admin', 'user'], age: 18 });
  const bad = issuer.token({ tier: 'gold ', roles: ['editor'], age: '18' });
  for (const path of ['/route', '/equals', '/includes', '/check']) {
    expect((await ask(url + path, good)).status, path).toBe(200);
    const answer = await ask(url + path, bad);
    expect(answer, path).toMatchObject({ status: 403, body: { code: 'claim_insufficient' } });
    // The response does not name the claim.
    expect(JSON.stringify(answer), path).not.toMatch(/tier|roles|gold|claimCheck/);
  }
  for (const wrong of [
    () => claimCheck('x' as never),
    () => claimIncludes('roles'),
    () => claimEquals('a', [] as never),
  ])
    expect(wrong).toThrow(TypeError);
});

test('soft expiry gets 401 with a code of its own', async () => {
  const { issuer, url } = await openService({ softExpiry: { maxUses: 2 } });
  const token = issuer.token();
  for (const status of [200, 200, 401]) expect((await ask(url, token)).status).toBe(status);
  expect(await ask(url, token)).toMatchObject({ body: { error: 'invalid_token', code: 'token_soft_expired' } });
});

test('optional: a request without a token passes, one with an invalid token does not', async () => {
  const { issuer, url } = await openService({ optional: true });
  expect(await ask(url)).toMatchObject({ status: 200, body: { sub: null } });
  expect(await ask(url, issuer.token())).toMatchObject({ status: 200, body: { sub: 'user-1' } });
  expect((await ask(url, issuer.token({ aud: 'orders' }))).status).toBe(401);
});

test('getToken reads the token from elsewhere', async () => {
  const { issuer, url } = await openService({
    getToken: ({ headers }) => (typeof headers['x-token'] === 'string' ? headers['x-token'] : undefined),
  });
  expect((await ask(url, undefined, { headers: { 'x-token': issuer.token() } })).status).toBe(200);
  expect((await ask(url, issuer.token())).body.code).toBe('token_missing');
});

test('onRevoked gets the request and the revocation', async () => {
  const told: Revoked[] = [];
  const { issuer, url } = await openService({ onRevoked: (_request, revoked) => void told.push(revoked) });
  const token = issuer.token();
  issuer.revoke({ claim: 'sid', value: 'session-1' });
  await waitFor('the token is refused', async () => (await ask(url, token)).status === 401);
  expect(told[0]).toMatchObject({ endsSession: true, cutoff: { claim: 'sid', reason: 'logout' }, token: { token } });
  // This log's ids have no time, and a row of a session has none either.
  expect(told[0]?.since).toBeNull();
  const other = issuer.token({ sid: 'session-2' });
  const since = Date.now();
  issuer.revoke({ claim: 'sub', value: 'user-1', issuedUntil: since });
  await waitFor('the other token is refused', async () => (await ask(url, other)).status === 401);
  expect(told.at(-1)).toMatchObject({ cutoff: { claim: 'sub' }, since });
  const answer = await ask(url, token);
  expect(JSON.stringify(answer)).not.toMatch(/session-1|logout|sid/);
});

test('next gets an error with status, code and headers', async () => {
  const issuer = await openTestIssuer();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath() });
  await middleware.ready();
  const seen: unknown[] = [];
  const own: ErrorRequestHandler = (error, _request, response, _next) => {
    seen.push(error);
    response.status(error.status).json({ mine: true });
  };
  const url = await serve(express().use(middleware).use(own));
  expect(await ask(url)).toMatchObject({ status: 401, body: { mine: true } });
  expect(seen[0]).toBeInstanceOf(Error);
  expect(seen[0]).toMatchObject({ status: 401, code: 'token_missing', headers: { 'WWW-Authenticate': 'Bearer' } });
});

test('without an error handler Express sends status and challenge', async () => {
  const issuer = await openTestIssuer();
  const application = express().use(openMiddleware(issuer, { denylistPath: freshPath() }));
  application.set('env', 'test');
  const response = await fetch(await serve(application));
  expect(response.status).toBe(401);
  expect(response.headers.get('www-authenticate')).toBe('Bearer');
});

test('errorHandler passes other errors on, and omits the detail', async () => {
  const application = express();
  application.get('/', () => {
    throw Object.assign(new Error('mine'), { status: 418 });
  });
  const others: ErrorRequestHandler = (error, _request, response, _next) => {
    response.status(error.status).json({ message: error.message });
  };
  const url = await serve(application.use(errorHandler()).use(others));
  expect(await ask(url)).toMatchObject({ status: 418, body: { message: 'mine' } });
});
