import { guardSockets } from '@rescind/guard/socket.io';
import { openTestKit } from '@rescind/guard/testing';
import { Server } from 'socket.io';
import { io as connectClient } from 'socket.io-client';
import { expect, test } from 'vitest';
import { listenOnFreePort, openRawSocketIo } from '../../support/socket-clients.ts';
import { waitFor } from '../../support/wait.ts';
import { closing, connected, openSetting, recordOf, refusalOf } from './socket.io-setting.ts';

test('keeps the token out of what other instances get of a socket', async () => {
  const { kit, io, connect } = await openSetting();
  const token = kit.token();
  await connected(connect(token));
  const [remote] = await io.fetchSockets();
  const signature = token.split('.')[2] ?? '';
  expect(JSON.stringify([remote?.data, remote?.handshake])).not.toContain(signature);
});

test('refuses a token in the address', async () => {
  const { kit, url } = await openSetting();
  const socket = connectClient(url, {
    transports: ['websocket'],
    auth: { token: kit.token() },
    query: { token: kit.token() },
    forceNew: true,
    reconnection: false,
  });
  closing.push(() => socket.disconnect());
  expect(await refusalOf(socket)).toMatchObject({ code: 'request_invalid', status: 400, retry: false });
});

test('accepts WebSockets of listed origins only', async () => {
  const { kit, url } = await openSetting();
  const open = async (origin: string | undefined) => {
    const headers: Record<string, string> = origin === undefined ? {} : { origin };
    const client = await openRawSocketIo(url, { token: kit.token() }, { headers }).catch(() => undefined);
    return (
      client !== undefined &&
      (await client.text('40').then(
        () => true,
        () => false,
      ))
    );
  };
  expect(await open('https://app.example')).toBe(true);
  expect(await open(undefined)).toBe(true);
  for (const origin of ['https://other.example', 'null', 'https://app.example.evil.test', 'http://app.example']) {
    const headers = { origin, 'x-forwarded-host': 'app.example' };
    await expect(openRawSocketIo(url, {}, { headers }), origin).rejects.toThrow();
  }
}, 90_000);

test('refuses clients without an origin on request', async () => {
  const { url } = await openSetting({ allowNoOrigin: false });
  await expect(openRawSocketIo(url, {})).rejects.toThrow();
}, 60_000);

test('cuts a connection with a queue, so that nothing leaves the process after the revocation', async () => {
  const { kit, io, url } = await openSetting({ maxBufferedBytes: 64 * 1024 * 1024 });
  const client = await openRawSocketIo(url, { token: kit.token() });
  await client.text('40');
  client.socket.pause();
  const [socket] = [...io.of('/').sockets.values()];
  const chunk = 'x'.repeat(256 * 1024);
  for (let count = 0; count < 80; count += 1) socket?.emit('queued', chunk);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  expect(socket?.connected).toBe(false);
  client.socket.resume();
  await waitFor('the connection is closed', () => client.closed());
  expect(client.closed()?.code).toBe(1006);
  // The kernel had received less than what was buffered.
  expect(client.received.length).toBeLessThan(60);
  expect(client.received.some((text) => text.startsWith('41') || text.includes('session:end'))).toBe(false);
});

test('ends a socket that sends too many messages, and one that sends too large a message', async () => {
  const { kit, url, ends, connect } = await openSetting({ maxMessagesPerSecond: 5 });
  const client = connect(kit.token());
  await connected(client);
  const events = recordOf(client);
  for (let count = 0; count < 20; count += 1) client.emit('hello', count);
  await waitFor('the client is disconnected', () => !client.connected);
  expect(events.at(-2)).toMatchObject(['session:end', { code: 'rate_limited', retry: true }]);
  expect(ends.map(({ code }) => code)).toEqual(['rate_limited']);

  const raw = await openRawSocketIo(url, { token: kit.token() });
  await raw.text('40');
  raw.send(`42["hello","${'x'.repeat(70_000)}"]`);
  await waitFor('the connection is closed', () => raw.closed());
});

test('cuts a client that reads too slowly', async () => {
  const { kit, io, ends, url } = await openSetting({ maxBufferedBytes: 100_000 });
  const client = await openRawSocketIo(url, { token: kit.token() });
  await client.text('40');
  client.socket.pause();
  await waitFor('the client is disconnected', () => {
    io.emit('data', 'x'.repeat(50_000));
    return ends.length > 0;
  });
  expect(ends.map(({ code }) => code)).toEqual(['too_slow']);
});

test('cuts a client for which more than a hundred messages wait for a renewal', async () => {
  const { kit, io, ends, handled, connect } = await openSetting();
  const client = connect(kit.token({ jti: 'first' }));
  await connected(client);
  const events = recordOf(client);
  kit.revoke({ claim: 'jti', value: 'first' });
  await waitFor('the renewal is requested', () => events.length > 0);
  for (let number = 0; number < 100; number += 1) io.emit('waiting', number);
  expect(ends).toEqual([]);
  io.emit('waiting', 100);
  expect(ends).toMatchObject([{ code: 'too_slow', retry: true }]);
  await waitFor('the client is disconnected', () => !client.connected);
  expect(events.filter((event) => JSON.stringify(event).includes('waiting'))).toEqual([]);
  expect(handled).toEqual([]);
});

test('ends the namespaces of one session on a connection, and leaves those of others', async () => {
  const { kit, io, url } = await openSetting();
  io.of('/other').on('connection', (socket) => void socket.on('hello', (value, respond) => respond(value)));
  const client = await openRawSocketIo(url, { token: kit.token({ sid: 'a' }) });
  await client.text('40');
  client.send(`40/other,${JSON.stringify({ token: kit.token({ sid: 'b' }) })}`);
  await client.text('40/other,');
  kit.revoke({ claim: 'sid', value: 'a' });
  await client.text('41');
  client.send('42/other,0["hello",1]');
  expect(await client.text('43/other,0')).toBe('43/other,0[1]');
});

test('guards a namespace that is made later', async () => {
  const { kit, io, connect } = await openSetting();
  io.of(/^\/room-\d+$/);
  io.of('/later');
  expect(await refusalOf(connect('x', '/later'))).toMatchObject({ code: 'token_malformed' });
  expect(await refusalOf(connect('x', '/room-1'))).toMatchObject({ code: 'token_malformed' });
  await connected(connect(kit.token(), '/room-2'));
});

test('offers no polling by default; with it, judges each request', async () => {
  const { url } = await openSetting();
  expect((await fetch(`${url}/socket.io/?EIO=4&transport=polling`)).status).toBe(400);

  const polled = await openSetting({ polling: true });
  const at = `${polled.url}/socket.io/?EIO=4&transport=polling`;
  const opened = await (await fetch(at)).text();
  const { sid } = JSON.parse(opened.slice(1));
  const post = (body: string, headers = {}) => fetch(`${at}&sid=${sid}`, { method: 'POST', body, headers });
  expect((await post(`40${JSON.stringify({ token: polled.kit.token() })}`)).status).toBe(200);
  await waitFor('the socket is connected', () => polled.io.of('/').sockets.size === 1);
  expect((await post('42["hello",1]')).status).toBe(200);
  await waitFor('the event is handled', () => polled.handled.length === 1);
  expect((await post('42["hello",2]', { origin: 'https://other.example' })).status).not.toBe(200);
  polled.kit.revoke({ claim: 'sid', value: 'session-1' });
  expect((await post('42["hello",3]')).status).not.toBe(200);
  expect(polled.handled).toEqual([1]);
});

test('refuses a server that it cannot guard', async () => {
  const kit = openTestKit();
  closing.push(() => kit.close());
  const { server, close } = await listenOnFreePort();
  closing.push(close);
  const guardWith = (options: object) => () => guardSockets(new Server(server, options), kit.guard, { origins: [] });
  expect(guardWith({ connectionStateRecovery: {} })).toThrow(/connectionStateRecovery must be left out/);
  expect(guardWith({ perMessageDeflate: true })).toThrow(/perMessageDeflate must be off/);
  expect(guardWith({ transports: ['websocket', 'webtransport'] })).toThrow(/webtransport/);
  expect(() => guardSockets(new Server(), kit.guard, { origins: [] })).toThrow(/attached/);
  expect(() => guardSockets(new Server(server), kit.guard, { origins: ['https://app.example/'] })).toThrow(
    /origins\[0\]/,
  );
});
