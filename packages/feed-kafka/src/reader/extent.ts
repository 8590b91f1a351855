import type { KafkaClient } from '../client/client.ts';
import type { Extent } from './hint.ts';

/** The topic has another number of partitions than one: there is no order to read it in. */
export class WrongPartitions extends Error {
  override readonly name = 'WrongPartitions';
}

/** What the topic holds now. Never makes the topic. @throws WrongPartitions, or an error of kafkajs */
export async function readExtent(client: KafkaClient, topic: string): Promise<Extent> {
  const admin = client.kafka.admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const count = topics[0]?.partitions.length ?? 0;
    if (count !== 1) throw new WrongPartitions(`the topic has ${count} partitions, not one`);
    const [offsets] = await admin.fetchTopicOffsets(topic);
    if (offsets === undefined) throw new WrongPartitions('the topic has no partition');
    return { low: BigInt(offsets.low), high: BigInt(offsets.high) };
  } finally {
    // Not waited for: the connection has done its work.
    void admin.disconnect().catch(() => undefined);
  }
}
