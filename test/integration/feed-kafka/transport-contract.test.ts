import { kafkaWay } from '@rescind/feed-kafka';
import { silentTelemetry } from '@rescind/revocation';
import { broker } from '../../support/kafka.ts';
import { testTopic } from '../../support/kafka-topic.ts';
import { describeTransport } from '../feed/transport-contract.ts';

// A broker that goes and comes back is in broker-down.test.ts.
describeTransport('kafka', async () => {
  const { brokers } = await broker();
  const topic = testTopic(brokers);
  await topic.create();
  let seq = 0;
  return {
    transport: kafkaWay({ brokers, topic: topic.name, clientId: 'reader', telemetry: silentTelemetry }),
    append: (count) => topic.write(...Array.from({ length: count }, () => `event.0001-a.${++seq}`)),
  };
});
