import { patchRequestQueue } from '@rescind/feed-kafka/testing';
import type { Admin, Kafka, KafkaConfig, Producer } from 'kafkajs';
import kafkajs from 'kafkajs';
import { onTestFinished } from 'vitest';
import { uniqueTopic } from './kafka.ts';
import { waitFor } from './wait.ts';

/** Settings of a topic that a log may be published to. */
const GOOD_SETTINGS: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete',
  'message.timestamp.type': 'LogAppendTime',
  'compression.type': 'producer',
  'retention.ms': '86400000',
  'retention.bytes': '-1',
};

/** A topic of a test, with an administrator and a producer that may write anything to it. */
export interface TestTopic {
  readonly name: string;
  readonly kafka: Kafka;
  readonly admin: Admin;
  create(settings?: Readonly<Record<string, string>>, partitions?: number, copies?: number): Promise<void>;
  remove(): Promise<void>;
  set(settings: Readonly<Record<string, string>>): Promise<void>;
  write(...values: readonly (string | Buffer | null)[]): Promise<void>;
  /** With one of Kafka's codecs: 0 none, 1 gzip. */
  writePacked(codec: number, values: readonly string[]): Promise<void>;
  end(): Promise<number>;
  describe(): Promise<{ partitions: number; settings: Record<string, string> }>;
  /** The keys of the first records. */
  keys(count: number): Promise<(string | undefined)[]>;
  /** The number of members of the consumer groups whose name has this prefix. */
  members(prefix: string): Promise<number>;
}

const RETRY = { retries: 8, initialRetryTime: 100, maxRetryTime: 1_000 };

/** The topic and the connections are created at the first use. */
export function testTopic(
  brokers: readonly string[],
  name = uniqueTopic(),
  more: Partial<KafkaConfig> = {},
): TestTopic {
  patchRequestQueue();
  const kafka = new kafkajs.Kafka({
    brokers: [...brokers],
    clientId: 'test',
    logLevel: kafkajs.logLevel.NOTHING,
    retry: RETRY,
    ...more,
  });
  const admin = kafka.admin();
  const producer: Producer = kafka.producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  let connected: Promise<unknown> | undefined;
  const ready = () => {
    connected ??= Promise.all([admin.connect(), producer.connect()]);
    return connected;
  };
  onTestFinished(async () => {
    await connected?.catch(() => undefined);
    await Promise.allSettled([producer.disconnect(), admin.disconnect()]);
  });

  return {
    name,
    kafka,
    admin,
    async create(settings = GOOD_SETTINGS, partitions = 1, copies = 1) {
      await ready();
      const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
      const topic = { topic: name, numPartitions: partitions, replicationFactor: copies, configEntries };
      await admin.createTopics({ topics: [topic], waitForLeaders: false });
      // Brokers apply the change a moment later.
      await waitFor('the new topic has its partitions', async () => {
        const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
        return topics[0]?.partitions.every(({ leader }) => leader >= 0);
      });
    },
    async remove() {
      await ready();
      await admin.deleteTopics({ topics: [name] });
    },
    async set(settings) {
      await ready();
      const configEntries = Object.entries(settings).map(([key, value]) => ({ name: key, value }));
      const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name, configEntries };
      await admin.alterConfigs({ validateOnly: false, resources: [resource] });
    },
    async write(...values) {
      await ready();
      const messages = values.map((value) => ({ key: 'log', value, partition: 0 }));
      await producer.send({ topic: name, acks: -1, messages });
    },
    async writePacked(codec, values) {
      await ready();
      const messages = values.map((value) => ({ key: 'log', value, partition: 0 }));
      await producer.send({ topic: name, acks: -1, compression: codec, messages });
    },
    async end() {
      await ready();
      const [offsets] = await admin.fetchTopicOffsets(name);
      return Number(offsets?.high ?? Number.NaN);
    },
    async describe() {
      await ready();
      const { topics } = await admin.fetchTopicMetadata({ topics: [name] });
      const resource = { type: kafkajs.ConfigResourceTypes.TOPIC, name };
      const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
      const entries = (resources[0]?.configEntries ?? []).map(({ configName, configValue }) => [
        configName,
        configValue,
      ]);
      return { partitions: topics[0]?.partitions.length ?? 0, settings: Object.fromEntries(entries) };
    },
    async keys(count) {
      const consumer = kafka.consumer({ groupId: uniqueTopic('keys') });
      await consumer.connect();
      await consumer.subscribe({ topic: name, fromBeginning: true });
      const keys: (string | undefined)[] = [];
      await new Promise<void>((resolve) => {
        void consumer.run({
          eachMessage: async ({ message }) => {
            keys.push(message.key?.toString());
            if (keys.length === count) resolve();
          },
        });
      });
      await consumer.disconnect();
      return keys;
    },
    async members(prefix) {
      await ready();
      const { groups } = await admin.listGroups();
      const ids = groups.map(({ groupId }) => groupId).filter((group) => group.startsWith(prefix));
      const described = ids.length === 0 ? [] : (await admin.describeGroups(ids)).groups;
      return described.reduce((sum, { members }) => sum + members.length, 0);
    },
  };
}
