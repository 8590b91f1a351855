import type { Guard } from '@rescind/guard';
import type { TestKit } from '@rescind/guard/testing';
import { openTestKit } from '@rescind/guard/testing';
import type { SessionEnd, WsOptions } from '@rescind/guard/ws';
import { guardWs, tokenOf } from '@rescind/guard/ws';
import { RescindError } from '@rescind/revocation';
import { afterEach, expect, test } from 'vitest';
import type { WebSocket } from 'ws';
import { WebSocketServer } from 'ws';
import type { RawClient, RawOptions } from '../../support/socket-clients.ts';
import { listenOnFreePort, openRawClient } from '../../support/socket-clients.ts';
import { waitFor } from '../../support/wait.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Setting {
  readonly kit: TestKit;
  readonly server: WebSocketServer;
  readonly url: string;
  readonly ends: SessionEnd[];
  readonly handled: string[];
  /** Sockets that the event `connection` has given to the application. */
  readonly connected: WebSocket[];
  open(token?: string, options?: RawOptions): Promise<RawClient>;
  close(): void;
}

async function openSetting(options: Partial<WsOptions> = {}, replaced: Partial<Guard> = {}): Promise<Setting> {
  const kit = openTestKit();
  closing.push(() => kit.close());
  const { server: http, url, close } = await listenOnFreePort();
  closing.push(close);
  const server = new WebSocketServer({ server: http });
  const ends: SessionEnd[] = [];
  const handled: string[] = [];
  const connected: WebSocket[] = [];
  const guarded = guardWs(
    server,
    { ...kit.guard, ...replaced },
    {
      origins: ['https://app.example'],
      onEnd: (_socket, end) => ends.push(end),
      ...options,
    },
  );
  server.on('connection', (socket) => {
    connected.push(socket);
    socket.on('message', (data) => {
      handled.push(data.toString());
      socket.send(`echo ${data.toString()}`);
    });
  });
  const open = async (token?: string, raw?: RawOptions) => {
    const client = await openRawClient(url, raw);
    closing.push(() => client.socket.terminate());
    if (token !== undefined) {
      client.send(JSON.stringify({ type: 'session:start', token }));
      await client.text('{"type":"session:started"}');
    }
    return client;
  };
  return { kit, server, url, ends, handled, connected, open, close: guarded.close };
}

const closed = (client: RawClient) => waitFor('the connection is closed', () => client.closed());

test('gives a connection to the application when its first message has a valid token', async () => {
  const { kit, connected, open } = await openSetting();
  const client = await open(kit.token());
  client.send('hello');
  await client.text('echo hello');
  expect(connected.map((socket) => tokenOf(socket)?.payload.sub)).toEqual(['user-1']);
});

test('takes the token of a subprotocol, and echoes another one', async () => {
  const { kit, open } = await openSetting();
  const client = await open(undefined, { protocols: ['rescind', `rescind.bearer.${kit.token()}`] });
  await client.text('{"type":"session:started"}');
  expect(client.socket.protocol).toBe('rescind');
});

test('accepts, and then closes with a code, whatever it refuses', async () => {
  const { kit, connected, handled, url, open } = await openSetting();
  const start = async (token: unknown) => {
    const client = await open();
    client.send(JSON.stringify({ type: 'session:start', token }));
    return closed(client);
  };
  expect(await start('x')).toEqual({ code: 4502, reason: 'not_allowed' });
  expect(await start(undefined)).toEqual({ code: 4400, reason: 'request_invalid' });
  expect(await start(kit.token({ exp: 1 }))).toEqual({ code: 4401, reason: 'token_expired' });
  const first = await open();
  first.send('hello');
  expect(await closed(first)).toEqual({ code: 4400, reason: 'request_invalid' });

  const inAddress = await openRawClient(`${url}/?token=${kit.token()}`);
  expect(await closed(inAddress)).toEqual({ code: 4400, reason: 'request_invalid' });
  for (const origin of ['https://other.example', 'null']) {
    const client = await open(undefined, { headers: { origin } });
    expect(await closed(client)).toEqual({ code: 4502, reason: 'not_allowed' });
  }
  kit.revoke({ claim: 'sid', value: 'session-1' });
  expect(await start(kit.token())).toEqual({ code: 4501, reason: 'session_ended' });
  kit.makeStale();
  expect(await start(kit.token({ sid: 'other' }))).toEqual({ code: 1013, reason: 'view_stale' });
  expect([connected, handled]).toEqual([[], []]);
});

test('serves a request whose target is no URL', async () => {
  const { kit, open, url } = await openSetting();
  const odd = await openRawClient(`${url}//`);
  odd.send(JSON.stringify({ type: 'session:start', token: kit.token() }));
  await odd.text('{"type":"session:started"}');
  const withToken = await openRawClient(`${url}//?a=1&%74oken=x?`);
  expect(await closed(withToken)).toEqual({ code: 4400, reason: 'request_invalid' });
  await open(kit.token());
});

test('lets a client return whose key was withdrawn between the decision and the start', async () => {
  const watch = () => {
    throw new RescindError('token_key_unknown');
  };
  const { kit, connected, open } = await openSetting({}, { watch });
  const client = await open();
  client.send(JSON.stringify({ type: 'session:start', token: kit.token() }));
  expect(await closed(client)).toEqual({ code: 4401, reason: 'token_expired' });
  expect(connected).toEqual([]);
});

test('keeps little of a client whose first token is not decided yet', async () => {
  const decideOnline = () => new Promise<never>(() => undefined);
  const { kit, open } = await openSetting({ maxBufferedBytes: 200_000 }, { decideOnline });
  const client = await open();
  client.send(JSON.stringify({ type: 'session:start', token: kit.token() }));
  for (let count = 0; count < 4; count += 1) client.send('x'.repeat(60_000));
  expect(await closed(client)).toEqual({ code: 4429, reason: 'rate_limited' });
});

test('ends a connection in the tick of the revocation, and handles and sends nothing afterwards', async () => {
  const { kit, server, ends, handled, open } = await openSetting();
  const client = await open(kit.token());
  const before = client.received.length;
  // Sent before the revocation, and received after it.
  for (let count = 0; count < 5; count += 1) client.send(`late ${count}`);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  for (const socket of server.clients) socket.send('secret');
  expect(await closed(client)).toEqual({ code: 4501, reason: 'session_ended' });
  expect(client.received.slice(before)).toEqual([
    '{"type":"session:end","code":"session_ended","retry":false,"after_ms":0}',
  ]);
  expect(handled).toEqual([]);
  expect(ends.map(({ code }) => code)).toEqual(['session_ended']);
});

test('sends nothing to a client without a session, not even a broadcast to all', async () => {
  const { server, open } = await openSetting();
  const client = await open();
  await waitFor('the server has the client', () => server.clients.size === 1);
  for (const socket of server.clients) socket.send('secret');
  client.send('hello');
  await closed(client);
  expect(client.received.filter((text) => !text.includes('session:end'))).toEqual([]);
});

test('cuts a connection with a queue', async () => {
  const { kit, connected, open } = await openSetting({ maxBufferedBytes: 64 * 1024 * 1024 });
  const client = await open(kit.token());
  client.socket.pause();
  for (let count = 0; count < 80; count += 1) connected[0]?.send('x'.repeat(256 * 1024));
  kit.revoke({ claim: 'sid', value: 'session-1' });
  client.socket.resume();
  expect((await closed(client)).code).toBe(1006);
  expect(client.received.length).toBeLessThan(60);
});

test('cuts a client that does not answer the close', async () => {
  const { kit, server, open } = await openSetting();
  const client = await open(kit.token());
  client.socket.pause();
  kit.revoke({ claim: 'sid', value: 'session-1' });
  await waitFor('the server has cut the connection', () => server.clients.size === 0);
});

test('renews in place, and refuses the token of another session', async () => {
  const { kit, open } = await openSetting();
  const client = await open(kit.token({ jti: 'first' }));
  kit.revoke({ claim: 'jti', value: 'first' });
  expect(await client.text('{"type":"session:renew"')).toContain('"code":"token_revoked"');
  client.send('held');
  client.send(JSON.stringify({ type: 'session:renew', token: kit.token({ jti: 'second' }) }));
  await client.text('{"type":"session:renewed","ok":true}');
  await client.text('echo held');
  client.send(JSON.stringify({ type: 'session:renew', token: kit.token({ sub: 'user-2' }) }));
  expect(await closed(client)).toEqual({ code: 4502, reason: 'not_allowed' });
});

test('ends with the expiry of the token, and with a login that is too old', async () => {
  const { kit, open } = await openSetting({ maxAuthAgeSeconds: 600 });
  const client = await open(kit.token());
  kit.clock.advance(601_000);
  client.send('hello');
  expect(await closed(client)).toEqual({ code: 4403, reason: 'step_up' });
  const other = await open(kit.token());
  kit.clock.advance(901_000);
  expect(await closed(other)).toEqual({ code: 4401, reason: 'token_expired' });
});

test('limits size, rate and what a client leaves unread', async () => {
  const { kit, ends, connected, open } = await openSetting({ maxMessagesPerSecond: 5, maxBufferedBytes: 100_000 });
  const large = await open(kit.token());
  large.send('x'.repeat(70_000));
  expect((await closed(large)).code).toBe(1009);
  const many = await open(kit.token());
  for (let count = 0; count < 20; count += 1) many.send('hello');
  expect(await closed(many)).toEqual({ code: 4429, reason: 'rate_limited' });
  const slow = await open(kit.token());
  slow.socket.pause();
  const socket = connected.at(-1);
  await waitFor('the client is disconnected', () => {
    socket?.send('x'.repeat(50_000));
    return ends.some(({ code }) => code === 'too_slow');
  });
});

test('ends all for the stop of the service', async () => {
  const { kit, open, close } = await openSetting();
  const client = await open(kit.token());
  close();
  expect(await closed(client)).toEqual({ code: 1013, reason: 'unavailable' });
  expect((await closed(await open())).code).toBe(1013);
});

test('refuses a server with compression', async () => {
  const kit = openTestKit();
  closing.push(() => kit.close());
  const server = new WebSocketServer({ noServer: true, perMessageDeflate: true });
  expect(() => guardWs(server, kit.guard, { origins: [] })).toThrow(/perMessageDeflate must be off/);
});
