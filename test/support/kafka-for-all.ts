import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** A port of this machine: whoever connects is told the address of the one Kafka of this run. */
    kafkaDoor: number;
  }
}

/**
 * One Kafka for a whole run of tests: started when the first test asks for it, and not at all when none does. Closed
 * when the run ends, in whatever way.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let opening: Promise<Broker> | undefined;
  const door = createServer((socket) => {
    socket.on('error', () => undefined);
    opening ??= openBroker({ log: (line) => console.error(line) });
    opening.then(
      ({ brokers }) => socket.end(JSON.stringify({ brokers })),
      (error: unknown) => socket.end(JSON.stringify({ error: String(error) })),
    );
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  project.provide('kafkaDoor', (door.address() as AddressInfo).port);
  return async () => {
    door.close();
    await (await opening?.catch(() => undefined))?.close();
  };
}
