import { openBroker } from '@rescind/dev-kafka';
import { kafkaTransport, openPublisher } from '@rescind/feed-kafka';
import { expect, onTestFinished, test } from 'vitest';
import { testTopic } from '../../support/kafka-topic.ts';
import { waitFor } from '../../support/wait.ts';
import { collect, createRecorder } from './collector.ts';

/** Opens a broker of its own, which the test kills. */
async function open(more: { stallMs?: number; sessionTimeoutMs?: number } = {}) {
  const broker = await openBroker({
    own: true,
    properties: { 'group.min.session.timeout.ms': '1000' },
    log: (line) => console.error(line),
  });
  onTestFinished(() => broker.close());
  const { brokers } = broker;
  const topic = testTopic(brokers);
  const telemetry = createRecorder();
  const publisher = openPublisher({
    brokers,
    topic: topic.name,
    clientId: 'issuer',
    log: 'log',
    minRetentionMs: 3_600_000,
    createTopic: true,
    publishTimeoutMs: 60_000,
    telemetry,
  });
  onTestFinished(() => publisher.close());
  await publisher.publish(['event-1']);
  const reader = collect(kafkaTransport({ brokers, topic: topic.name, clientId: 'reader', telemetry, ...more }));
  await waitFor('the first event', () => reader.records.length === 1, 20_000);
  return { broker, topic, telemetry, publisher, reader };
}

test('publisher and reader recover after a broker is killed and restarted, without loss', async () => {
  const { broker, telemetry, publisher, reader } = await open();
  await broker.stop();
  await waitFor('the reader loses its connection', () => reader.losses.length > 0, 20_000);
  const published = publisher.publish(['event-2']);
  await waitFor('the publisher reports the loss', () => publisher.health()[0]?.status === 'warn', 20_000);
  expect(publisher.health()[0]).toMatchObject({ waiting: 1 });
  await broker.start();
  await published;
  await waitFor('the event', () => reader.texts().includes('event-2'), 30_000);
  await publisher.publish(['event-3']);
  await waitFor('the next record is read', () => reader.texts().includes('event-3'), 30_000);

  expect([...new Set(reader.texts())]).toEqual(['event-1', 'event-2', 'event-3']);
  expect(reader.opened()).toBeGreaterThan(1);
  expect(telemetry.total('rescind_kafka_rebuilds_total')).toBeGreaterThan(0);
  expect(publisher.health()[0]).toMatchObject({ status: 'pass', waiting: 0 });
});

test('the reader notices a frozen broker without an error of the client', async () => {
  const { broker, telemetry, publisher, reader } = await open({ stallMs: 1_500 });
  await broker.pause();
  await waitFor('the reader reports a stalled connection', () => reader.losses.includes('stalled'), 10_000);
  expect(telemetry.total('rescind_kafka_rebuilds_total', 'stalled')).toBe(1);
  const published = publisher.publish(['event-2']);
  await broker.resume();
  await published;
  await waitFor('the event', () => reader.texts().includes('event-2'), 30_000);
});

test('the reader keeps its connection to an idle topic', async () => {
  const { telemetry, reader, publisher } = await open({ stallMs: 1_000 });
  const before = telemetry.total('rescind_kafka_rebuilds_total');
  const quiet = performance.now() + 4_000;
  await waitFor('four idle seconds have passed', () => performance.now() > quiet);
  expect(telemetry.total('rescind_kafka_rebuilds_total')).toBe(before);
  await publisher.publish(['event-2']);
  await waitFor('the event', () => reader.texts().includes('event-2'));
});

test('the reader loses nothing after its process stood still longer than the session time-out', async () => {
  const { reader, publisher, telemetry } = await open({ sessionTimeoutMs: 1_500, stallMs: 60_000 });
  const expected = ['event-1'];
  for (let round = 0; round < 3; round += 1) {
    // Not awaited: the records are written during the standstill, and their acknowledgements arrive after it.
    const texts = Array.from({ length: 40 }, (_, index) => `round-${round}-${index}`);
    expected.push(...texts);
    const published = Promise.all(texts.map((text) => publisher.publish([text])));
    await waitFor(
      'some records of the round are read',
      () => reader.records.length > expected.length - texts.length,
      20_000,
    );
    standStill(4_000);
    await published;
    await publisher.publish([`after-${round}`]);
    expected.push(`after-${round}`);
    await waitFor('every record of the round is read', () => new Set(reader.texts()).size === expected.length, 30_000);
  }
  // Each record once and in order, duplicates aside.
  expect([...new Set(reader.texts())]).toEqual(expected);
  expect(telemetry.lines.some(({ fields }) => String(fields.message).includes('re-joining'))).toBe(true);
});

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
