import type { Fleet } from '@rescind/dev-fleet';
import { openFleet } from '@rescind/dev-fleet';
import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';

let fleet: Fleet;
const sockets: Socket[] = [];

beforeAll(async () => {
  fleet = await openFleet({
    prices: 0,
    orders: 0,
    game: 2,
    guardedEnvironment: { CORS_ORIGINS: 'https://app.example' },
  });
});
afterAll(async () => {
  for (const socket of sockets) socket.disconnect();
  await fleet?.close();
});

interface State {
  readonly board: (0 | 1 | null)[];
  readonly turn: 0 | 1 | null;
  readonly you: 0 | 1 | null;
  readonly players: ({ name: string; present: boolean } | null)[];
  readonly result: { winner: 0 | 1 | null; by: string } | null;
  readonly watchers: number;
}

interface Player {
  readonly socket: Socket;
  readonly token: string;
  state(): State | undefined;
  refusals: string[];
  ended(): unknown;
}

async function play(instance: number, table: string, name: string): Promise<Player> {
  const user = await fleet.client.register();
  const { access_token: token } = await fleet.client.login(user, name);
  const socket = io(fleet.games[instance]?.url ?? '', {
    path: '/game/socket.io',
    transports: ['websocket'],
    auth: { token },
    forceNew: true,
    reconnection: false,
  });
  sockets.push(socket);
  let state: State | undefined;
  let ended: unknown;
  const refusals: string[] = [];
  socket.on('table:state', (next: State) => {
    state = next;
  });
  socket.on('table:refused', ({ code }) => refusals.push(code));
  socket.on('session:end', (end) => {
    ended = end;
  });
  await waitFor(`${name} is connected`, () => socket.connected);
  socket.emit('table:join', { table, name });
  await waitFor(`${name} is at the table`, () => state);
  return { socket, token, state: () => state, refusals, ended: () => ended };
}

test('two people play at one table over two instances, and a third one watches', async () => {
  const ada = await play(0, 'amber', 'Ada');
  const bob = await play(1, 'amber', 'Bob');
  const eve = await play(1, 'amber', 'Eve');
  await waitFor('the game runs', () => ada.state()?.turn === 0 && eve.state()?.watchers === 1);
  expect([ada.state()?.you, bob.state()?.you, eve.state()?.you]).toEqual([0, 1, null]);

  eve.socket.emit('table:act', { op: 'drop', column: 0 });
  bob.socket.emit('table:act', { op: 'drop', column: 0 });
  await waitFor('the moves of others are refused', () => eve.refusals.length === 1 && bob.refusals.length === 1);
  expect([...eve.refusals, ...bob.refusals]).toEqual(['not_your_turn', 'not_your_turn']);

  for (let move = 0; move < 7; move += 1) {
    const mover = move % 2 === 0 ? ada : bob;
    const seat = move % 2;
    const pieces = () => mover.state()?.board.filter((cell) => cell !== null).length;
    await waitFor('it is the turn of the next player', () => mover.state()?.turn === seat && pieces() === move);
    mover.socket.emit('table:act', { op: 'drop', column: seat });
  }
  await waitFor('everybody sees the winner', () => [ada, bob, eve].every((one) => one.state()?.result?.winner === 0));
  expect(bob.state()?.result?.by).toBe('line');
});

test('a logout at the issuer takes a player off the board, at both instances', async () => {
  const ada = await play(0, 'birch', 'Ada');
  const bob = await play(1, 'birch', 'Bob');
  await waitFor('the game runs', () => bob.state()?.turn === 0);
  await fleet.client.logout(ada.token);
  await waitFor('the socket of the session ends', () => !ada.socket.connected);
  expect(ada.ended()).toMatchObject({ code: 'session_ended', retry: false });
  await waitFor('the other player sees it', () => bob.state()?.players[0]?.present === false);
  expect(bob.socket.connected).toBe(true);
});

test('serves the part for pages, and refuses a wrong message', async () => {
  for (const file of ['game.js', 'game.css', 'socket.io.js']) {
    const response = await fetch(`${fleet.gameUrl}/game/${file}`);
    expect([file, response.status]).toEqual([file, 200]);
    expect(response.headers.get('content-type')).toMatch(file.endsWith('css') ? /^text\/css/ : /^text\/javascript/);
  }
  const ada = await play(0, 'cedar', 'Ada');
  ada.socket.emit('table:join', { table: 'none', name: 'Ada' });
  ada.socket.emit('table:act', { op: 'drop', column: 99 });
  ada.socket.emit('table:act', null);
  await waitFor('each message is refused', () => ada.refusals.length === 3);
  expect(new Set(ada.refusals)).toEqual(new Set(['message_invalid']));
});

test('ends a socket that sends more than anybody plays', async () => {
  const ada = await play(0, 'delta', 'Ada');
  for (let count = 0; count < 40; count += 1) ada.socket.emit('table:join', { table: 'delta', name: 'Ada' });
  expect(await waitFor('the socket ends', ada.ended)).toMatchObject({ code: 'rate_limited', retry: true });
});
