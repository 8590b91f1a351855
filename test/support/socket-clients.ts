import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket } from 'ws';
import { waitFor } from './wait.ts';

/** An HTTP server on a free port, whose connections `close` cuts. */
export async function listenOnFreePort(): Promise<{ server: Server; url: string; close(): Promise<void> }> {
  const server = createServer();
  const sockets = new Set<import('node:net').Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

/** A WebSocket client without any protocol above it, which keeps everything that it receives. */
export interface RawClient {
  readonly socket: WebSocket;
  /** Every text that has arrived. */
  readonly received: string[];
  /** The close code and reason; undefined: it is open. */
  closed(): { readonly code: number; readonly reason: string } | undefined;
  send(text: string): void;
  /** Waits for a text that begins so, and returns it. */
  text(beginning: string): Promise<string>;
}

export interface RawOptions {
  readonly headers?: Record<string, string>;
  readonly protocols?: string[];
}

export async function openRawClient(
  url: string,
  { headers = {}, protocols = [] }: RawOptions = {},
): Promise<RawClient> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), protocols, { headers });
  const received: string[] = [];
  let closed: { code: number; reason: string } | undefined;
  socket.on('message', (data) => received.push(data.toString()));
  socket.on('close', (code, reason) => {
    closed = { code, reason: reason.toString() };
  });
  // `close` follows.
  socket.on('error', () => undefined);
  await Promise.race([once(socket, 'open'), once(socket, 'close'), once(socket, 'error')]);
  return {
    socket,
    received,
    closed: () => closed,
    send: (text) => socket.send(text),
    text: (beginning) =>
      waitFor(`a text that begins with ${beginning}`, () => received.find((one) => one.startsWith(beginning))),
  };
}

/** As `openRawClient`, connected to the default namespace of a Socket.IO server (protocol 5, Engine.IO protocol 4). */
export async function openRawSocketIo(
  url: string,
  auth: object,
  options: RawOptions & { path?: string } = {},
): Promise<RawClient> {
  const client = await openRawClient(`${url}${options.path ?? '/socket.io'}/?EIO=4&transport=websocket`, options);
  await client.text('0');
  client.send(`40${JSON.stringify(auth)}`);
  return client;
}
