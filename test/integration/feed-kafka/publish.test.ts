import type { PublisherOptions } from '@rescind/feed-kafka';
import { kafkaTransport, openPublisher } from '@rescind/feed-kafka';
import { RescindError } from '@rescind/revocation';
import kafkajs from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import { broker } from '../../support/kafka.ts';
import { testTopic } from '../../support/kafka-topic.ts';
import { waitFor } from '../../support/wait.ts';
import { collect, createRecorder } from './collector.ts';

const HOUR_MS = 3_600_000;

async function open(more: Partial<PublisherOptions> = {}, create = true) {
  const { brokers } = await broker();
  const topic = testTopic(brokers);
  const telemetry = createRecorder();
  const publisher = openPublisher({
    brokers,
    topic: topic.name,
    clientId: 'issuer',
    log: 'https://issuer.example',
    minRetentionMs: HOUR_MS,
    ...(create ? { createTopic: true } : {}),
    telemetry,
    ...more,
  });
  onTestFinished(() => publisher.close());
  const reader = () => collect(kafkaTransport({ brokers, topic: topic.name, clientId: 'reader' }));
  return { topic, telemetry, publisher, reader, brokers };
}

/** Counts how often a client of this process decompresses gzip, until the test has finished. */
function countGunzips(): () => number {
  interface Codec {
    decompress(packed: Buffer): Promise<Buffer>;
  }
  const codecs: Record<number, () => Codec> = kafkajs.CompressionCodecs;
  const gzip = kafkajs.CompressionTypes.GZIP;
  const own = codecs[gzip] as () => Codec;
  let count = 0;
  codecs[gzip] = () => ({
    ...own(),
    decompress(packed) {
      count += 1;
      return own().decompress(packed);
    },
  });
  onTestFinished(() => {
    codecs[gzip] = own;
  });
  return () => count;
}

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `event-${from + index}`);

async function all<T>(things: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const thing of things) found.push(thing);
  return found;
}

test('creates the topic with the settings that the log requires, and publishes in order', async () => {
  const { topic, publisher, reader, telemetry } = await open();
  await publisher.publish(numbered(1, 3));
  const { partitions, settings } = await topic.describe();
  expect(partitions).toBe(1);
  expect(settings).toMatchObject({
    'cleanup.policy': 'delete',
    'message.timestamp.type': 'LogAppendTime',
    'retention.ms': String(HOUR_MS),
    'retention.bytes': '-1',
    'compression.type': 'producer',
    'unclean.leader.election.enable': 'false',
    'min.insync.replicas': '1',
  });
  await publisher.publish(numbered(4, 2_500));
  const read = reader();
  await waitFor('2 500 records are read', () => read.records.length === 2_500);
  expect(read.texts()).toEqual(numbered(1, 2_500));
  expect(telemetry.total('rescind_kafka_records_published_total')).toBe(2_500);
  expect(publisher.health()).toEqual([{ name: 'kafka', status: 'pass', topic: topic.name, waiting: 0 }]);
});

test('sends waiting publications together, in the order of publication', async () => {
  const { publisher, reader, telemetry } = await open();
  await publisher.publish(['first']);
  const observed = () => telemetry.observed('rescind_kafka_publish_seconds');
  const before = observed();
  await Promise.all(numbered(1, 200).map((text) => publisher.publish([text])));
  expect(observed() - before).toBeLessThan(10);
  const read = reader();
  await waitFor('201 records are read', () => read.records.length === 201);
  expect(read.texts()).toEqual(['first', ...numbered(1, 200)]);
});

test('keys every record by its log', async () => {
  const { topic, publisher } = await open();
  await publisher.publish(['one', 'two']);
  expect(await topic.keys(2)).toEqual(['https://issuer.example', 'https://issuer.example']);
});

test('reads the tail and all of the topic, and leaves no group with members behind', async () => {
  const { topic, publisher } = await open();
  await waitFor('the topic is accepted', () => publisher.health()[0]?.status === 'pass');
  expect(await publisher.tail(5)).toEqual([]);
  expect(await all(publisher.replay())).toEqual([]);

  await publisher.publish(numbered(1, 1_200));
  expect(await publisher.tail(3)).toEqual(numbered(1_198, 1_200));
  expect(await publisher.tail(5_000)).toEqual(numbered(1, 1_200));
  const batches = await all(publisher.replay());
  expect(batches.flat()).toEqual(numbered(1, 1_200));
  // The loop ends after the first batch, and nothing hangs.
  for await (const batch of publisher.replay()) {
    expect(batch[0]).toBe('event-1');
    break;
  }
  await waitFor(
    'every member of the group has left',
    async () => (await topic.members('rescind.issuer.')) === 0,
    20_000,
  );
});

test('reads an empty tail and an empty replay while the topic does not exist', async () => {
  const { publisher } = await open({}, false);
  expect(await publisher.tail(5)).toEqual([]);
  expect(await all(publisher.replay())).toEqual([]);
});

test('reports a missing topic in health and waits for it, without `createTopic`', async () => {
  const { topic, publisher, telemetry } = await open({}, false);
  await waitFor('health reports that the topic does not exist', () =>
    String(publisher.health()[0]?.reason).includes('does not exist'),
  );
  const refusal = await publisher.publish(['one']).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(RescindError);
  expect(refusal).toMatchObject({ code: 'topic_unsuitable', detail: expect.stringContaining('does not exist') });
  expect(telemetry.lines.filter(({ event }) => event === 'kafka_publish_failed')).toHaveLength(1);

  await topic.create();
  await waitFor('the publication', () => publisher.publish(['one']).then(() => true), 40_000);
});

const UNSUITABLE = [
  ['cleanup.policy', 'compact', 'delete'],
  ['message.timestamp.type', 'CreateTime', 'LogAppendTime'],
  ['retention.ms', '1000', 'at least 3600000'],
  ['retention.bytes', '1000000', '-1'],
  ['min.insync.replicas', '2', 'at most 1'],
  ['max.message.bytes', '1000', 'at least 262144'],
] as const;

test.each(UNSUITABLE)(
  'publishes nothing to a topic whose %s is %s, until it is mended',
  async (name, value, wanted) => {
    const { brokers } = await broker();
    const topic = testTopic(brokers);
    const good = { 'message.timestamp.type': 'LogAppendTime', 'compression.type': 'producer' };
    await topic.create({ ...good, [name]: value });
    const telemetry = createRecorder();
    await using publisher = openPublisher({
      brokers,
      topic: topic.name,
      clientId: 'issuer',
      log: 'https://issuer.example',
      minRetentionMs: HOUR_MS,
      telemetry,
    });
    const refusal: unknown = await publisher.publish(['one']).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'topic_unsuitable', detail: expect.stringContaining(`${name} is ${value}`) });
    expect((refusal as RescindError).detail).toContain(wanted);
    expect((refusal as RescindError).detail).toContain(topic.name);
    expect(publisher.health()[0]).toMatchObject({ status: 'warn', reason: expect.stringContaining(name) });
    expect(telemetry.lines.some(({ level, event }) => level === 'error' && event === 'kafka_publish_failed')).toBe(
      true,
    );
    expect(await topic.end()).toBe(0);

    await topic.set(good);
    await waitFor('the publication', () => publisher.publish(['one']).then(() => true), 40_000);
    expect(await topic.end()).toBe(1);
  },
);

test('publishes nothing to a topic of two partitions', async () => {
  const { topic, publisher } = await open({}, false);
  await topic.create(undefined, 2);
  const partitions = () => publisher.publish(['one']).catch((error: unknown) => (error as RescindError).detail);
  await waitFor('the refusal', async () => String(await partitions()).includes('partitions is 2, must be 1'), 30_000);
});

test('refuses a topic with fewer copies than `replicationFactor`', async () => {
  const { topic, publisher } = await open({ replicationFactor: 3 });
  await expect(publisher.publish(['one'])).rejects.toMatchObject({
    code: 'topic_unsuitable',
    detail: expect.stringContaining('too few brokers for 3 copies'),
  });
  await topic.create();
  const detail = () => publisher.publish(['one']).catch((error: unknown) => (error as RescindError).detail);
  await waitFor('the refusal', async () => String(await detail()).includes('replication factor is 1'), 30_000);
});

test('notices at a later check that the topic has become unsuitable', async () => {
  const { topic, publisher } = await open({ checkEveryMs: 200 });
  await publisher.publish(['one']);
  await topic.set({ 'message.timestamp.type': 'LogAppendTime', 'retention.ms': '60000' });
  await waitFor(
    'health reports the retention',
    () => String(publisher.health()[0]?.reason).includes('retention.ms is 60000'),
    20_000,
  );
});

test('returns the time of the broker, and none while the topic keeps that of the producer', async () => {
  const { topic, publisher } = await open();
  const before = Date.now();
  expect(publisher.appendedAt?.()).toBeUndefined();
  await publisher.publish(['one']);
  const appendedAt = Number(publisher.appendedAt?.());
  // The broker runs on this machine; its clock counts whole milliseconds.
  expect(appendedAt).toBeGreaterThanOrEqual(before - 1);
  expect(appendedAt).toBeLessThanOrEqual(Date.now() + 1);

  // Not checked again before the next publications.
  await topic.set({ 'message.timestamp.type': 'CreateTime', 'compression.type': 'producer' });
  await waitFor('a publication without the time of the broker', async () => {
    await publisher.publish(['two']);
    return publisher.appendedAt?.() === undefined;
  });
  await topic.set({ 'message.timestamp.type': 'LogAppendTime', 'compression.type': 'producer' });
  await waitFor('a publication with the time of the broker', async () => {
    await publisher.publish(['three']);
    return Number(publisher.appendedAt?.()) >= appendedAt;
  });
});

test('compresses large sends, not small ones', async () => {
  const { publisher, reader } = await open();
  const gunzips = countGunzips();
  const events = numbered(1, 40).map((text) => text.padEnd(1_000, '.'));
  await publisher.publish(events.slice(0, 10));
  const read = reader();
  await waitFor('the small records are read', () => read.records.length === 10);
  expect(gunzips()).toBe(0);
  await publisher.publish(events.slice(10));
  await waitFor('40 records are read', () => read.records.length === 40);
  expect(gunzips()).toBe(1);
  expect(read.texts()).toEqual(events);
});

test.each(['gzip', 'zstd'])('publishes, with a warning in health, to a topic with compression %s', async (codec) => {
  const { topic, publisher, telemetry, brokers } = await open({}, false);
  await topic.create({ 'message.timestamp.type': 'LogAppendTime', 'compression.type': codec });
  await waitFor('the publication', () => publisher.publish(['one']).then(() => true), 40_000);
  const reason = expect.stringContaining(`compression.type is ${codec}, must be producer`);
  expect(publisher.health()[0]).toMatchObject({ status: 'warn', reason });
  expect(telemetry.lines.some(({ event }) => event === 'kafka_topic_warning')).toBe(true);
  // A reader of this package reads it.
  const read = collect(kafkaTransport({ brokers, topic: topic.name, clientId: 'reader' }));
  await waitFor('the record is read', () => read.texts().includes('one'));
});

test('rejects a publication with the reason when Kafka stays unreachable', async () => {
  const publisher = openPublisher({
    brokers: ['127.0.0.1:9'],
    clientId: 'issuer',
    log: 'https://issuer.example',
    minRetentionMs: HOUR_MS,
    publishTimeoutMs: 300,
  });
  await expect(publisher.publish(['one'])).rejects.toMatchObject({ code: 'kafka_unreachable', status: 503 });
  expect(publisher.health()[0]).toMatchObject({ name: 'kafka', status: 'warn', waiting: 0 });
  await expect(publisher.tail(1)).rejects.toMatchObject({ code: 'kafka_unreachable' });
  await publisher.close();
  await expect(publisher.publish(['one'])).rejects.toMatchObject({ code: 'stopping' });
});
