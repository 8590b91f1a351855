import { once } from 'node:events';
import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { httpTransport } from '@rescind/feed';
import { guard } from '@rescind/guard/express';
import type { TokenAnswer } from '@rescind/issuer';
import type { VerifiedResponse } from '@rescind/issuer/express';
import { accessToken, errorHandler, issuerRouter } from '@rescind/issuer/express';
import type { IssuerHttpOptions } from '@rescind/issuer/http';
import { createIssuerHandler } from '@rescind/issuer/http';
import { openTestIssuer } from '@rescind/issuer/testing';
import { RescindError, silentTelemetry } from '@rescind/revocation';
import { basicAuthorization } from '@rescind/revocation/http';
import express from 'express';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';

const CLIENTS = [
  { clientId: 'shop', name: 'The shop', authMethod: 'none' },
  { clientId: 'other', name: 'Another', authMethod: 'none' },
] as const;
const FEED = { orders: 'a secret of the orders service' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

type Mount = (kit: Awaited<ReturnType<typeof openTestIssuer>>, options: IssuerHttpOptions) => express.Express;

const mounts: Readonly<Record<string, Mount>> = {
  'the router of Express': ({ issuer }, options) => {
    const router = issuerRouter(issuer, options);
    onTestFinished(() => router.close());
    return express().use(router);
  },
  'the router of Express behind parsers': ({ issuer }, options) => {
    const router = issuerRouter(issuer, options);
    onTestFinished(() => router.close());
    return express().use(express.json(), express.urlencoded({ extended: true }), router);
  },
  'the handler of the Fetch Standard': ({ issuer }, options) => {
    const handler = createIssuerHandler(issuer, options);
    onTestFinished(() => handler.close());
    return express().use(async (request, response) => {
      const { method, rawHeaders } = request;
      const headers = new Headers();
      for (let at = 0; at < rawHeaders.length; at += 2) headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
      const body = method === 'POST' ? (Readable.toWeb(request) as ReadableStream) : null;
      const url = `http://here${request.originalUrl}`;
      const answer = await handler.handle(new Request(url, { method, headers, body, duplex: 'half' }));
      response.status(answer.status);
      for (const [name, value] of answer.headers) response.appendHeader(name, value);
      response.flushHeaders();
      const stream = answer.body === null ? undefined : Readable.fromWeb(answer.body as never);
      response.on('close', () => stream?.destroy());
      if (stream === undefined) response.end();
      else stream.pipe(response);
    });
  },
};

async function open(mount: Mount, options: IssuerHttpOptions = {}) {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const kit = await openTestIssuer({ issuer: url, clients: CLIENTS, keyRotation: { algorithm: 'RS256' } });
  server.on('request', mount(kit, { telemetry: silentTelemetry, ...options }));
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await kit.close();
  });
  const login = (storage: 'body' | 'cookie' = 'body'): Promise<TokenAnswer> =>
    kit.issuer.transaction((tx) =>
      tx.beginSession({ sub: 'ada', clientId: 'shop', audience: 'orders', credentialVersion: 1, storage }),
    );
  const post = async (path: string, body: string | Readonly<Record<string, string>>, headers: object = {}) => {
    const text = typeof body === 'string' ? body : new URLSearchParams(body).toString();
    const answer = await fetch(url + path, { method: 'POST', headers: { ...FORM, ...headers }, body: text });
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Record<string, unknown> };
  };
  return { ...kit, url, login, post };
}

describe.each(Object.entries(mounts))('%s', (_name, mount) => {
  test('refreshes, revokes and introspects', async () => {
    const { issuer, login, post } = await open(mount);
    const secret = await issuer.transaction(async (tx) => {
      await tx.clients.put({ clientId: 'api', name: 'API', authMethod: 'client_secret_basic', mayIntrospect: true });
      return tx.clients.addSecret('api');
    });
    const api = { authorization: basicAuthorization('api', secret) };
    const tokens = await login();
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token, client_id: 'shop' };
    const next = await post('/oauth2/token', refresh);
    expect(next).toMatchObject({ status: 200, body: { token_type: 'Bearer', sid: tokens.sid } });
    expect(next.headers.get('cache-control')).toBe('no-store');
    const { access_token: token = '', refresh_token: refreshToken = '' } = next.body as unknown as TokenAnswer;

    expect(await post('/oauth2/introspect', { token }, api)).toMatchObject({ status: 200, body: { active: true } });
    const anonymous = await post('/oauth2/introspect', { token, client_id: 'shop' });
    expect(anonymous).toMatchObject({ status: 401, body: { error: 'invalid_client', code: 'client_invalid' } });
    expect(anonymous.headers.get('www-authenticate')).toBe('Basic realm="rescind", charset="UTF-8"');

    expect(await post('/oauth2/revoke', { token: refreshToken, client_id: 'shop' })).toMatchObject({
      status: 200,
      body: {},
    });
    expect((await post('/oauth2/introspect', { token }, api)).body).toEqual({ active: false });
    expect(await post('/oauth2/token', { ...refresh, refresh_token: refreshToken })).toMatchObject({
      status: 400,
      body: { error: 'invalid_grant' },
    });
  });

  test('answers malformed requests as OAuth defines', async () => {
    const { login, post, url } = await open(mount);
    const { refresh_token: token } = await login();
    const requests: [string, string, Record<string, string>, number, string][] = [
      ['nothing', '', {}, 400, 'invalid_request'],
      ['no client', `grant_type=refresh_token&refresh_token=${token}`, {}, 400, 'invalid_request'],
      [
        'an unknown client',
        `grant_type=refresh_token&refresh_token=${token}&client_id=nobody`,
        {},
        401,
        'invalid_client',
      ],
      ['another client', `grant_type=refresh_token&refresh_token=${token}&client_id=other`, {}, 400, 'invalid_grant'],
      ['an unknown grant', 'grant_type=password&client_id=shop', {}, 400, 'unsupported_grant_type'],
      [
        'a token twice',
        `grant_type=refresh_token&refresh_token=${token}&refresh_token=${token}&client_id=shop`,
        {},
        400,
        'invalid_request',
      ],
      ['no token', 'grant_type=refresh_token&client_id=shop&refresh_token=', {}, 400, 'invalid_request'],
      ['brackets', 'grant_type[]=refresh_token&client_id=shop', {}, 400, 'invalid_request'],
      [
        'a scope of two spaces',
        `grant_type=refresh_token&refresh_token=${token}&client_id=shop&scope=a++b`,
        {},
        400,
        'invalid_request',
      ],
      [
        'a long token',
        `grant_type=refresh_token&refresh_token=${'x'.repeat(600)}&client_id=shop`,
        {},
        400,
        'invalid_request',
      ],
      ['JSON', '{"grant_type":"refresh_token"}', { 'content-type': 'application/json' }, 400, 'invalid_request'],
      ['wrong Basic', 'grant_type=refresh_token', { authorization: 'Basic !' }, 401, 'invalid_client'],
      [
        'two credentials',
        'grant_type=a&client_id=b&client_secret=c',
        { authorization: 'Basic YTpi' },
        400,
        'invalid_request',
      ],
    ];
    for (const [what, body, headers, status, error] of requests) {
      const answer = await post('/oauth2/token', body, headers);
      expect([what, answer.status, answer.body.error]).toEqual([what, status, error]);
      expect([what, answer.headers.get('cache-control')]).toEqual([what, 'no-store']);
      expect(answer.body.code).toEqual(expect.any(String));
    }
    const refresh = { grant_type: 'refresh_token', refresh_token: token, client_id: 'shop' };
    expect((await post('/oauth2/token', refresh)).status).toBe(200);
    const empty = await fetch(`${url}/oauth2/token`, { method: 'POST' });
    expect([empty.status, await empty.json()]).toMatchObject([400, { error: 'invalid_request' }]);
    const wrong = await fetch(`${url}/oauth2/token`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
    expect((await fetch(`${url}/oauth2/nothing`)).status).toBe(404);
  });

  test('refuses two Authorization headers', async () => {
    const { url } = await open(mount);
    const headers = [
      'Authorization',
      'Basic YTpi',
      'Authorization',
      'Basic YTpi',
      'Content-Type',
      FORM['content-type'],
    ];
    const status = await new Promise((resolve, reject) => {
      const sent = send(`${url}/oauth2/token`, { method: 'POST', headers }, (answer) => resolve(answer.statusCode));
      sent.on('error', reject);
      sent.end('grant_type=refresh_token');
    });
    expect([400, 401]).toContain(status);
  });

  test('serves metadata and keys, which may be cached', async () => {
    const { url } = await open(mount, { scopes: ['orders'], publishBeforeMs: 8_000 });
    const get = async (path: string) => {
      const answer = await fetch(url + path);
      return { answer, body: (await answer.json()) as Record<string, unknown> };
    };
    const { answer, body } = await get('/.well-known/oauth-authorization-server');
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(body).toMatchObject({
      issuer: url,
      token_endpoint: `${url}/oauth2/token`,
      jwks_uri: `${url}/.well-known/jwks.json`,
      revocations_endpoint: `${url}/revocations`,
      scopes_supported: ['orders'],
    });
    const keys = await get('/.well-known/jwks.json');
    expect(keys.answer.headers.get('cache-control')).toBe('public, max-age=2, must-revalidate');
    expect(keys.body.keys).toHaveLength(1);
    expect((await get('/.well-known/event-jwks.json')).body.epoch_kid).toEqual(expect.any(String));
    expect((await get('/.well-known/openid-configuration')).body.subject_types_supported).toEqual(['public']);
    const head = await fetch(`${url}/.well-known/jwks.json`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  test('keeps a refresh token in a cookie, for pages of the configured origins', async () => {
    const { login, post, url } = await open(mount, { cors: ['https://app.example'], defaultClientId: 'shop' });
    const { refresh_token: token } = await login('cookie');
    const cookie = `__Host-refresh-shop=${token}`;
    const grant = { grant_type: 'refresh_token' };
    expect(await post('/oauth2/token', grant, { cookie })).toMatchObject({ body: { code: 'csrf_header_missing' } });
    const refreshed = await post('/oauth2/token', grant, {
      cookie,
      'x-rescind-csrf': '1',
      origin: 'https://app.example',
    });
    expect(refreshed.status).toBe(200);
    expect(refreshed.body).not.toHaveProperty('refresh_token');
    expect(refreshed.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-refresh-shop=.{66}; Max-Age=604800; Path=\/; HttpOnly; Secure; SameSite=Strict$/),
    ]);
    expect(refreshed.headers.get('access-control-allow-origin')).toBe('https://app.example');
    const unknown = await post('/oauth2/token', grant, {
      cookie: `__Host-refresh-shop=${'a'.repeat(22)}.${'b'.repeat(43)}`,
      'x-rescind-csrf': '1',
    });
    expect(unknown.body.error).toBe('invalid_grant');
    expect(unknown.headers.getSetCookie()).toEqual([expect.stringContaining('Max-Age=0')]);
    const preflight = await fetch(`${url}/oauth2/token`, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-methods')]).toEqual([204, 'POST']);
    const other = await fetch(`${url}/oauth2/token`, {
      method: 'OPTIONS',
      headers: { origin: 'https://other.example' },
    });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('streams its log to a guard, whose service refuses a revoked token', async () => {
    const { url, issuer, login } = await open(mount, { feedClients: FEED });
    expect((await fetch(`${url}/revocations`)).status).toBe(401);
    const primary = httpTransport({ issuer: url, clientId: 'orders', clientSecret: FEED.orders });
    const denylistPath = `${temporaryDirectory()}/denylist.sqlite`;
    const guarded = guard({ issuer: url, audience: 'orders', feed: { primary }, denylistPath });
    const server = express()
      .get('/', guarded, (_request, response) => void response.json({}))
      .listen(0, '127.0.0.1');
    onTestFinished(async () => {
      server.close();
      server.closeAllConnections();
      await guarded.close();
    });
    await guarded.ready();
    const { access_token: token, sid } = await login();
    const here = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const ask = async () => (await fetch(here, { headers: { authorization: `Bearer ${token}` } })).status;
    expect(await ask()).toBe(200);
    await issuer.transaction((tx) => tx.endSession({ sid, reason: 'logout' }));
    await waitFor('the revocation', async () => (await ask()) === 401);
    await expect(primary.submitEvidence?.('a.b.c')).rejects.toMatchObject({ code: 'event_invalid' });
    const reported = await waitFor('the report of the guard', () => issuer.instances.list()[0]);
    expect(reported).toMatchObject({ service: 'orders', transport: 'http' });
  });

  test('limits wrong credentials of clients by the function of the host', async () => {
    const seen: unknown[] = [];
    const { post } = await open(mount, {
      onClientRefused(_request, refused) {
        seen.push(refused);
        if (seen.length > 1) throw new RescindError('rate_limited', { retryAfter: 30 });
      },
    });
    const wrong = () => post('/oauth2/token', { grant_type: 'refresh_token', client_id: 'nobody' });
    expect((await wrong()).status).toBe(401);
    const limited = await wrong();
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '30']);
    expect(limited.body.error).toBe('temporarily_unavailable');
    expect(seen[0]).toEqual({ clientId: 'nobody', method: 'none' });
  });
});

describe('beside the router', () => {
  test('lets requests pass with a valid token of the issuer, and answers errors as problems', async () => {
    const { url, login, issuer } = await open(({ issuer: own }, options) => {
      const app = express().use(issuerRouter(own, options), express.json());
      app.get('/me', accessToken(own, { audience: 'orders' }), (_request, response: VerifiedResponse) => {
        response.json({ sub: response.locals.token.payload.sub });
      });
      app.post('/echo', (request, response) => void response.json(request.body));
      app.get('/broken', () => {
        throw new Error('a secret');
      });
      return app.use(errorHandler({ telemetry: silentTelemetry }));
    });
    const { access_token: token, sid } = await login();
    const me = async (authorization?: string) => {
      const answer = await fetch(`${url}/me`, authorization === undefined ? {} : { headers: { authorization } });
      return [answer.status, ((await answer.json()) as { code?: string }).code, answer.headers.get('www-authenticate')];
    };
    expect(await me(`Bearer ${token}`)).toEqual([200, undefined, null]);
    expect(await me()).toEqual([401, 'token_missing', 'Bearer']);
    expect((await me('Bearer a b')).slice(0, 2)).toEqual([400, 'request_invalid']);
    await issuer.transaction((tx) => tx.endSession({ sid, reason: 'logout' }));
    const [status, code, challenge] = await me(`Bearer ${token}`);
    expect([status, code]).toEqual([401, 'token_revoked']);
    expect(challenge).toMatch(/^Bearer error="invalid_token"/);
    const malformed = await fetch(`${url}/echo`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"',
    });
    expect([malformed.status, await malformed.json()]).toMatchObject([400, { code: 'request_invalid' }]);
    const broken = await fetch(`${url}/broken`);
    expect([broken.status, await broken.text()]).toEqual([500, expect.not.stringContaining('secret')]);
  });

  test('serves an issuer with a path where the router is mounted, or at the root', async () => {
    for (const at of ['/tenant', '/']) {
      const kit = await openTestIssuer({ issuer: 'https://login.example/tenant' });
      onTestFinished(() => kit.close());
      const app = express().use(at, issuerRouter(kit.issuer, { telemetry: silentTelemetry }));
      const server = app.listen(0, '127.0.0.1');
      onTestFinished(() => void server.close());
      await once(server, 'listening');
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const answer = await fetch(`${url}/tenant/.well-known/jwks.json`);
      expect([at, answer.status]).toEqual([at, 200]);
    }
  });
});
