import type { Socket } from 'node:net';
import { connect, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ISocketFactory } from 'kafkajs';

const KEEP_ALIVE_MS = 60_000;

/**
 * The sockets of one client. kafkajs waits for answers before it lets go of a connection, half a minute for a broker
 * that is frozen; this way a client can be given up at once.
 */
export interface Sockets {
  readonly factory: ISocketFactory;
  /** Ends all of them, and each that is opened later. */
  destroy(): void;
}

export function createSockets(): Sockets {
  const open = new Set<Socket>();
  let destroyed = false;
  return {
    factory({ host, port, ssl, onConnect }) {
      const name = isIP(host) === 0 ? { servername: host } : {};
      const socket = ssl ? connectTls({ host, port, ...name, ...ssl }, onConnect) : connect({ host, port }, onConnect);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      // Each write is a whole request: there is nothing to collect, and waiting for more would cost milliseconds.
      socket.setNoDelay(true);
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      if (destroyed) socket.destroy();
      return socket;
    },
    destroy() {
      destroyed = true;
      for (const socket of open) socket.destroy();
    },
  };
}
