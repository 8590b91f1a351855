import type { TokenResponse } from '@rescind/client';
import { createSession } from '@rescind/client';
import { attachSession } from '@rescind/client/socket.io';
import { guardSockets } from '@rescind/guard/socket.io';
import { openTestKit } from '@rescind/guard/testing';
import { Server } from 'socket.io';
import { io as connectClient } from 'socket.io-client';
import { afterEach, expect, test } from 'vitest';
import { listenOnFreePort } from '../../support/socket-clients.ts';
import { waitFor } from '../../support/wait.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A session of a client whose issuer is the test kit, and a guarded server. */
async function openSetting() {
  const kit = openTestKit();
  closing.push(() => kit.close());
  const { server, url, close } = await listenOnFreePort();
  closing.push(close);
  const io = new Server(server);
  guardSockets(io, kit.guard, { origins: [] });
  io.on('connection', (socket) => void socket.on('hello', (value, respond) => respond(value)));
  closing.push(() => io.disconnectSockets(true));

  let refreshes = 0;
  let isRefused = false;
  const issue = (claims = {}): TokenResponse => ({
    access_token: kit.token(claims),
    refresh_token: `refresh-${refreshes}`,
    expires_in: 900,
    refresh_in: 840,
    sid: 'session-1',
  });
  const session = createSession({
    issuer: 'https://issuer.test',
    mode: 'body',
    async fetch(input) {
      if (!String(input).endsWith('/oauth2/token')) return new Response(null, { status: 204 });
      refreshes += 1;
      return isRefused ? Response.json({ error: 'invalid_grant' }, { status: 400 }) : Response.json(issue());
    },
  });
  closing.push(() => session.stop());
  await session.login(issue({ jti: 'first' }));
  const socket = connectClient(url, { transports: ['websocket'], autoConnect: false, forceNew: true });
  closing.push(() => socket.disconnect());
  const refuseRefreshes = () => {
    isRefused = true;
  };
  return { kit, io, url, session, socket, refreshes: () => refreshes, refuseRefreshes };
}

test('sends the token of the session, and the present one after a renewal', async () => {
  const { session, socket, kit } = await openSetting();
  const ends: unknown[] = [];
  attachSession(socket, session, (end) => ends.push(end));
  await waitFor('the socket is connected', () => socket.connected);
  await session.renew();
  kit.revoke({ claim: 'jti', value: 'first' });
  socket.disconnect().connect();
  await waitFor('the socket is connected again', () => socket.connected);
  expect(await socket.emitWithAck('hello', 1)).toBe(1);
  expect(ends).toEqual([]);
});

test('renews in place when the server asks for it', async () => {
  const { session, socket, kit, refreshes } = await openSetting();
  attachSession(socket, session);
  await waitFor('the socket is connected', () => socket.connected);
  const { id } = socket;
  const renewed = new Promise((resolve) => socket.once('session:renewed', resolve));
  kit.revoke({ claim: 'jti', value: 'first' });
  expect(await renewed).toEqual({ ok: true });
  expect(await socket.emitWithAck('hello', 1)).toBe(1);
  expect([socket.id, refreshes()]).toEqual([id, 1]);
}, 30_000);

test('renews once and connects when the token of the handshake is refused as expired', async () => {
  const { session, socket, kit, refreshes } = await openSetting();
  kit.revoke({ claim: 'jti', value: 'first' });
  attachSession(socket, session);
  await waitFor('the socket is connected', () => socket.connected);
  expect(refreshes()).toBe(1);
});

test('stops when the session has ended at the server, and does not connect again', async () => {
  const { session, socket, kit, io } = await openSetting();
  const ends: unknown[] = [];
  let connections = 0;
  io.on('connection', () => {
    connections += 1;
  });
  let handshakes = 0;
  io.engine.on('connection', () => {
    handshakes += 1;
  });
  attachSession(socket, session, (end) => ends.push(end));
  await waitFor('the socket is connected', () => socket.connected);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  await waitFor('the socket has ended', () => ends.length > 0);
  expect(ends).toEqual([{ code: 'session_ended' }]);
  expect([socket.connected, socket.active, connections, handshakes]).toEqual([false, false, 1, 1]);
});

test('stops at a refusal that a newer token cannot mend', async () => {
  const { session, socket, io } = await openSetting();
  io.use((_socket, next) =>
    next(Object.assign(new Error('no'), { data: { code: 'scope_insufficient', end: 'not_allowed', retry: false } })),
  );
  const ends: unknown[] = [];
  attachSession(socket, session, (end) => ends.push(end));
  await waitFor('the socket has ended', () => ends.length > 0);
  expect(ends).toEqual([{ code: 'not_allowed' }]);
});

test('stops when the issuer ends the session at a renewal', async () => {
  const { session, socket, kit, refuseRefreshes } = await openSetting();
  refuseRefreshes();
  kit.revoke({ claim: 'jti', value: 'first' });
  const ends: { code: string }[] = [];
  attachSession(socket, session, (end) => ends.push(end));
  await waitFor('the socket has ended', () => ends.length > 0);
  expect(socket.active).toBe(false);
});

test('disconnects at the logout of the session', async () => {
  const { session, socket } = await openSetting();
  const ends: unknown[] = [];
  attachSession(socket, session, (end) => ends.push(end));
  await waitFor('the socket is connected', () => socket.connected);
  await session.logout();
  expect([socket.connected, ends]).toEqual([false, [{ code: 'logout' }]]);
});

test('refuses a socket with a token of its own', async () => {
  const { session, url } = await openSetting();
  const socket = connectClient(url, { autoConnect: false, auth: { token: 'x' } });
  expect(() => attachSession(socket, session)).toThrow(/auth of the socket must be left out/);
});
