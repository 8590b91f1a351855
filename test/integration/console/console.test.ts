import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { operatorConsole } from '@rescind/console';
import { openService } from '@rescind/service';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';

/** A request that the stand-in of user-management has received. */
interface Received {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

type Responses = Record<string, { readonly status?: number; readonly body?: object; readonly headers?: object }>;

const OPERATIONS = ['listInstances', 'listRevocations', 'getRevocation', 'listEvents'];
const ME = { now: 1, who: 'sub:ada', username: 'ada', scopes: ['admin:users'], operations: OPERATIONS };
const accessToken = (name: string) =>
  `x.${Buffer.from(JSON.stringify({ scope: 'admin:users', name })).toString('base64url')}.x`;

/** A stand-in of user-management whose responses the test changes, and the console before it. */
async function start() {
  const received: Received[] = [];
  /** By the path. A name of an operator: `ended` refuses its tokens. */
  const responses: Responses = {};
  const ended = new Set<string>();
  /** The next request of a path waits for this. */
  const holds = new Map<string, Promise<void>>();
  let tokens = 0;
  const answerOf = ({ path, body, authorization = '' }: Received) => {
    const response = responses[path.split('?')[0] ?? ''];
    if (response !== undefined) return response;
    if (path === '/login') return { body: issue(JSON.parse(body).username) };
    const form = new URLSearchParams(body);
    if (path === '/oauth2/token') {
      const [name = ''] = (form.get('refresh_token') ?? '').split(' ');
      return ended.has(name) ? { status: 400, body: { error: 'invalid_grant' } } : { body: issue(name) };
    }
    const isEnded = [...ended].some((name) => authorization.includes(accessToken(name).slice(2, -2)));
    if (path.startsWith('/admin/') && isEnded) return { status: 401, body: { code: 'token_revoked' } };
    return { body: path === '/admin/me' ? ME : { now: 1, items: [] } };
  };
  const issue = (name: string) => {
    tokens += 1;
    return { access_token: accessToken(name), refresh_token: `${name} ${tokens}`, expires_in: 300 };
  };
  const issuer = createServer(async (request, response) => {
    const one = {
      ...{ method: request.method ?? '', path: request.url ?? '', body: await textOf(request) },
      authorization: request.headers.authorization,
    };
    received.push(one);
    const hold = holds.get(one.path);
    holds.delete(one.path);
    await hold;
    const { status = 200, body = {}, headers = {} } = answerOf(one) as Responses[string];
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`;
  const page = temporaryDirectory();
  mkdirSync(join(page, 'assets'));
  writeFileSync(join(page, 'index.html'), '<!doctype html>');
  const lines: string[] = [];
  const running = await openService(
    operatorConsole,
    { PORT: '0', MANAGEMENT_PORT: '0', ISSUER: address, ADMIN_URL: address, PAGE_PATH: page },
    { write: (line: string) => void lines.push(line) },
  );
  onTestFinished(async () => {
    await running.close();
    issuer.closeAllConnections();
    issuer.close();
  });
  const own = { 'X-Rescind-CSRF': '1' };
  const call = (path: string, init: RequestInit & { readonly headers?: Record<string, string> } = {}) =>
    fetch(`${running.url}/api${path}`, { ...init, headers: { ...own, ...init.headers } });
  const json = (body: object) => ({
    ...{ method: 'POST', body: JSON.stringify(body) },
    headers: { 'Content-Type': 'application/json' },
  });
  /** Logs in. @returns the header of the cookie */
  const login = async (username: string): Promise<{ readonly cookie: string }> => {
    const response = await call('/login', json({ username, password: `${username}'s password` }));
    expect(response.status).toBe(204);
    return { cookie: (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '' };
  };
  return { url: running.url, received, responses, ended, holds, lines, call, json, login };
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

test('keeps the tokens, and sends the page with a policy that runs no text', async () => {
  const { url, call, json, lines } = await start();
  const response = await call('/login', json({ username: 'ada', password: 'correct horse' }));
  const cookie = response.headers.get('set-cookie') ?? '';
  expect(cookie).toMatch(/^__Host-rescind-console=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
  const page = await fetch(`${url}/people/x`);
  expect(page.headers.get('cache-control')).toBe('no-store');
  const policy = page.headers.get('content-security-policy') ?? '';
  for (const directive of ["default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"])
    expect(policy).toContain(directive);
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toContain('unsafe');
  const log = lines.join('');
  for (const secret of ['correct horse', 'access_token', accessToken('ada'), cookie.split(/[=;]/)[1] ?? ''])
    expect(log).not.toContain(secret);
});

test('refuses every call below /api that another origin can send', async () => {
  const { call, url, login, received } = await start();
  const headers = await login('ada');
  const before = received.length;
  const foreign = [
    { ...headers, 'X-Rescind-CSRF': '' },
    { ...headers, 'Sec-Fetch-Site': 'cross-site' },
    { ...headers, 'Sec-Fetch-Site': 'same-site' },
    { ...headers, 'Sec-Fetch-Site': 'none' },
  ];
  for (const one of foreign) {
    for (const [method, path] of [
      ['GET', '/admin/me'],
      ['GET', '/stream'],
      ['POST', '/login'],
      ['POST', '/logout'],
      ['POST', '/step-up'],
      ['POST', '/admin/revocations'],
    ] as const) {
      const response = await call(path, { method, headers: one });
      expect([path, response.status, await response.json()]).toMatchObject([path, 403, { code: 'request_foreign' }]);
    }
  }
  const preflight = await fetch(`${url}/api/login`, {
    method: 'OPTIONS',
    headers: { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'POST' },
  });
  expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
  expect(received).toHaveLength(before);
});

test('forwards the calls of the page, and no other path, method or spelling', async () => {
  const { url, login, received } = await start();
  const { cookie } = await login('ada');
  const send = (method: string, path: string) =>
    new Promise<number>((resolve, reject) => {
      const { hostname, port } = new URL(url);
      // `fetch` would normalize the path.
      const headers = { cookie, 'x-rescind-csrf': '1', 'content-type': 'application/json' };
      const sent = httpRequest({ agent: false, hostname, port, method, path, headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.on('error', reject);
      sent.end(method === 'GET' ? undefined : '{}');
    });
  expect(await send('GET', '/api/admin/users?prefix=a')).toBe(200);
  expect(received.at(-1)).toMatchObject({
    path: '/admin/users?prefix=a',
    authorization: `Bearer ${accessToken('ada')}`,
  });
  const before = received.length;
  for (const [method, path] of [
    ['POST', '/api/admin/users'],
    ['POST', '/api/admin/users/ada/remove'],
    ['POST', '/api/admin/users/ada/scopes'],
    ['GET', '/api/admin/openapi.json'],
    ['GET', '/api/oauth2/token'],
    ['GET', '/api/admin/users/../openapi.json'],
    ['GET', '/api/admin/users/%2e%2e'],
    ['GET', '/api/admin/users/x%2f..%2f..'.replaceAll('%2f', '\\')],
    ['GET', '/api/admin/users/..'],
    ['GET', '/api//admin/users'],
    ['GET', '/api/admin/users/a#/../../login'],
    ['PUT', '/api/admin/clients/web'],
    ['DELETE', '/api/admin/sessions/x'],
    ['HEAD', '/api/admin/users'],
  ] as const) {
    expect([path, await send(method, path)]).toEqual([path, expect.toSatisfy((status: number) => status >= 400)]);
  }
  expect(received).toHaveLength(before);
});

test('passes on neither a redirect nor a header of user-management', async () => {
  const { call, login, responses } = await start();
  const headers = await login('ada');
  responses['/admin/users'] = { status: 302, headers: { Location: 'https://evil.example/', 'Set-Cookie': 'a=b' } };
  const response = await call('/admin/users', { headers, redirect: 'manual' });
  expect([response.status, response.headers.get('location'), response.headers.get('set-cookie')]).toEqual([
    ...[502, null, null],
  ]);
});

test('a logout that user-management did not receive is no success, clears the cookie and ends the session here', async () => {
  const { call, login, responses, received } = await start();
  const headers = await login('ada');
  responses['/oauth2/revoke'] = { status: 503 };
  const refused = await call('/logout', { method: 'POST', headers });
  expect([refused.status, await refused.json()]).toMatchObject([502, { code: 'issuer_unreachable' }]);
  expect(refused.headers.get('set-cookie')).toContain('Max-Age=0');
  expect((await call('/admin/me', { headers })).status).toBe(401);
  // It is sent again without the operator.
  delete responses['/oauth2/revoke'];
  const revocations = () => received.filter(({ path }) => path === '/oauth2/revoke');
  await waitFor('the revocation', () => revocations().length === 2, 20_000);
  expect(new URLSearchParams(revocations()[1]?.body).get('token')).toBe('ada 1');
});

test('sends a previewed command only if it would end no more sessions by now', async () => {
  const { call, login, json, responses, received } = await start();
  const { cookie } = await login('ada');
  const command = json({ cutoffs: [{ claim: 'iss' }], why: 'a test' });
  const act = async (counted: string) => {
    const headers = { ...command.headers, cookie, 'X-Previewed-Sessions': counted };
    return (await call('/admin/revocations', { ...command, headers })).status;
  };
  const preview = '/admin/revocations/preview';
  responses[preview] = { body: { sessions: 5 } };
  expect([await act('4'), await act('many'), await act('')]).toEqual([409, 409, 409]);
  responses[preview] = { status: 503, body: { code: 'storage_unavailable' } };
  expect(await act('5')).toBe(503);
  responses[preview] = { body: {} };
  expect(await act('5')).toBe(502);
  expect(received.filter(({ path }) => path === '/admin/revocations')).toEqual([]);
  responses[preview] = { body: { sessions: 5 } };
  expect(await act('5')).toBe(200);
  expect(received.at(-1)).toMatchObject({ method: 'POST', path: '/admin/revocations', body: command.body });
});

test('the end of the session of one operator ends no stream of another', async () => {
  const { call, login, ended, responses, holds, received } = await start();
  const [ada, bob] = [await login('ada'), await login('bob')];
  const stopped = new AbortController();
  const frames = { ada: '', bob: '' };
  const done = new Set<string>();
  const follow = async (name: 'ada' | 'bob', headers: Record<string, string>) => {
    const { body } = await call('/stream', { headers, signal: stopped.signal });
    const decoder = new TextDecoder();
    for await (const chunk of body ?? []) frames[name] += decoder.decode(chunk, { stream: true });
    done.add(name);
  };
  // The request that both share is that of ada.
  const held = Promise.withResolvers<void>();
  holds.set('/admin/instances', held.promise);
  const ofAda = follow('ada', ada);
  const asked = (path: string, name: string) =>
    received.filter((one) => one.path === path && one.authorization === `Bearer ${accessToken(name)}`).length;
  await waitFor('the shared request', () => asked('/admin/instances', 'ada') === 1, 10_000);
  const following = Promise.allSettled([ofAda, follow('bob', bob)]);
  await waitFor('the stream of bob', () => asked('/admin/me', 'bob') === 1, 10_000);
  expect((await call('/admin/me', { headers: bob })).status).toBe(200);
  ended.add('ada');
  held.resolve();
  await waitFor('the end', () => done.has('ada'), 10_000);
  expect(frames.ada).toContain('event: ended');
  await waitFor('a beat', () => frames.bob.includes('event: beat'), 10_000);
  // A response of another shape, as of a proxy, ends no stream either.
  for (const path of ['/admin/instances', '/admin/revocations', '/admin/events']) responses[path] = { body: [] };
  const beats = () => frames.bob.split('event: beat').length;
  const before = beats();
  await waitFor('more beats', () => beats() > before + 3, 10_000);
  expect(done.has('bob')).toBe(false);
  stopped.abort();
  await following;
});

test.each(['/admin/me', '/admin/instances', '/admin/revocations', '/admin/events'])(
  'a stream sends no beat while %s is unavailable: what it has sent before is not present any more',
  async (path) => {
    const { call, login, responses } = await start();
    const headers = await login('ada');
    const stopped = new AbortController();
    const { body } = await call('/stream', { headers, signal: stopped.signal });
    let frames = '';
    const decoder = new TextDecoder();
    const reading = (async () => {
      for await (const chunk of body ?? []) frames += decoder.decode(chunk, { stream: true });
    })().catch(() => undefined);
    const count = (type: string) => frames.split(`event: ${type}\n`).length - 1;
    await waitFor('a beat', () => count('beat') > 0, 10_000);
    responses[path] = { status: 503, body: { code: 'storage_unavailable' } };
    await waitFor('a frame that says so', () => count('unreachable') > 0, 10_000);
    const before = count('beat');
    await waitFor('more such frames', () => count('unreachable') > 3, 10_000);
    expect(count('beat')).toBe(before);
    delete responses[path];
    await waitFor('a beat', () => count('beat') > before, 10_000);
    expect(count('begin')).toBe(1);
    stopped.abort();
    await reading;
  },
);
