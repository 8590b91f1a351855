import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { kafkaTransport } from '@rescind/feed-kafka';
import { expect, test } from 'vitest';
import { broker } from '../../support/kafka.ts';
import { testTopic } from '../../support/kafka-topic.ts';
import { startTicks } from '../../support/ticks.ts';
import { waitFor } from '../../support/wait.ts';
import { collect, createRecorder } from './collector.ts';

const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `event-${from + index}`);

async function open(more: object = {}) {
  const { brokers } = await broker();
  const topic = testTopic(brokers);
  const telemetry = createRecorder();
  const transport = kafkaTransport({ brokers, topic: topic.name, clientId: 'reader', telemetry, ...more });
  return { topic, transport, telemetry };
}

test('reads all records in order, from the earliest one, and marks the live ones', async () => {
  const { topic, transport } = await open();
  await topic.create();
  await topic.write(...numbered(1, 700));
  const reader = collect(transport);
  await waitFor('the 700 earlier records are read', () => reader.records.length === 700);
  await topic.write(...numbered(701, 710));
  await waitFor('ten later records are read', () => reader.records.length === 710);

  expect(reader.texts()).toEqual(numbered(1, 710));
  expect(reader.records.filter(({ live }) => live).map(({ jws }) => jws)).toEqual(numbered(701, 710));
  expect(reader.opened()).toBe(1);
});

test('resumes just after the record of its hint', async () => {
  const { topic, transport } = await open();
  await topic.create();
  await topic.write(...numbered(1, 20));
  const first = collect(transport);
  await waitFor('the first reader has 20 records', () => first.records.length === 20);
  await first.connection.close();

  const second = collect(transport, first.records[9]?.hint ?? null);
  await waitFor('the second reader has ten records', () => second.records.length === 10);
  await topic.write('event-21');
  await waitFor('the second reader has 11 records', () => second.records.length === 11);
  expect(second.texts()).toEqual(numbered(11, 21));
});

test('delivers all records to each of two readers with one client id', async () => {
  const { topic, transport } = await open();
  await topic.create();
  const readers = [collect(transport), collect(transport)];
  await waitFor('both readers are open', () => readers.every((reader) => reader.opened() === 1));
  for (const text of numbered(1, 50)) await topic.write(text);
  await waitFor('both readers have 50 records', () => readers.every((reader) => reader.records.length === 50));
  for (const reader of readers) expect(reader.texts()).toEqual(numbered(1, 50));
});

test('delivers malformed records as text and continues: no value, binary, empty, compressed', async () => {
  const { topic, transport, telemetry } = await open();
  await topic.create({ 'compression.type': 'producer' });
  await topic.write('first', null, Buffer.from([0, 255, 254, 128]), '', '{not json');
  await topic.writePacked(1, numbered(1, 300));
  await topic.write('last');
  const reader = collect(transport);
  await waitFor('306 records are read', () => reader.records.length === 306);
  expect(reader.texts()[1]).toBe('');
  expect(reader.texts().slice(3, 5)).toEqual(['', '{not json']);
  expect(reader.texts().at(-1)).toBe('last');
  expect(telemetry.total('rescind_kafka_rebuilds_total')).toBe(0);
});

test.each(['lz4', 'snappy', 'zstd', 'uncompressed'])(
  'reads a topic that the broker compresses with %s',
  async (codec) => {
    const { topic, transport, telemetry } = await open();
    await topic.create({ 'compression.type': codec });
    const long = randomBytes(100_000).toString('base64');
    await topic.write(...numbered(1, 2_000));
    await topic.write(long, 'a'.repeat(200_000), `${long}${long}`);
    await topic.write('last');
    const reader = collect(transport);
    await waitFor('2 004 records are read', () => reader.records.length === 2_004);
    expect(reader.texts().slice(0, 2_000)).toEqual(numbered(1, 2_000));
    expect(reader.texts().slice(2_000)).toEqual([long, 'a'.repeat(200_000), `${long}${long}`, 'last']);
    expect(telemetry.total('rescind_kafka_rebuilds_total')).toBe(0);
  },
);

test('refuses a batch that decompresses to more than the limit', async () => {
  const { topic, transport, telemetry } = await open();
  await topic.create({ 'compression.type': 'producer' });
  await topic.write('event-1');
  const reader = collect(transport);
  await waitFor('the first record is read', () => reader.records.length === 1);
  await topic.writePacked(1, ['a'.repeat(70_000_000)]);
  await waitFor('the refusal', () => telemetry.total('rescind_kafka_rebuilds_total') >= 1);
  expect(reader.records.length).toBe(1);
});

test('waits for a missing topic, and does not create it', async () => {
  const { topic, transport, telemetry } = await open();
  const reader = collect(transport);
  await waitFor(
    'three attempts have failed',
    () => telemetry.total('rescind_kafka_rebuilds_total', 'topic_missing') >= 3,
  );
  expect(reader.losses).toContain('topic_missing');
  // One log line, not one for each attempt.
  expect(telemetry.lines.filter(({ event }) => event === 'kafka_lost')).toHaveLength(1);
  const admin = topic.kafka.admin();
  await admin.connect();
  expect(await admin.listTopics()).not.toContain(topic.name);
  await admin.disconnect();

  await topic.create();
  await topic.write('event-1');
  await waitFor('the first event', () => reader.records.length === 1);
});

test('refuses a topic of two partitions', async () => {
  const { topic, transport } = await open();
  await topic.create({}, 2);
  const reader = collect(transport);
  await waitFor('the refusal', () => reader.losses.includes('partitions_wrong'));
  expect(reader.opened()).toBe(0);
});

test('starts from the earliest record when its hint lies beyond the end', async () => {
  const { topic, transport, telemetry } = await open();
  await topic.create();
  await topic.write(...numbered(1, 5));
  const reader = collect(transport, '1000@1700000000000');
  await waitFor('five records are read', () => reader.records.length === 5);
  expect(telemetry.total('rescind_kafka_hints_discarded_total', 'beyond_end')).toBe(1);
});

test('starts from the earliest record when the record before its hint differs (the topic was created again)', async () => {
  const { topic, transport, telemetry } = await open();
  await topic.create();
  await topic.write(...numbered(1, 30));
  const reader = collect(transport, '20@1700000000000');
  await waitFor('30 records are read', () => reader.records.length === 30, 20_000);
  expect(reader.texts()).toEqual(numbered(1, 30));
  expect(telemetry.total('rescind_kafka_rebuilds_total', 'topic_recreated')).toBe(1);
});

test('reads a topic that is deleted and created again while it reads, from the first record', async () => {
  const { topic, transport } = await open();
  await topic.create();
  await topic.write(...numbered(1, 10));
  const reader = collect(transport);
  await waitFor('the first topic is read', () => reader.records.length === 10);
  await topic.remove();
  await waitFor('the loss', () => reader.losses.length > 0, 30_000);
  await topic.create();
  await topic.write(...numbered(101, 130));
  await waitFor('the second topic is read', () => reader.texts().includes('event-130'), 30_000);
  expect(reader.texts().slice(-30)).toEqual(numbered(101, 130));
});

test('delivers the next batch after the promise of the last one resolves', async () => {
  const { topic, transport } = await open();
  await topic.create();
  const reader = collect(transport);
  await waitFor('the reader is open', () => reader.opened() === 1);
  let at = 0;
  let most = 0;
  reader.apply = async () => {
    at += 1;
    most = Math.max(most, at);
    await delay(50);
    at -= 1;
  };
  for (const text of numbered(1, 40)) await topic.write(text);
  await waitFor('40 records are read', () => reader.records.length === 40);
  expect(most).toBe(1);
  expect(reader.texts()).toEqual(numbered(1, 40));
});

test('delivers records again when the sink rejects them', async () => {
  const { topic, transport, telemetry } = await open();
  await topic.create();
  const reader = collect(transport);
  await waitFor('the reader is open', () => reader.opened() === 1);
  let failures = 2;
  reader.apply = () => {
    failures -= 1;
    if (failures >= 0) throw new SyntaxError('the disk is full');
  };
  await topic.write(...numbered(1, 3));
  await waitFor('three records are read', () => reader.records.length === 3, 20_000);
  expect(reader.texts()).toEqual(numbered(1, 3));
  expect(telemetry.total('rescind_kafka_rebuilds_total', 'sink_failed')).toBe(2);
});

test('restarts from the position of the sink', async () => {
  const { topic, transport, telemetry } = await open();
  await topic.create();
  await topic.write(...numbered(1, 5));
  const reader = collect(transport);
  await waitFor('five records are read', () => reader.records.length === 5);
  reader.hint = null;
  reader.connection.restart('replay');
  await waitFor('the records are read again', () => reader.records.length === 10);
  expect(reader.texts()).toEqual([...numbered(1, 5), ...numbered(1, 5)]);
  expect(reader.losses).toEqual([]);
  expect(telemetry.total('rescind_kafka_rebuilds_total', 'restart')).toBe(1);
});

test('waits no longer before a later restart than before the first', async () => {
  const { topic, transport } = await open();
  await topic.create();
  const reader = collect(transport);
  // A new broker may refuse the first sessions.
  await waitFor('a session', () => reader.opened() === 1, 20_000);
  const waits: number[] = [];
  for (let opened = 1; opened <= 10; opened += 1) {
    const waitedMs = startTicks();
    reader.connection.restart('replay');
    await waitFor(`session ${opened + 1}`, () => reader.opened() > opened, 20_000);
    waits.push(waitedMs());
  }
  // The shortest of the last: a broker that stands still delays some of them, and the back-off all of them, by 2 s at least.
  expect(Math.min(...waits.slice(-5))).toBeLessThan(2_000);
});

test('closes at once while it connects, reads or waits', async () => {
  const { brokers } = await broker();
  const nowhere = collect(kafkaTransport({ brokers: ['127.0.0.1:9'], topic: 'none', clientId: 'reader' }));
  const { topic, transport } = await open();
  await topic.create();
  const connecting = collect(transport);
  const reading = collect(transport);
  const waiting = collect(kafkaTransport({ brokers, topic: 'not-there', clientId: 'reader' }));
  await waitFor(
    'one reader is open and two are refused',
    () => reading.opened() === 1 && waiting.losses.length > 0 && nowhere.losses.length > 0,
    30_000,
  );
  const waitedMs = startTicks();
  await Promise.all([nowhere, connecting, reading, waiting].map(({ connection }) => connection.close()));
  expect(waitedMs()).toBeLessThan(3_000);
});
