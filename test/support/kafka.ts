import { randomBytes } from 'node:crypto';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll } from 'vitest';

let shared: Promise<Broker> | undefined;

/**
 * The Kafka of this test file: started when first asked for, closed after its last test. Take a topic of your own
 * (`uniqueTopic`), and a broker of your own (`openBroker({ own: true })`) to stop or freeze one. Call it inside a test
 * or a hook.
 */
export function broker(): Promise<Broker> {
  shared ??= openBroker({ say: (line) => console.error(line) });
  return shared;
}

afterAll(async () => {
  await (await shared?.catch(() => undefined))?.close();
  shared = undefined;
});

/** A name no other test has. */
export function uniqueTopic(prefix = 'rescind.test'): string {
  return `${prefix}.${randomBytes(6).toString('hex')}`;
}
