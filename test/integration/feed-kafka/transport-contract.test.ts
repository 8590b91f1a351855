import { kafkaTransport } from '@rescind/feed-kafka';
import { silentTelemetry } from '@rescind/revocation';
import { broker } from '../../support/kafka.ts';
import { testTopic } from '../../support/kafka-topic.ts';
import { describeTransport } from '../feed/transport-contract.ts';

// broker-down.test.ts tests a broker that stops and restarts.
describeTransport('kafka', [], async () => {
  const { brokers } = await broker();
  const topic = testTopic(brokers);
  await topic.create();
  let seq = 0;
  const telemetry = silentTelemetry;
  return {
    // On a busy machine a broker that has just started takes long for its first group.
    transport: kafkaTransport({ brokers, topic: topic.name, clientId: 'reader', openingMs: 60_000, telemetry }),
    append: (count) => topic.write(...Array.from({ length: count }, () => `event.0001-a.${++seq}`)),
  };
});
