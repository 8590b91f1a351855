import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/**
 * What happens on a link: `cut` ends connections and refuses new ones; `silence` keeps them and delivers nothing (what was sent
 * arrives afterwards); `slow` delivers each chunk later, in order.
 */
export type LinkState = 'up' | 'cut' | 'silence' | { readonly slowMs: number };

/** A proxy of TCP connections from one process to one port. */
export interface Link {
  readonly port: number;
  /** Sets the state. */
  set(state: LinkState): void;
  /** How many connections or chunks a fault has concerned. */
  readonly effects: number;
  close(): void;
}

/** @param target the port of 127.0.0.1 that the link leads to */
export async function openLink(target: number): Promise<Link> {
  const sockets = new Set<Socket>();
  const held = new Set<() => void>();
  let state: LinkState = 'up';
  let effects = 0;

  /** Passes chunks on in order, each when the state at its time allows. */
  const pass = (from: Socket, to: Socket) => {
    let last = Promise.resolve();
    from.on('data', (chunk) => {
      const delay = typeof state === 'object' ? state.slowMs : 0;
      if (state !== 'up') effects += 1;
      from.pause();
      last = last.then(async () => {
        if (delay > 0) await new Promise((resolve) => setTimeout(resolve, delay));
        while (state === 'silence') await new Promise<void>((resolve) => held.add(resolve));
        if (!to.destroyed) to.write(chunk);
        from.resume();
      });
    });
    from.on('end', () => void last.then(() => to.end()));
    from.on('close', () => void last.then(() => to.destroy()));
  };

  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    return socket;
  };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    keep(socket);
    if (state === 'cut') {
      effects += 1;
      socket.resetAndDestroy();
      return;
    }
    const there = keep(connect({ port: target, host: '127.0.0.1', allowHalfOpen: true }));
    pass(socket, there);
    pass(there, socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const release = () => {
    for (const resolve of held) resolve();
    held.clear();
  };
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    get effects() {
      return effects;
    },
    set(next) {
      state = next;
      if (next === 'cut') {
        effects += sockets.size;
        cut();
      }
      if (next !== 'silence') release();
    },
    close() {
      server.close();
      state = 'cut';
      release();
      cut();
    },
  };
}
