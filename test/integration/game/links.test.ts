import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { createLinkServer, openLink } from '@rescind/game';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { listenOnFreePort, openRawClient } from '../../support/socket-clients.ts';
import { waitFor } from '../../support/wait.ts';

const SECRET = 'a-secret-of-all-instances';

function createLog() {
  const events: string[] = [];
  const ignore = () => undefined;
  const telemetry = {
    log: (_level: string, event: string) => void events.push(event),
    ...{ count: ignore, gauge: ignore, observe: ignore },
  };
  return { events, telemetry };
}

async function openLinkServer() {
  const { server, url, close } = await listenOnFreePort();
  onTestFinished(close);
  const { events, telemetry } = createLog();
  const handled: object[] = [];
  const home = { handle: (request: object) => void handled.push(request), updates: () => [], close: () => undefined };
  const links = createLinkServer(SECRET, home, telemetry);
  links.attach(server);
  const open = async (secret = SECRET) => {
    const client = await openRawClient(url, { headers: { authorization: `Bearer ${secret}` } });
    onTestFinished(() => client.socket.terminate());
    return client;
  };
  return { server, url, events, handled, open };
}

const UPGRADE =
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';

test('refuses a stranger, closes the connection, and survives its reset', async () => {
  const { server, events, handled, open } = await openLinkServer();
  const { port } = server.address() as AddressInfo;
  const stranger = connect(port, '127.0.0.1');
  let answer = '';
  stranger.on('data', (chunk) => {
    answer += chunk;
  });
  stranger.write(UPGRADE);
  await once(stranger, 'end');
  expect(answer).toMatch(/^HTTP\/1\.1 401 /);

  // The reset arrives while the response is under way, as by a socket that fails.
  const upgraded = new Promise<Socket>((resolve) =>
    server.once('upgrade', (_request, socket) => resolve(socket as Socket)),
  );
  connect(port, '127.0.0.1')
    .on('error', () => undefined)
    .write(UPGRADE);
  (await upgraded).destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));

  await expect(open(`${SECRET}.`)).rejects.toThrow('401');
  expect(events).toEqual(['link_refused']);
  expect(handled).toEqual([]);
  const peer = await open();
  peer.send(JSON.stringify({ type: 'leave', table: 'amber', key: 'k' }));
  await waitFor('the message of an instance', () => handled.length === 1);
});

test('keeps a member that has come back before its former link is found dead', async () => {
  const { handled, open } = await openLinkServer();
  const join = JSON.stringify({ type: 'join', table: 'amber', member: { key: 'k', person: 'p', name: 'Ada' } });
  const former = await open();
  former.send(join);
  await waitFor('the join of the member is handled', () => handled.length === 1);
  const next = await open();
  next.send(join);
  await waitFor('the second join is handled', () => handled.length === 2);
  former.socket.terminate();
  next.send(JSON.stringify({ type: 'act', table: 'amber', key: 'k', action: { op: 'sit' } }));
  await waitFor('the action of the member is handled', () => handled.length === 3);
  next.socket.terminate();
  await waitFor('the member has left', () => handled.length === 4);
  expect(handled.at(-1)).toEqual({ type: 'leave', table: 'amber', key: 'k' });
});

test('ignores what another version, or another server, sends', async () => {
  const { server, url, close } = await listenOnFreePort();
  onTestFinished(close);
  const state = { table: 'amber', players: [null, null], watchers: 0 };
  const texts = [
    'no JSON',
    'null',
    '{"type":"update"}',
    '{"type":"update","update":{"state":{"table":"x"},"seats":{}}}',
  ];
  new WebSocketServer({ server }).on('connection', (socket) => {
    for (const text of texts) socket.send(text);
    socket.send(JSON.stringify({ type: 'update', update: { state, seats: { p: 1 } } }));
  });
  const { events, telemetry } = createLog();
  const updates: unknown[] = [];
  const ignore = () => undefined;
  const listener = {
    onOpen: ignore,
    onClose: ignore,
    onRefused: ignore,
    onUpdate: (update: unknown) => void updates.push(update),
  };
  const link = openLink(url, SECRET, listener, telemetry);
  onTestFinished(() => link.close());
  await waitFor('the update that is one', () => updates.length === 1);
  expect(updates).toEqual([{ state, seats: { p: 1 } }]);
  expect(events).toEqual(['link_open', 'link_message_invalid']);
});
