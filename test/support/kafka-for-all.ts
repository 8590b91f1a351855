import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** A local port that responds to a connection with the address of the one Kafka of this run. */
    kafkaAddressPort: number;
  }
}

/**
 * One Kafka for a whole test run. It starts when the first test requires it, and not at all if none does. It is closed
 * when the run ends, however it ends.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let opening: Promise<Broker> | undefined;
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    opening ??= openBroker({ log: (line) => console.error(line) });
    opening.then(
      ({ brokers }) => socket.end(JSON.stringify({ brokers })),
      (error: unknown) => socket.end(JSON.stringify({ error: String(error) })),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  project.provide('kafkaAddressPort', (server.address() as AddressInfo).port);
  return async () => {
    server.close();
    await (await opening?.catch(() => undefined))?.close();
  };
}
