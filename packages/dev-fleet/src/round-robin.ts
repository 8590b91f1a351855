import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** One address in front of several instances. */
export interface RoundRobin {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Listens on a free port of 127.0.0.1 and passes each connection to the next of the instances, without looking into it: as a load balancer without
 * sticky sessions. An instance that cannot be reached closes the connection.
 */
export async function openRoundRobin(urls: readonly string[]): Promise<RoundRobin> {
  const open = new Set<Socket>();
  let next = 0;
  const server = createServer((incoming) => {
    const { hostname, port } = new URL(urls[next++ % urls.length] ?? '');
    const outgoing = connect(Number(port), hostname);
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      open.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
    }
  });
  server.unref();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
