import { createSession } from '@rescind/client';
import { attachSession } from '@rescind/client/socket.io';
import { openTestKit } from '@rescind/guard/testing';
import { guardWs } from '@rescind/guard/ws';
import type { Socket } from 'socket.io';
import { Server } from 'socket.io';
import { io as connectClient } from 'socket.io-client';
import { expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { listenOnFreePort, openRawClient, openRawSocketIo } from '../../support/socket-clients.ts';
import { waitFor } from '../../support/wait.ts';
import { closing, connected, openSetting, refusalOf } from './socket.io-setting.ts';

/** A guarded server of ws. */
async function openWsSetting() {
  const kit = openTestKit();
  closing.push(() => kit.close());
  const { server, url, close } = await listenOnFreePort();
  closing.push(close);
  guardWs(new WebSocketServer({ server }), kit.guard, { origins: [] });
  return { kit, url };
}

test('a handshake with a stale view names a time to wait that is not shorter than that of a request', async () => {
  const { kit, connect } = await openSetting();
  const ws = await openWsSetting();
  for (const one of [kit, ws.kit]) one.makeStale();
  const decision = kit.guard.decide(kit.token());
  const leastMs = (decision.accepted ? 0 : (decision.error.retryAfter ?? 0)) * 1000;
  expect(leastMs).toBeGreaterThan(0);

  const refusal = await refusalOf(connect(kit.token()));
  expect(refusal).toMatchObject({ code: 'view_stale', end: 'view_stale', retry: true });
  const client = await openRawClient(ws.url);
  client.send(JSON.stringify({ type: 'session:start', token: ws.kit.token() }));
  const end = JSON.parse(await client.text('{"type":"session:end"'));
  expect(end).toMatchObject({ code: 'view_stale', retry: true });
  for (const afterMs of [refusal.after_ms, end.after_ms]) {
    expect(afterMs).toBeGreaterThanOrEqual(leastMs);
    expect(afterMs).toBeLessThanOrEqual(leastMs + 30_000);
  }
});

test('a client waits before its next handshake for as long as the server asked', async () => {
  const { server, url, close } = await listenOnFreePort();
  closing.push(close);
  const io = new Server(server);
  closing.push(() => io.disconnectSockets(true));
  const handshakes: number[] = [];
  io.use((_socket, next) => {
    handshakes.push(performance.now());
    const data = { code: 'view_stale', end: 'view_stale', retry: true, after_ms: 700 };
    next(handshakes.length === 1 ? Object.assign(new Error('stale'), { data }) : undefined);
  });
  const kit = openTestKit();
  closing.push(() => kit.close());
  const session = createSession({ issuer: 'https://issuer.test', mode: 'body' });
  closing.push(() => session.stop());
  await session.login({ access_token: kit.token(), refresh_token: 'r', expires_in: 900, sid: 'session-1' });
  const socket = connectClient(url, { transports: ['websocket'], autoConnect: false, forceNew: true });
  closing.push(attachSession(socket, session));
  await connected(socket);
  expect(handshakes).toHaveLength(2);
  expect((handshakes[1] ?? 0) - (handshakes[0] ?? 0)).toBeGreaterThanOrEqual(695);
});

test('a connection that sends no token is closed', async () => {
  const { url } = await openSetting();
  const ws = await openWsSetting();
  const silent = await openRawClient(`${url}/socket.io/?EIO=4&transport=websocket`);
  await silent.text('0');
  const mute = await openRawClient(ws.url);
  await waitFor('both sockets are closed', () => silent.closed() && mute.closed(), 20_000);
  expect(mute.closed()).toEqual({ code: 4400, reason: 'request_invalid' });
}, 40_000);

/** The acknowledgements that a socket of the server waits for. */
const waiting = (socket: Socket): number => (socket as unknown as { acks: Map<number, unknown> }).acks.size;

test('keeps no acknowledgement of a socket that has ended', async () => {
  const { kit, io, url } = await openSetting();
  const client = await openRawSocketIo(url, { token: kit.token() });
  await client.text('40');
  const [socket] = io.sockets.sockets.values();
  if (socket === undefined) throw new Error('the server has no socket');
  const answers: unknown[] = [];
  for (let count = 0; count < 5_000; count += 1) socket.emit('ask', count, (answer: unknown) => answers.push(answer));
  expect(waiting(socket)).toBe(5_000);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  expect(waiting(socket)).toBe(0);
  for (let id = 0; id < 100; id += 1) client.send(`43${id}["late"]`);
  await waitFor('the connection is closed', client.closed);
  expect(answers).toEqual([]);
});

test('disconnects a client that leaves out more than 10 000 acknowledgements', async () => {
  const { kit, io, url, ends } = await openSetting();
  const client = await openRawSocketIo(url, { token: kit.token() });
  await client.text('40');
  const [socket] = io.sockets.sockets.values();
  for (let count = 0; count < 10_001; count += 1) socket?.emit('ask', count, () => undefined);
  await waitFor('the connection is closed', client.closed);
  expect(ends.map(({ code }) => code)).toEqual(['too_slow']);
}, 60_000);
