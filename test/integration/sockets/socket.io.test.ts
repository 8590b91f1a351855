import type { SessionEnd, SocketIoOptions } from '@rescind/guard/socket.io';
import { guardSockets, tokenOf } from '@rescind/guard/socket.io';
import type { TestKit } from '@rescind/guard/testing';
import { openTestKit } from '@rescind/guard/testing';
import { Server } from 'socket.io';
import type { Socket as ClientSocket } from 'socket.io-client';
import { io as connectClient } from 'socket.io-client';
import { afterEach, expect, test } from 'vitest';
import { listenOnFreePort, openRawSocketIo } from '../../support/socket-clients.ts';
import { waitFor } from '../../support/wait.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Setting {
  readonly kit: TestKit;
  readonly io: Server;
  readonly url: string;
  readonly ends: SessionEnd[];
  /** What handlers have received. */
  readonly handled: unknown[];
  connect(token: unknown, namespace?: string): ClientSocket;
}

async function openSetting(options: Partial<SocketIoOptions> = {}, ttlMs?: number): Promise<Setting> {
  const kit = openTestKit({ ttlMs });
  closing.push(() => kit.close());
  const { server, url, close } = await listenOnFreePort();
  closing.push(close);
  const io = new Server(server);
  closing.push(() => io.disconnectSockets(true));
  const ends: SessionEnd[] = [];
  const handled: unknown[] = [];
  guardSockets(io, kit.guard, {
    origins: ['https://app.example'],
    onEnd: (_socket, end) => ends.push(end),
    ...options,
  });
  io.on('connection', (socket) => {
    socket.on('hello', (value: unknown, respond?: (value: unknown) => void) => {
      handled.push(value);
      respond?.(value);
    });
  });
  const connect = (token: unknown, namespace = '') => {
    const socket = connectClient(`${url}${namespace}`, {
      transports: ['websocket'],
      auth: { token },
      forceNew: true,
      reconnection: false,
    });
    closing.push(() => socket.disconnect());
    return socket;
  };
  return { kit, io, url, ends, handled, connect };
}

/** Resolves with the data of `connect_error`. */
const refusalOf = (socket: ClientSocket) =>
  new Promise<Record<string, unknown>>((resolve, reject) => {
    socket.on('connect', () => reject(new Error('it connected')));
    socket.on('connect_error', (error: Error & { data?: Record<string, unknown> }) =>
      resolve(error.data ?? { message: error.message }),
    );
  });

const connected = (socket: ClientSocket) => waitFor('the client is connected', () => socket.connected);

/** Everything that a client gets, in order. */
function recordOf(socket: ClientSocket): unknown[] {
  const events: unknown[] = [];
  socket.onAny((...event) => events.push(event));
  socket.on('disconnect', (reason) => events.push(['disconnect', reason]));
  return events;
}

test('connects a client with a valid token, with its claims and rooms', async () => {
  const { kit, io, connect } = await openSetting();
  const client = connect(kit.token());
  await connected(client);

  const [socket] = [...io.of('/').sockets.values()];
  expect(socket?.data.auth.payload.sub).toBe('user-1');
  expect([...(socket?.rooms ?? [])]).toEqual(expect.arrayContaining(['sid:session-1', 'sub:user-1']));
  expect(socket && tokenOf(socket)?.payload.sid).toBe('session-1');
  expect(await client.emitWithAck('hello', 1)).toBe(1);
});

test('keeps the token out of what other instances get of a socket', async () => {
  const { kit, io, connect } = await openSetting();
  const token = kit.token();
  await connected(connect(token));
  const [remote] = await io.fetchSockets();
  const signature = token.split('.')[2] ?? '';
  expect(JSON.stringify([remote?.data, remote?.handshake])).not.toContain(signature);
});

test('refuses a handshake without a usable token, with code, status and whether to try again', async () => {
  const { kit, connect } = await openSetting();
  expect(await refusalOf(connect(undefined))).toMatchObject({ code: 'token_missing', status: 401, retry: false });
  expect(await refusalOf(connect({ a: kit.token() }))).toMatchObject({ code: 'token_malformed', retry: false });
  expect(await refusalOf(connect('x'.repeat(20_000)))).toMatchObject({ code: 'token_malformed', retry: false });
  expect(await refusalOf(connect(kit.token({ exp: 1 })))).toMatchObject({ code: 'token_expired', retry: true });
  kit.revoke({ claim: 'sid', value: 'session-2' });
  expect(await refusalOf(connect(kit.token({ sid: 'session-2' })))).toMatchObject({
    code: 'token_revoked',
    end: 'session_ended',
    retry: false,
  });
  kit.makeStale();
  expect(await refusalOf(connect(kit.token()))).toMatchObject({ code: 'view_stale', status: 503, retry: true });
});

test('asks for a scope as a route does', async () => {
  const { kit, connect } = await openSetting({ scopes: ['play'] });
  expect(await refusalOf(connect(kit.token()))).toMatchObject({ code: 'scope_insufficient', end: 'not_allowed' });
  await connected(connect(kit.token({ scope: 'play' })));
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

test('ends a socket in the tick of the revocation, with its reason, and sends nothing afterwards', async () => {
  const { kit, io, ends, connect } = await openSetting();
  const client = connect(kit.token());
  await connected(client);
  const events = recordOf(client);

  kit.revoke({ claim: 'sid', value: 'session-1' });
  io.to('sub:user-1').emit('secret');
  for (const socket of io.of('/').sockets.values()) socket.emit('secret');

  await waitFor('the client is disconnected', () => !client.connected);
  expect(events).toEqual([
    ['session:end', { code: 'session_ended', retry: false, after_ms: 0 }],
    ['disconnect', 'io server disconnect'],
  ]);
  expect(ends.map(({ code }) => code)).toEqual(['session_ended']);
  expect(io.of('/').sockets.size).toBe(0);
});

test('ends the sockets of a session, of a user and of a token, and no others', async () => {
  const { kit, connect } = await openSetting();
  const clients = {
    session: connect(kit.token({ sub: 'a', sid: 'a1' })),
    user: connect(kit.token({ sub: 'b', sid: 'b1' })),
    token: connect(kit.token({ sub: 'c', sid: 'c1', jti: 'c-token' })),
    other: connect(kit.token({ sub: 'd', sid: 'd1' })),
  };
  for (const client of Object.values(clients)) await connected(client);
  kit.revoke({ claim: 'sid', value: 'a1' });
  kit.revoke({ claim: 'sub', value: 'b' });
  kit.revoke({ claim: 'jti', value: 'c-token', endsSession: true });
  for (const name of ['session', 'user', 'token'] as const)
    await waitFor(`${name} ends`, () => !clients[name].connected);
  expect(await clients.other.emitWithAck('hello', 1)).toBe(1);

  kit.revoke({ claim: 'client_id', value: 'app-1' });
  await waitFor('all ends', () => !clients.other.connected);
});

test('leaves a token alone that was issued after the cut-off of its user', async () => {
  const { kit, connect } = await openSetting();
  kit.revoke({ claim: 'sub', value: 'user-1' });
  const client = connect(kit.token());
  await connected(client);
  expect(await client.emitWithAck('hello', 1)).toBe(1);
});

test('refuses a socket that is revoked while a middleware runs', async () => {
  const { kit, io, connect } = await openSetting();
  const gate = Promise.withResolvers<void>();
  let isIn = false;
  io.use((_socket, next) => {
    isIn = true;
    gate.promise.then(() => next());
  });
  const client = connect(kit.token());
  const refusal = refusalOf(client);
  await waitFor('the middleware runs', () => isIn);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  gate.resolve();
  expect(await refusal).toMatchObject({ code: 'token_revoked', end: 'session_ended', retry: false });
  expect(io.of('/').sockets.size).toBe(0);
});

test('handles no event and no acknowledgement of a raw client after the revocation', async () => {
  const { kit, io, url, handled } = await openSetting();
  const client = await openRawSocketIo(url, { token: kit.token() });
  await client.text('40');
  const [socket] = [...io.of('/').sockets.values()];
  let isAcknowledged = false;
  socket?.emit('question', () => {
    isAcknowledged = true;
  });
  const question = await client.text('42');
  const id = /^42(\d+)/.exec(question)?.[1] ?? '';
  // It is in the network when the revocation comes.
  client.send('42["hello","late"]');
  client.send(`43${id}["late"]`);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  await waitFor('the connection is closed', () => client.closed());
  expect(handled).toEqual([]);
  expect(isAcknowledged).toBe(false);
  const order = client.received.map((text) => text.slice(0, 14));
  expect(order.slice(-2)).toEqual(['42["session:en', '41']);
});

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

test('asks for a renewal before the token expires, and goes on with the new one', async () => {
  const { kit, io, connect } = await openSetting({}, 900_000);
  const client = connect(kit.token());
  await connected(client);
  const events = recordOf(client);
  kit.clock.advance(880_000);
  await waitFor('the renewal is requested', () => events.length > 0);
  expect(events[0]).toMatchObject(['session:renew', { code: 'token_expired' }]);
  expect(await client.emitWithAck('session:renew', { token: kit.token({ role: 'new' }) })).toEqual({ ok: true });
  const [socket] = [...io.of('/').sockets.values()];
  expect(socket?.data.auth.payload.role).toBe('new');
  kit.clock.advance(60_000);
  expect(await client.emitWithAck('hello', 1)).toBe(1);
});

test('ends a socket when its token expires without a renewal', async () => {
  const { kit, connect } = await openSetting();
  const client = connect(kit.token());
  await connected(client);
  const events = recordOf(client);
  kit.clock.advance(901_000);
  await waitFor('the client is disconnected', () => !client.connected);
  expect(events.at(-2)).toMatchObject(['session:end', { code: 'token_expired', retry: true }]);
});

test('stays connected over a hundred renewals whose former tokens are revoked', async () => {
  const { kit, connect } = await openSetting();
  const client = connect(kit.token({ jti: 'token-0' }));
  await connected(client);
  for (let count = 1; count <= 100; count += 1) {
    const token = kit.token({ jti: `token-${count}` });
    expect(await client.emitWithAck('session:renew', { token })).toEqual({ ok: true });
    kit.revoke({ claim: 'jti', value: `token-${count - 1}` });
  }
  expect(await client.emitWithAck('hello', 1)).toBe(1);
}, 60_000);

test('holds messages in both directions after a soft revocation until the token is renewed', async () => {
  const { kit, io, handled, connect } = await openSetting();
  const client = connect(kit.token({ jti: 'first' }));
  await connected(client);
  const events = recordOf(client);
  kit.revoke({ claim: 'jti', value: 'first' });
  await waitFor('the renewal is requested', () => events.length > 0);
  expect(events[0]).toMatchObject(['session:renew', { code: 'token_revoked' }]);
  io.emit('waiting', 1);
  client.emit('hello', 'held');
  expect(await client.emitWithAck('session:renew', { token: kit.token({ jti: 'second' }) })).toEqual({ ok: true });
  await waitFor('the held message is handled', () => handled.includes('held'));
  await waitFor('the held message is sent', () => events.some((event) => JSON.stringify(event) === '["waiting",1]'));
});

test('ends a socket after a soft revocation without a renewal, and lets the client return', async () => {
  const { kit, handled, connect } = await openSetting();
  const client = connect(kit.token({ jti: 'first' }));
  await connected(client);
  const events = recordOf(client);
  kit.revoke({ claim: 'jti', value: 'first' });
  client.emit('hello', 'held');
  kit.clock.advance(31_000);
  await waitFor('the client is disconnected', () => !client.connected);
  expect(events.at(-2)).toMatchObject(['session:end', { code: 'token_expired', retry: true }]);
  expect(handled).toEqual([]);
});

test('refuses to renew with the token of another session, and ends the socket', async () => {
  for (const claims of [{ sub: 'user-2' }, { sid: 'session-2' }]) {
    const { kit, connect } = await openSetting();
    const client = connect(kit.token());
    await connected(client);
    const events = recordOf(client);
    client.emit('session:renew', { token: kit.token(claims) });
    await waitFor('the client is disconnected', () => !client.connected);
    expect(events[0]).toMatchObject(['session:end', { code: 'not_allowed', retry: false }]);
  }
});

test('refuses to renew with an older or a malformed token, and goes on', async () => {
  const { kit, connect } = await openSetting();
  const client = connect(kit.token());
  await connected(client);
  const older = kit.token({ iat: Math.floor(kit.clock.now() / 1000) - 60, iat_ms: undefined });
  expect(await client.emitWithAck('session:renew', { token: older })).toEqual({ ok: false, code: 'token_claim_wrong' });
  expect(await client.emitWithAck('session:renew', { token: 7 })).toEqual({ ok: false, code: 'token_malformed' });
  expect(await client.emitWithAck('session:renew', 'x')).toEqual({ ok: false, code: 'token_missing' });
  expect(await client.emitWithAck('hello', 1)).toBe(1);
});

test('ends a socket at its next message while the view is stale', async () => {
  const { kit, handled, connect } = await openSetting();
  const client = connect(kit.token());
  await connected(client);
  const events = recordOf(client);
  kit.makeStale();
  client.emit('hello', 1);
  await waitFor('the client is disconnected', () => !client.connected);
  expect(events[0]).toMatchObject(['session:end', { code: 'view_stale', retry: true }]);
  expect(handled).toEqual([]);
});

test('ends a socket whose login is too old for what it does', async () => {
  const { kit, connect } = await openSetting({ maxAuthAgeSeconds: 300 });
  const client = connect(kit.token());
  await connected(client);
  const events = recordOf(client);
  kit.clock.advance(301_000);
  client.emit('hello', 1);
  await waitFor('the client is disconnected', () => !client.connected);
  expect(events[0]).toMatchObject(['session:end', { code: 'step_up', retry: true }]);
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
  await waitFor('the client is cut', () => {
    io.emit('data', 'x'.repeat(50_000));
    return ends.length > 0;
  });
  expect(ends.map(({ code }) => code)).toEqual(['too_slow']);
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

test('ends every socket when the guard closes', async () => {
  const { kit, connect } = await openSetting();
  const client = connect(kit.token());
  await connected(client);
  const events = recordOf(client);
  await kit.close();
  await waitFor('the client is disconnected', () => !client.connected);
  expect(events[0]).toMatchObject(['session:end', { code: 'unavailable', retry: true }]);
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
