import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import kafkajs from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import { checkOf, fleetOf, untilAll, untilWhole } from '../support/fleet.ts';
import { uniqueTopic } from '../support/kafka.ts';
import { waitFor } from '../support/wait.ts';

/** A fleet on three brokers, every standby stream open. */
async function open() {
  const broker = await openBroker({ prefer: 'java', brokers: 3 });
  onTestFinished(() => broker.close());
  const topic = uniqueTopic();
  const fleet = await fleetOf({
    brokers: broker.brokers,
    topic,
    prices: 2,
    orders: 1,
    issuerEnvironment: { KAFKA_REPLICATION: '3' },
  });
  return { ...fleet, broker, topic };
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

const ways: readonly [
  string,
  (broker: Broker, node: number) => Promise<void>,
  (broker: Broker, node: number) => Promise<void>,
][] = [
  ['killed', (broker, node) => broker.stop(node), (broker, node) => broker.start(node)],
  ['frozen', (broker, node) => broker.pause(node), (broker, node) => broker.resume(node)],
];

test.each(ways)('the leader is %s: a logout is refused at every instance at once', async (_, disturb, mend) => {
  const { broker, topic, client, instances, issuer } = await open();
  await untilWhole(instances, 'kafka');
  const user = await client.register();
  const tokens = await client.login(user, 'laptop');
  await untilAll(instances, tokens.access_token, '200');
  for (const instance of instances) {
    await waitFor(
      `the standby stream of ${instance.name}`,
      async () => (await checkOf(instance, 'transport_http'))?.state === 'standing_by',
    );
  }
  const node = await leaderOf(broker, topic);
  await disturb(broker, node);
  expect((await client.logout(tokens.access_token)).status).toBe(204);
  await untilAll(instances, tokens.access_token, 'token_revoked');
  await waitFor('the delivery', () => issuer.lines.some((line) => line.includes('standby_delivery_started')));
  await mend(broker, node);
  await untilWhole(instances, 'kafka', 120_000);
  await waitFor('everything has been published', async () => (await checkOf(issuer, 'relay'))?.lagEvents === 0, 60_000);
});
