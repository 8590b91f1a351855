import { kafkaWay } from '@rescind/feed-kafka';
import { silentTelemetry } from '@rescind/revocation';
import { broker } from '../../support/kafka.ts';
import { testTopic } from '../../support/kafka-topic.ts';
import { describeTransport } from '../feed/transport-contract.ts';

// A broker that goes and comes back is in broker-down.test.ts.
describeTransport('kafka', [], async () => {
  const { brokers } = await broker();
  const topic = testTopic(brokers);
  await topic.create();
  let seq = 0;
  const telemetry = silentTelemetry;
  return {
    // A broker that has just started takes long for its first group, on a machine that is busy.
    transport: kafkaWay({ brokers, topic: topic.name, clientId: 'reader', openingMs: 60_000, telemetry }),
    append: (count) => topic.write(...Array.from({ length: count }, () => `event.0001-a.${++seq}`)),
  };
});
