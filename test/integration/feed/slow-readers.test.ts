import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { createBasicAuthenticator, createRevocationsHandler } from '@rescind/feed';
import type { Telemetry } from '@rescind/revocation';
import { silentTelemetry } from '@rescind/revocation';
import { expect, onTestFinished, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { createPlainLog } from './plain-log.ts';
import { openServer } from './server.ts';

const EVENT_BYTES = 50_000;
const SECRET = 'a-secret-of-a-test-0123456789';

function open(bounds: { readerBufferBytes?: number; bufferBytes?: number }) {
  const source = createPlainLog({ padding: EVENT_BYTES });
  const ended: string[] = [];
  let buffered = 0;
  const telemetry: Telemetry = {
    ...silentTelemetry,
    count: (metric: string, labels?: { readonly reason?: string }) => {
      if (metric === 'rescind_feed_readers_ended_total') ended.push(labels?.reason ?? '');
    },
    gauge: (metric: string, value: number) => {
      if (metric === 'rescind_feed_buffered_bytes') buffered = value;
    },
  };
  const authenticate = createBasicAuthenticator({ prices: SECRET });
  const handler = createRevocationsHandler({ source, authenticate, telemetry, heartbeatMs: 50, ...bounds });
  onTestFinished(() => handler.close());
  return { source, handler, ended, buffered: () => buffered };
}

/** A reader that reads nothing until it is resumed: it receives only what the kernel buffers. */
function slowReader(port: number, lastEventId?: string): { socket: Socket; text: () => string } {
  let text = '';
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  const resumed = lastEventId === undefined ? '' : `Last-Event-ID: ${lastEventId}\r\n`;
  socket.write(
    `GET /revocations HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${btoa(`prices:${SECRET}`)}\r\n${resumed}\r\n`,
  );
  socket.pause();
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => undefined);
  return { socket, text: () => text };
}

test('the buffer of each slow reader is limited in bytes', async () => {
  const { source, handler, buffered } = open({ readerBufferBytes: 131_072 });
  const { port } = await openServer(handler.handle);
  source.append(400);
  const readers = Array.from({ length: 5 }, () => slowReader(port));
  await waitFor('every reader is stuck', () => handler.readers() === 5 && buffered() > 0);
  const seen = buffered();
  source.append(100);
  await waitFor('more heartbeats are signed', () => buffered() > 0 && source.heartbeatsSigned() > 5);
  // Two events fit into a chunk; what the socket has accepted is in the buffers of the kernel.
  for (const each of [seen, buffered()]) expect(each).toBeLessThanOrEqual(5 * 3 * (EVENT_BYTES + 200));
  const [first] = readers;
  first?.socket.resume();
  await waitFor('the first reader has every event', () => first?.text().includes('id: 0001-a:500\n') === true, 20_000);
});

test('at the limit of all buffers the reader with the largest is disconnected, and resumes from its position', async () => {
  const { source, handler, ended, buffered } = open({ readerBufferBytes: 200_000, bufferBytes: 500_000 });
  const { port } = await openServer(handler.handle);
  source.append(400);
  const readers = Array.from({ length: 12 }, () => slowReader(port));
  await waitFor('a slow reader is disconnected', () => ended.includes('buffer_full'));
  await waitFor('a heartbeat', () => buffered() > 0);
  expect(buffered()).toBeLessThanOrEqual(500_000);
  expect(new Set(ended)).toEqual(new Set(['buffer_full']));
  for (const { socket } of readers) socket.destroy();
  await waitFor('no reader is connected', () => handler.readers() === 0);
  expect(handler.readers()).toBe(0);
  const again = slowReader(port, '0001-a:398');
  again.socket.resume();
  await waitFor('the missed events are read', () => again.text().includes('id: 0001-a:400\n'));
  expect(again.text()).not.toContain('id: 0001-a:398\n');
});

test('an event larger than the buffer of a reader reaches it', async () => {
  const { source, handler } = open({ readerBufferBytes: 1_024 });
  const { port } = await openServer(handler.handle);
  source.append(3);
  const reader = slowReader(port);
  reader.socket.resume();
  await waitFor('every event is read', () => reader.text().includes('id: 0001-a:3\n'));
});

test('ending the readers of one client leaves the readers of others connected', async () => {
  const { handler, ended } = open({});
  const { port } = await openServer(handler.handle);
  slowReader(port);
  await waitFor('the reader is connected', () => handler.readers() === 1);
  expect(handler.endReaders('orders')).toBe(0);
  expect(handler.readers()).toBe(1);
  expect(handler.endReaders('prices')).toBe(1);
  await waitFor('the reader is disconnected', () => handler.readers() === 0);
  expect(ended).toEqual(['client_removed']);
});
