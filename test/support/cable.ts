import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** A TCP connection to somewhere else that can be cut, as a network is. */
export interface Cable extends AsyncDisposable {
  readonly port: number;
  /** Ends every connection and accepts no new one. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

/** @param target the port of this machine that it leads to */
export async function openCable(target: number): Promise<Cable> {
  const sockets = new Set<Socket>();
  let isCut = false;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
    return socket;
  };
  const server = createServer((socket) => {
    keep(socket);
    if (isCut) {
      socket.destroy();
      return;
    }
    const there = keep(connect({ port: target, host: '127.0.0.1' }));
    socket.pipe(there).pipe(socket);
    socket.on('close', () => there.destroy());
    there.on('close', () => socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const end = () => {
    for (const socket of sockets) socket.destroy();
  };
  const close = async () => {
    server.close();
    end();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true;
      end();
    },
    mend() {
      isCut = false;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
