import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { inject } from 'vitest';

let shared: Promise<Broker> | undefined;

/**
 * The Kafka of this run, shared by all its test files and started when the first asks for it. Take a topic of your own
 * (`uniqueTopic`), and a broker of your own (`openBroker({ own: true })`) to stop or freeze one.
 */
export function broker(): Promise<Broker> {
  shared ??= askForBroker();
  return shared;
}

async function askForBroker(): Promise<Broker> {
  const socket = connect({ port: inject('kafkaAddressPort'), host: '127.0.0.1' });
  const answer = JSON.parse(await text(socket)) as { readonly brokers?: string[]; readonly error?: string };
  if (answer.brokers === undefined) throw new Error(answer.error);
  return openBroker({ environment: { kafkaBrokers: answer.brokers.join(), cacheDirectory: '' } });
}

/** A name that no other test uses. */
export function uniqueTopic(prefix = 'rescind.test'): string {
  return `${prefix}.${randomBytes(6).toString('hex')}`;
}
