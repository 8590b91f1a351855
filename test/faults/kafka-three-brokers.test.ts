import { openBroker } from '@rescind/dev-kafka';
import type { KafkaPublisher } from '@rescind/feed-kafka';
import { kafkaTransport, openPublisher } from '@rescind/feed-kafka';
import { expect, onTestFinished, test } from 'vitest';
import { collect, createRecorder } from '../integration/feed-kafka/collector.ts';
import { testTopic } from '../support/kafka-topic.ts';
import { waitFor } from '../support/wait.ts';

/**
 * Three brokers, two of them in sync at least, a publisher and a reader. Both have the leader as the first broker they are
 * configured with: the one that kafkajs asks for the others.
 */
async function open() {
  const broker = await openBroker({ prefer: 'java', brokers: 3 });
  onTestFinished(() => broker.close());
  const topic = testTopic(broker.brokers);
  const telemetry = createRecorder();
  const open = (brokers: readonly string[]) => {
    const publisher = openPublisher({
      brokers,
      topic: topic.name,
      clientId: 'issuer',
      log: 'log',
      minRetentionMs: 3_600_000,
      createTopic: true,
      replicationFactor: 3,
      publishTimeoutMs: 120_000,
      telemetry,
    });
    onTestFinished(() => publisher.close());
    return publisher;
  };
  await open(broker.brokers).publish(['0']);
  await topic.admin.connect();
  const partition = async () => {
    const { topics } = await topic.admin.fetchTopicMetadata({ topics: [topic.name] });
    return topics[0]?.partitions[0];
  };
  const leader = async () => (await partition())?.leader ?? 0;
  const inSync = async () => (await partition())?.isr.length ?? 0;

  const first = broker.brokers[(await leader()) - 1] as string;
  const brokers = [first, ...broker.brokers.filter((address) => address !== first)];
  const publisher = open(brokers);
  const reader = collect(kafkaTransport({ brokers, topic: topic.name, clientId: 'reader', telemetry }));
  await waitFor('the first record is read', () => reader.records.length > 0, 30_000);
  return { broker, topic, publisher, reader, leader, inSync };
}

/**
 * Publishes the numbers from 1, each after the acknowledgement of the one before, until `happening` ends; gives how many
 * numbers were acknowledged, 0 included. `more` waits until so many more have been acknowledged.
 */
async function publishDuring(
  publisher: KafkaPublisher,
  happening: (more: (count: number) => Promise<void>) => Promise<void>,
): Promise<number> {
  let next = 1;
  let over = false;
  const publishing = (async () => {
    while (!over) {
      await publisher.publish([String(next)]);
      next += 1;
    }
  })();
  const more = async (count: number) => {
    const goal = next + count;
    await waitFor(`${count} more records are acknowledged`, () => next >= goal, 240_000);
  };
  try {
    await Promise.race([happening(more), publishing]);
  } finally {
    over = true;
  }
  await publishing;
  return next;
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

test('the topic is made with three copies, two of which must be in sync', async () => {
  const { topic } = await open();
  const { settings } = await topic.describe();
  expect(settings).toMatchObject({ 'min.insync.replicas': '2', 'unclean.leader.election.enable': 'false' });
});

const disturbances: readonly [string, 'stop' | 'pause', 'start' | 'resume'][] = [
  ['killed', 'stop', 'start'],
  ['frozen', 'pause', 'resume'],
];

test.each(disturbances)(
  'while the leader is %s, nothing acknowledged is lost, and the order is kept',
  async (_, disturb, restore) => {
    const { broker, publisher, reader, leader } = await open();
    const count = await publishDuring(publisher, async (more) => {
      await more(20);
      const first = await leader();
      await broker[disturb](first);
      // Only a new leader can acknowledge these.
      await more(100);
      await broker[restore](first);
      await more(100);
    });
    await waitFor('every record is read', () => new Set(reader.texts()).size === count, 60_000);
    // Sent twice is harmless; missing or overtaken is not: the first of each come in order.
    expect([...new Set(reader.texts())]).toEqual(numbers(count));
  },
);

test('every broker is killed in turn, twice: nothing acknowledged is lost', async () => {
  const { broker, publisher, reader, inSync } = await open();
  const count = await publishDuring(publisher, async (more) => {
    for (const node of [1, 2, 3, 1, 2, 3]) {
      await broker.stop(node);
      await more(50);
      await broker.start(node);
      await waitFor('three copies are in sync', async () => (await inSync()) === 3, 120_000);
    }
  });
  await waitFor('every record is read', () => new Set(reader.texts()).size === count, 60_000);
  expect([...new Set(reader.texts())]).toEqual(numbers(count));
});
