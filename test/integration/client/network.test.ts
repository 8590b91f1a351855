import type { RequestListener } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createSession } from '@rescind/client';
import { createFakeIssuer, createTestClock } from '@rescind/client/test';
import { expect, onTestFinished, test } from 'vitest';
import { LOGIN } from '../../support/client.ts';

/** A server at a port of its own. @returns its origin */
async function listen(respond: RequestListener): Promise<string> {
  const server = createServer(respond);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A session whose API is a real server. */
async function loggedIn(api: string) {
  const { clock } = createTestClock();
  const issuer = createFakeIssuer({ clock });
  const session = createSession({
    issuer: 'https://login.example',
    mode: 'body',
    apis: [api],
    clock,
    fetch: (input, init) => (String(input).startsWith(api) ? fetch(input, init) : issuer.fetch(input, init)),
  });
  await session.login(LOGIN);
  return { session, issuer };
}

test('a request that is redirected to another origin arrives there without the token', async () => {
  const seen: (string | undefined)[] = [];
  const elsewhere = await listen(({ headers }, response) => {
    seen.push(headers.authorization);
    response.end('elsewhere');
  });
  const api = await listen(({ url, headers }, response) => {
    seen.push(headers.authorization);
    if (url === '/here') response.end('here');
    else response.writeHead(302, { location: url === '/away' ? elsewhere : '/here' }).end();
  });
  const { session } = await loggedIn(api);
  const token = `Bearer ${await session.getAccessToken()}`;
  expect(await (await session.fetch(`${api}/within`)).text()).toBe('here');
  expect(await (await session.fetch(`${api}/away`)).text()).toBe('elsewhere');
  expect(seen).toEqual([token, token, token, undefined]);
});

test('an upload that the server cuts off is a network error, which is no refusal: nothing is renewed, nothing repeated', async () => {
  let uploads = 0;
  const api = await listen((request) => {
    uploads += 1;
    request.once('data', () => request.socket.destroy());
  });
  const { session, issuer } = await loggedIn(api);
  const body = new Uint8Array(5_000_000);
  await expect(session.fetch(api, { method: 'PUT', body })).rejects.toThrow(TypeError);
  expect([uploads, issuer.count('/oauth2/token'), session.getSnapshot().status]).toEqual([1, 0, 'active']);
});

test('an upload that the server refuses before it has read the body is renewed and repeated once, or a network error', async () => {
  const refused: string[] = [];
  const api = await listen((request, response) => {
    const { authorization = '' } = request.headers;
    const isFirst = refused.length === 0;
    if (isFirst) refused.push(authorization);
    const status = authorization === refused[0] ? 401 : 200;
    response.writeHead(status, { connection: 'close', 'content-type': 'application/json' });
    response.end('{"code":"token_expired"}');
    if (status === 200) request.resume();
  });
  const { session, issuer } = await loggedIn(api);
  const result = await session.fetch(api, { method: 'PUT', body: new Uint8Array(5_000_000) }).then(
    ({ status }) => [status, issuer.count('/oauth2/token')],
    (error: Error) => [error.name, issuer.count('/oauth2/token')],
  );
  expect([
    [200, 1],
    ['TypeError', 0],
  ]).toContainEqual(result);
  expect(session.getSnapshot().status).toBe('active');
});
