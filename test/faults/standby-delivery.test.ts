import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import kafkajs from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { checkOf, fleetOf, untilAll, untilComplete } from '../support/fleet.ts';
import { broker, uniqueTopic } from '../support/kafka.ts';
import { waitFor } from '../support/wait.ts';

/** A fleet on three brokers, every standby stream open. */
async function open() {
  const three = await openBroker({ prefer: 'java', brokers: 3 });
  onTestFinished(() => three.close());
  const topic = uniqueTopic();
  const fleet = await fleetOf({
    brokers: three.brokers,
    topic,
    prices: 2,
    orders: 1,
    issuerEnvironment: { KAFKA_REPLICATION: '3' },
  });
  return { ...fleet, three, topic };
}

/** The broker (1, 2, 3) that leads the topic. */
async function leaderOf({ brokers }: Broker, topic: string): Promise<number> {
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], clientId: 'test', logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    return topics[0]?.partitions[0]?.leader ?? 0;
  } finally {
    await admin.disconnect();
  }
}

const DISTURBANCES: readonly [
  string,
  (broker: Broker, node: number) => Promise<void>,
  (broker: Broker, node: number) => Promise<void>,
][] = [
  ['killed', (broker, node) => broker.stop(node), (broker, node) => broker.start(node)],
  ['frozen', (broker, node) => broker.pause(node), (broker, node) => broker.resume(node)],
];

test.each(DISTURBANCES)('while the leader is %s, a logout reaches every instance at once', async (_, disturb, mend) => {
  const { three, topic, client, instances, issuer } = await open();
  await untilComplete(instances, 'kafka');
  const user = await client.register();
  const tokens = await client.login(user, 'laptop');
  await untilAll(instances, tokens.access_token, '200');
  for (const instance of instances) {
    await waitFor(
      `the standby stream of ${instance.name}`,
      async () => (await checkOf(instance, 'transport_http'))?.state === 'standby',
      30_000,
    );
  }
  const node = await leaderOf(three, topic);
  await disturb(three, node);
  expect((await client.logout(tokens.access_token)).status).toBe(204);
  await untilAll(instances, tokens.access_token, 'token_revoked');
  await waitFor('the delivery over standby streams begins', () =>
    issuer.lines.some((line) => line.includes('standby_delivery_started')),
  );
  await mend(three, node);
  await untilComplete(instances, 'kafka', 120_000);
  await waitFor('every event is published', async () => (await checkOf(issuer, 'relay'))?.lagEvents === 0, 60_000);
});

test('health reports a wrong feed secret while Kafka is up', async () => {
  const { brokers } = await broker();
  const secret = join(temporaryDirectory(), 'wrong-secret');
  writeFileSync(secret, 'a-secret-that-is-not-the-right-one-0123456789', { mode: 0o600 });
  const { instances } = await fleetOf({
    brokers,
    prices: 1,
    orders: 0,
    guardedEnvironment: { FEED_CLIENT_SECRET_FILE: secret },
  });
  for (const instance of instances) {
    await waitFor(
      `the check of ${instance.name}`,
      async () => (await checkOf(instance, 'transport_http'))?.lastError === 'unauthorized',
      60_000,
    );
    // It tries again from time to time.
    await waitFor('the transport is disconnected', async () => {
      const check = await checkOf(instance, 'transport_http');
      return check?.status === 'warn' && check.state === 'disconnected' && check.connected === false;
    });
    await untilComplete(instances, 'kafka');
    expect(await checkOf(instance, 'transport_kafka')).toMatchObject({ status: 'pass', connected: true });
  }
});
