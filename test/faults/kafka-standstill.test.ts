import { kafkaTransport } from '@rescind/feed-kafka';
import { expect, test } from 'vitest';
import { collect, createRecorder } from '../integration/feed-kafka/collector.ts';
import { broker } from '../support/kafka.ts';
import { testTopic } from '../support/kafka-topic.ts';
import { waitFor } from '../support/wait.ts';

/** Longer than the session that a reader has by default. */
const STANDSTILL_MS = 35_000;

test('a process that is suspended for longer than its session misses no event', async () => {
  const { brokers } = await broker();
  const topic = testTopic(brokers);
  await topic.create();
  const telemetry = createRecorder();
  const reader = collect(kafkaTransport({ brokers, topic: topic.name, clientId: 'reader', telemetry }));
  const expected: string[] = [];
  for (let round = 0; round < 3; round += 1) {
    const texts = Array.from({ length: 70 }, (_, index) => `${round}-${index}`);
    expected.push(...texts);
    await topic.write(...texts.slice(0, 35));
    await waitFor('the first half is read', () => new Set(reader.texts()).size === expected.length - 35, 60_000);
    // In flight when the process is suspended, and read only afterwards.
    const written = topic.write(...texts.slice(35));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STANDSTILL_MS);
    await written.catch(() => topic.write(...texts.slice(35)));
    await waitFor('the second half is read', () => new Set(reader.texts()).size === expected.length, 60_000);
  }
  expect([...new Set(reader.texts())]).toEqual(expected);
});
