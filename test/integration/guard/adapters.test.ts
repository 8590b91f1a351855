import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Guard } from '@rescind/guard';
import { createGuard } from '@rescind/guard';
import { silentTelemetry } from '@rescind/revocation';
import express4 from 'express4';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startProcess } from '../../support/process.ts';
import { waitFor } from '../../support/wait.ts';
import type { TestIssuer } from './issuer.ts';
import { AUDIENCE, openTestIssuer } from './issuer.ts';
import { ask, freshPath } from './setting.ts';

const examples = fileURLToPath(new URL('../../../examples/adapters', import.meta.url));

/** An application of a framework, by the members that the test uses. */
interface Application extends RequestListener {
  listen(options: object | number, host?: string): Promise<string>;
  getUrl(): Promise<string>;
  close(): Promise<void>;
}

/** Creates the application of an example. The examples are compiled by a configuration of their own, so that the compiler of this file does not read them. */
async function create(name: string, ...parameters: unknown[]): Promise<Application> {
  const { createApp } = (await import(`${examples}/${name}.ts`)) as { createApp(...given: unknown[]): Application };
  return createApp(...parameters);
}

/** Serves on a free port of 127.0.0.1, and returns the address. */
async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Each framework with its real server. */
const FRAMEWORKS: Readonly<Record<string, (guard: Guard, issuer: TestIssuer) => Promise<string>>> = {
  express: async (guard) => listen(await create('express', guard)),
  'express 4': async (guard) => listen(await create('express', guard, express4)),
  async fastify(guard) {
    const app = await create('fastify', guard);
    onTestFinished(() => app.close());
    return app.listen({ host: '127.0.0.1', port: 0 });
  },
  async nestjs(guard) {
    const app = await create('nestjs', guard);
    onTestFinished(() => app.close());
    await app.listen(0, '127.0.0.1');
    return app.getUrl();
  },
  'express-jwt': async (guard, issuer) => listen(await create('express-jwt', guard, issuer.key.publicKey)),
  passport: async (guard) => listen(await create('passport', guard)),
  hono: async (guard) => listen(await create('hono', guard)),
};

/** Frameworks that refuse a request without a token themselves. */
const FOREIGN: ReadonlySet<string> = new Set(['express-jwt', 'passport']);

async function openGuarded() {
  const issuer = await openTestIssuer();
  const guard = createGuard({
    issuer: issuer.url,
    audience: AUDIENCE,
    feed: { primary: issuer.transport() },
    denylistPath: freshPath(),
  });
  onTestFinished(() => guard.close());
  await guard.ready();
  return { issuer, guard };
}

describe.each(Object.entries(FRAMEWORKS))('%s', (name, serve) => {
  test('passes a valid token with its identity, and refuses it once it is revoked', async () => {
    const { issuer, guard } = await openGuarded();
    const url = await serve(guard, issuer);
    const token = issuer.token({ sub: 'ada' });
    expect(await ask(`${url}/prices`, token)).toMatchObject({ status: 200, body: { for: 'ada' } });

    issuer.revoke({ claim: 'sid', value: 'session-1' });
    await waitFor('the guard refuses the token', async () => (await ask(`${url}/prices`, token)).status === 401);
    expect(await ask(`${url}/prices`, token)).toMatchObject({
      status: 401,
      body: { error: 'invalid_token', code: 'token_revoked', message: expect.any(String) },
      challenge: expect.stringMatching(/^Bearer error="invalid_token"/),
      cacheControl: 'no-store',
    });
  });

  test('refuses a missing scope with 403 and the scope', async () => {
    const { issuer, guard } = await openGuarded();
    const url = `${await serve(guard, issuer)}/prices/premium`;
    expect(await ask(url, issuer.token({ scope: 'prices:premium' }))).toMatchObject({ status: 200 });
    expect(await ask(url, issuer.token({ scope: 'prices:read' }))).toMatchObject({
      status: 403,
      body: { error: 'insufficient_scope', code: 'scope_insufficient' },
      challenge: expect.stringContaining('scope="prices:premium"'),
    });
  });

  test('refuses an old authentication with the challenge of a step-up (RFC 9470)', async () => {
    const { issuer, guard } = await openGuarded();
    const url = `${await serve(guard, issuer)}/transfers`;
    const now = Math.floor(Date.now() / 1000);
    const post = (token: string) => ask(url, token, { method: 'POST' });
    expect(await post(issuer.token({ auth_time: now - 10 }))).toMatchObject({ status: 200, body: { status: 'done' } });
    expect(await post(issuer.token({ auth_time: now - 3_600 }))).toMatchObject({
      status: 401,
      body: { error: 'insufficient_user_authentication', code: 'authentication_insufficient' },
      challenge: expect.stringContaining('max_age="300"'),
    });
  });

  test('responds 503 with Retry-After before the guard has caught up', async () => {
    const issuer = await openTestIssuer();
    issuer.feedIsOpen = false;
    const options = { issuer: issuer.url, audience: AUDIENCE, denylistPath: freshPath() };
    const guard = createGuard({ ...options, feed: { primary: issuer.transport() }, telemetry: silentTelemetry });
    onTestFinished(() => guard.close());
    const url = await serve(guard, issuer);
    const token = issuer.token();
    const answer = await waitFor('the keys are there', async () => {
      const one = await ask(`${url}/prices`, token);
      return one.body.code === 'view_not_ready' ? one : undefined;
    });
    expect(answer).toMatchObject({ status: 503, retryAfter: '1', challenge: null });
  });

  test('refuses a request without a token, and one with a token in the address', async () => {
    const { issuer, guard } = await openGuarded();
    const url = `${await serve(guard, issuer)}/prices`;
    if (FOREIGN.has(name)) return expect((await fetch(url)).status).toBe(401);
    expect(await ask(url)).toMatchObject({ status: 401, body: { code: 'token_missing' }, challenge: 'Bearer' });
    expect(await ask(`${url}?access_token=${issuer.token()}`, issuer.token())).toMatchObject({
      status: 400,
      body: { code: 'request_invalid' },
    });
  });
});

describe('graphql-yoga', () => {
  async function openGraphQL() {
    const issuer = await openTestIssuer();
    const options = { issuer: issuer.url, clientSecret: 'a-secret-of-the-reader', denylistPath: freshPath() };
    const file = fileURLToPath(new URL('./serve-graphql.ts', import.meta.url));
    const service = startProcess(file, {}, [JSON.stringify({ ...options, example: `${examples}/graphql-yoga.ts` })]);
    const url = `${(await service.line('listening')).url}/graphql`;
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const run = (query: string, token?: string) =>
      ask(url, token, { method: 'POST', headers, body: JSON.stringify({ query }) });
    return { issuer, run };
  }

  test('has the identity in the context, and refuses the operation once the token is revoked', async () => {
    const { issuer, run } = await openGraphQL();
    const token = issuer.token({ sub: 'ada' });
    expect(await run('{ user }', token)).toMatchObject({ status: 200, body: { data: { user: 'ada' } } });
    issuer.revoke({ claim: 'sid', value: 'session-1' });
    await waitFor('the guard refuses the token', async () => (await run('{ user }', token)).status === 401);
    expect(await run('{ user }', token)).toMatchObject({
      status: 401,
      body: { errors: [{ extensions: { code: 'token_revoked' } }] },
      challenge: expect.stringMatching(/^Bearer error="invalid_token"/),
    });
    expect(await run('{ user }')).toMatchObject({ status: 401, challenge: 'Bearer' });
  });

  test('refuses a field without its scope, and one with an old authentication', async () => {
    const { issuer, run } = await openGraphQL();
    expect(await run('{ premium }', issuer.token({ scope: 'prices:premium' }))).toMatchObject({
      status: 200,
      body: { data: { premium: [] } },
    });
    expect(await run('{ premium }', issuer.token({ scope: 'prices:read' }))).toMatchObject({
      status: 403,
      body: { errors: [{ extensions: { code: 'scope_insufficient' } }] },
      challenge: expect.stringContaining('scope="prices:premium"'),
    });
    const authTime = Math.floor(Date.now() / 1000) - 3_600;
    expect(await run('mutation { transfer }', issuer.token({ auth_time: authTime }))).toMatchObject({
      status: 401,
      body: { errors: [{ extensions: { code: 'authentication_insufficient' } }] },
      challenge: expect.stringContaining('max_age="300"'),
    });
  });
});

describe('probes', () => {
  test.each(['express', 'fastify', 'nestjs', 'hono'])('%s serves readiness and metrics', async (name) => {
    const { issuer, guard } = await openGuarded();
    const url = (await FRAMEWORKS[name]?.(guard, issuer)) ?? '';
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ checks: expect.any(Array) });
    const metrics = await fetch(`${url}/metrics`);
    expect(metrics.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(await metrics.text()).toContain('rescind_ready 1\n');
    expect((await fetch(`${url}/other`)).status).toBe(404);
  });
});

test('the examples compile, with the skipLibCheck that most projects set', () => {
  const compiler = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url));
  const { status, stdout } = spawnSync(process.execPath, [compiler, '--noEmit', '-p', examples], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([0, '']);
});

test.each(readdirSync(examples).filter((name) => name.endsWith('.ts')))(
  'docs/adapters.md has the example %s',
  (name) => {
    const page = readFileSync(new URL('../../../docs/adapters.md', import.meta.url), 'utf8');
    expect(page).toContain(readFileSync(`${examples}/${name}`, 'utf8').trim());
  },
);
