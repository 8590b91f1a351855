import type { SessionEnd, SocketIoOptions } from '@rescind/guard/socket.io';
import { guardSockets } from '@rescind/guard/socket.io';
import type { TestKit } from '@rescind/guard/testing';
import { openTestKit } from '@rescind/guard/testing';
import { Server } from 'socket.io';
import type { Socket as ClientSocket } from 'socket.io-client';
import { io as connectClient } from 'socket.io-client';
import { afterEach } from 'vitest';
import { listenOnFreePort } from '../../support/socket-clients.ts';
import { waitFor } from '../../support/wait.ts';

export const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

export interface Setting {
  readonly kit: TestKit;
  readonly io: Server;
  readonly url: string;
  readonly ends: SessionEnd[];
  /** What handlers have received. */
  readonly handled: unknown[];
  connect(token: unknown, namespace?: string): ClientSocket;
}

export async function openSetting(options: Partial<SocketIoOptions> = {}, ttlMs?: number): Promise<Setting> {
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
export const refusalOf = (socket: ClientSocket) =>
  new Promise<Record<string, unknown>>((resolve, reject) => {
    socket.on('connect', () => reject(new Error('it connected')));
    socket.on('connect_error', (error: Error & { data?: Record<string, unknown> }) =>
      resolve(error.data ?? { message: error.message }),
    );
  });

export const connected = (socket: ClientSocket) => waitFor('the client is connected', () => socket.connected);

/** Everything that a client gets, in order. */
export function recordOf(socket: ClientSocket): unknown[] {
  const events: unknown[] = [];
  socket.onAny((...event) => events.push(event));
  socket.on('disconnect', (reason) => events.push(['disconnect', reason]));
  return events;
}
