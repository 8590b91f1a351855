import { tokenOf } from '@rescind/guard/socket.io';
import { expect, test } from 'vitest';
import { openRawSocketIo } from '../../support/socket-clients.ts';
import { waitFor } from '../../support/wait.ts';
import { connected, openSetting, recordOf, refusalOf } from './socket.io-setting.ts';

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
  await waitFor('every socket ends', () => !clients.other.connected);
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
  // Sent before the revocation, and received after it.
  client.send('42["hello","late"]');
  client.send(`43${id}["late"]`);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  await waitFor('the connection is closed', () => client.closed());
  expect(handled).toEqual([]);
  expect(isAcknowledged).toBe(false);
  const order = client.received.map((text) => text.slice(0, 14));
  expect(order.slice(-2)).toEqual(['42["session:en', '41']);
});

test('cuts a client that asks for responses, and reads none, of a namespace that does not exist', async () => {
  const { io, url, kit } = await openSetting({ maxBufferedBytes: 1_000 });
  const client = await openRawSocketIo(url, { token: kit.token() });
  await client.text('40');
  client.socket.pause();
  await waitFor('the connection is cut', () => {
    for (let count = 0; count < 50; count += 1) client.send(`40/${'x'.repeat(10_000)},{}`);
    return io.engine.clientsCount === 0;
  });
});

test('asks for the renewal of a socket that connects while one is awaited', async () => {
  const { kit, connect } = await openSetting({}, 900_000);
  const text = kit.token();
  const first = connect(text);
  const events = recordOf(first);
  await connected(first);
  kit.clock.advance(880_000);
  await waitFor('the renewal is requested', () => events.length > 0);
  const second = connect(text);
  const late = recordOf(second);
  await waitFor('the renewal is requested there too', () => late.length > 0);
  expect(late[0]).toMatchObject(['session:renew', { code: 'token_expired' }]);
});

test('closes the connection when a listener of the application throws', async () => {
  const { kit, io, connect } = await openSetting();
  io.on('connection', (socket) => {
    socket.once('disconnecting', () => {
      throw new Error('a mistake of the application');
    });
  });
  const client = connect(kit.token());
  await connected(client);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  await waitFor('the connection is closed', () => io.engine.clientsCount === 0);
});

test('limits the handshakes of one connection', async () => {
  const { kit, url } = await openSetting();
  const client = await openRawSocketIo(url, { token: 'x' });
  for (let count = 0; count < 100; count += 1) client.send('40{"token":"x"}');
  const isRefused = (text: string) => text.includes('"code":"rate_limited","status":429');
  await waitFor('a handshake is refused', () => client.received.some(isRefused));
  const other = await openRawSocketIo(url, { token: kit.token() });
  await other.text('40');
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

test('ends every socket when the guard closes', async () => {
  const { kit, connect } = await openSetting();
  const client = connect(kit.token());
  await connected(client);
  const events = recordOf(client);
  await kit.close();
  await waitFor('the client is disconnected', () => !client.connected);
  expect(events[0]).toMatchObject(['session:end', { code: 'unavailable', retry: true }]);
});
