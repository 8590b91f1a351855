import { setTimeout as delay } from 'node:timers/promises';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import type { KafkaPublisher } from '@rescind/feed-kafka';
import { kafkaWay, openPublisher } from '@rescind/feed-kafka';
import { expect, onTestFinished, test } from 'vitest';
import { collect, createRecorder } from '../integration/feed-kafka/collector.ts';
import { testTopic } from '../support/kafka-topic.ts';
import { waitFor } from '../support/wait.ts';

const BEAT_MS = 50;

/** Three brokers, two of them in sync at least, and a publisher that publishes a number twenty times a second. */
async function open() {
  const broker = await openBroker({ prefer: 'java', brokers: 3 });
  onTestFinished(() => broker.close());
  const topic = testTopic(broker.brokers);
  const telemetry = createRecorder();
  const publisher = openPublisher({
    brokers: broker.brokers,
    topic: topic.name,
    clientId: 'issuer',
    log: 'log',
    minRetentionMs: 3_600_000,
    createTopic: {},
    replicationFactor: 3,
    publishTimeoutMs: 120_000,
    telemetry,
  });
  onTestFinished(() => publisher.close());
  await publisher.publish(['0']);
  const reader = collect(kafkaWay({ brokers: broker.brokers, topic: topic.name, clientId: 'reader', telemetry }));
  await waitFor('the first record', () => reader.records.length > 0, 30_000);
  const leader = async () => {
    const { topics } = await topic.admin.fetchTopicMetadata({ topics: [topic.name] });
    return topics[0]?.partitions[0]?.leader ?? 0;
  };
  await topic.admin.connect();
  return { broker, topic, publisher, reader, telemetry, leader };
}

/** Publishes one number after the other while something happens; gives how many were acknowledged. */
async function publishDuring(publisher: KafkaPublisher, from: number, happening: () => Promise<void>): Promise<number> {
  let next = from;
  let over = false;
  const publishing = (async () => {
    while (!over) {
      await publisher.publish([String(next)]);
      next += 1;
      await delay(BEAT_MS);
    }
  })();
  await happening();
  over = true;
  await publishing;
  return next;
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

test('the topic is made with three copies, two of which must be in sync', async () => {
  const { topic } = await open();
  const { settings } = await topic.describe();
  expect(settings).toMatchObject({ 'min.insync.replicas': '2', 'unclean.leader.election.enable': 'false' });
});

const disturbances: readonly [string, (broker: Broker, node: number) => Promise<void>][] = [
  [
    'killed',
    async (broker, node) => {
      await broker.stop(node);
      await delay(15_000);
      await broker.start(node);
    },
  ],
  [
    'frozen for 20 s',
    async (broker, node) => {
      await broker.pause(node);
      await delay(20_000);
      await broker.resume(node);
    },
  ],
];

test.each(disturbances)('the leader is %s: nothing acknowledged is lost, and the order stays', async (_, disturb) => {
  const { broker, publisher, reader, leader } = await open();
  const count = await publishDuring(publisher, 1, async () => {
    await delay(2_000);
    await disturb(broker, await leader());
    await delay(3_000);
  });
  await waitFor('all', () => new Set(reader.texts()).size === count, 60_000);
  // Sent twice is harmless; missing or overtaken is not: the first of each come in order.
  expect([...new Set(reader.texts())]).toEqual(numbers(count));
});

test('every broker but one is killed in turn, twice: nothing acknowledged is lost', async () => {
  const { broker, publisher, reader } = await open();
  const count = await publishDuring(publisher, 1, async () => {
    for (const node of [1, 2, 3, 1, 2, 3]) {
      await broker.stop(node);
      await delay(3_000);
      await broker.start(node);
      await delay(5_000);
    }
  });
  await waitFor('all', () => new Set(reader.texts()).size === count, 60_000);
  expect([...new Set(reader.texts())]).toEqual(numbers(count));
});
