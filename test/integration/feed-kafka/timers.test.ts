import { kafkaTransport } from '@rescind/feed-kafka';
import { patchRequestQueue } from '@rescind/feed-kafka/testing';
import kafkajs from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import { broker } from '../../support/kafka.ts';
import { testTopic } from '../../support/kafka-topic.ts';
import { waitFor } from '../../support/wait.ts';
import { collect } from './collector.ts';

/** Counts the timers that this process starts within a second, and those with a negative delay. */
async function timersPerSecond(): Promise<{ all: number; negative: number }> {
  const original = globalThis.setTimeout;
  let all = 0;
  let negative = 0;
  const counting = (...timer: Parameters<typeof setTimeout>) => {
    all += 1;
    if ((timer[1] ?? 0) < 0) negative += 1;
    return original(...timer);
  };
  globalThis.setTimeout = Object.assign(counting, original) as typeof setTimeout;
  await new Promise((resolve) => void original(resolve, 1_000));
  globalThis.setTimeout = original;
  return { all, negative };
}

test('an idle client starts hundreds of timers a second without the patch, and hardly any with it', async () => {
  const { brokers } = await broker();
  const client = new kafkajs.Kafka({ brokers, clientId: 'timers', logLevel: kafkajs.logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  await admin.listTopics();
  onTestFinished(() => admin.disconnect());
  await waitFor('a second with hundreds of timers', async () => (await timersPerSecond()).negative > 100);

  expect(patchRequestQueue()).toBe(true);
  await admin.listTopics();
  const topic = testTopic(brokers);
  await topic.create();
  const reader = collect(kafkaTransport({ brokers, topic: topic.name, clientId: 'reader' }));
  await waitFor('the reader is open', () => reader.opened() === 1);
  const after = await timersPerSecond();
  expect(after.negative).toBe(0);
  expect(after.all).toBeLessThan(30);
});
