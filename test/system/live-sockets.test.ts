import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { fleetOf } from '../support/fleet.ts';
import { openRawSocketIo } from '../support/socket-clients.ts';
import { waitFor } from '../support/wait.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

const PATH = '/game/socket.io';

/** Connects a Socket.IO client, and records the end of its session. */
async function connect(url: string, token: string): Promise<{ socket: Socket; end(): unknown }> {
  const socket = io(url, {
    path: PATH,
    transports: ['websocket'],
    auth: { token },
    forceNew: true,
    reconnection: false,
  });
  onTestFinished(() => void socket.disconnect());
  let end: unknown;
  socket.on('session:end', (message) => {
    end = message;
  });
  await waitFor('the socket is connected', () => socket.connected);
  return { socket, end: () => end };
}

it('a logout ends the sockets of its session at every instance, through Kafka, and no others', async () => {
  const fleet = await fleetOf({ brokers: broker.brokers, prices: 0, orders: 0, game: 2 });
  const user = await fleet.client.register();
  const laptop = await fleet.client.login(user, 'laptop');
  const phone = await fleet.client.login(user, 'phone');
  const urls = fleet.games.map(({ url }) => url);
  const ended = await Promise.all(urls.map((url) => connect(url, laptop.access_token)));
  const going = await Promise.all(urls.map((url) => connect(url, phone.access_token)));

  expect((await fleet.client.logout(laptop.access_token)).status).toBe(204);
  await waitFor('every socket of the session has ended', () => ended.every(({ socket }) => !socket.connected));
  expect(ended.map(({ end }) => end())).toEqual([
    { code: 'session_ended', retry: false, after_ms: 0 },
    { code: 'session_ended', retry: false, after_ms: 0 },
  ]);
  expect(going.every(({ socket }) => socket.connected)).toBe(true);

  // A client that was offline and returns with the token and the id of the former connection receives nothing.
  for (const url of urls) {
    const back = await openRawSocketIo(url, { token: laptop.access_token, pid: 'x', offset: 'y' }, { path: PATH });
    const refusal = await back.text('44');
    expect(JSON.parse(refusal.slice(2)).data).toMatchObject({
      code: 'token_revoked',
      end: 'session_ended',
      retry: false,
    });
    expect(back.received.some((text) => text.startsWith('42') || text.startsWith('40'))).toBe(false);
    back.socket.terminate();
  }

  const lines = [fleet.issuer, ...fleet.games].flatMap((one) => one.lines).join('\n');
  const signatures = [laptop, phone].map((tokens) => tokens.access_token.split('.')[2] ?? '');
  expect(signatures.filter((signature) => lines.includes(signature))).toEqual([]);
});

it('a stop ends sockets with a reason, and an instance that starts again accepts no socket before it has caught up', async () => {
  const fleet = await fleetOf({ brokers: broker.brokers, prices: 0, orders: 0, game: 2 });
  const [first] = fleet.games;
  if (first === undefined) throw new Error('two instances were asked for');
  const user = await fleet.client.register();
  const { access_token: token } = await fleet.client.login(user, 'laptop');
  const { socket, end } = await connect(first.url, token);
  expect(await first.stop()).toBe(0);
  await waitFor('the socket has ended', () => !socket.connected);
  expect(end()).toMatchObject({ code: 'unavailable', retry: true });

  await fleet.client.logout(token);
  await first.start();
  const refusal = new Promise((resolve) => {
    const again = io(first.url, {
      path: PATH,
      transports: ['websocket'],
      auth: { token },
      forceNew: true,
      reconnection: false,
    });
    onTestFinished(() => void again.disconnect());
    again.on('connect', () => resolve('it connected'));
    again.on('connect_error', (error: Error & { data?: { code: string } }) => resolve(error.data?.code));
  });
  expect(['token_revoked', 'view_not_ready', 'keys_unavailable']).toContain(await refusal);
});
