import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface TestServer {
  readonly url: string;
  readonly port: number;
  /** How many TCP connections there are. */
  readonly sockets: ReadonlySet<Socket>;
  /** The requests that read the log; instances also post reports, at times of their own. */
  readonly reads: readonly IncomingMessage[];
  /** Kills it with all its connections, as a crash does. */
  kill(): Promise<void>;
}

export type Handle = (request: IncomingMessage, response: ServerResponse) => void;

/** An HTTP server on a free port (or the one given), gone when the test has finished. */
export async function openServer(handle: Handle, port = 0): Promise<TestServer> {
  const sockets = new Set<Socket>();
  const reads: IncomingMessage[] = [];
  const server: Server = createServer((request, response) => {
    if (request.method === 'GET') reads.push(request);
    handle(request, response);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const kill = async () => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  onTestFinished(kill);
  const { port: bound } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${bound}`, port: bound, sockets, reads, kill };
}
