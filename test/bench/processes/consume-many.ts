import { patchRequestQueue } from '@rescind/feed-kafka/testing';
import kafkajs from 'kafkajs';
import { createArrivals, openReaders } from '../material/arrivals.ts';

/** Bare kafkajs consumers of one topic, each a group of its own. Prints `ready`, then the times at which each record reached the consumers. */
const [brokers = '', topic = '', count = ''] = process.argv.slice(2);
const consumers = Number(count);
// Without the patch kafkajs starts hundreds of timers a second on Node 24.
patchRequestQueue();
const arrived = createArrivals(consumers);
await openReaders(consumers, async (index) => {
  const kafka = new kafkajs.Kafka({
    brokers: brokers.split(','),
    clientId: `bench-${index}`,
    logLevel: kafkajs.logLevel.NOTHING,
  });
  const consumer = kafka.consumer({ groupId: `${topic}.${index}` });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const isJoined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ message }) => arrived(message.value?.toString() ?? '', index),
  });
  await isJoined;
});
process.stdout.write('ready\n');
process.stdin.on('end', () => process.exit()).resume();
