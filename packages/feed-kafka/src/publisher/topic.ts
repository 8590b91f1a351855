import type { Admin } from 'kafkajs';
import kafkajs from 'kafkajs';
import { protocolErrors } from '../client/failure.ts';
import type { TopicFacts, TopicNeeds } from './topic-rules.ts';
import { SETTINGS, settingsFor } from './topic-rules.ts';

/** The topic as it is; undefined when there is none. @throws an error of kafkajs when Kafka cannot be asked */
export async function readTopic(admin: Admin, topic: string): Promise<TopicFacts | undefined> {
  const found = await admin.fetchTopicMetadata({ topics: [topic] }).catch((error: unknown) => {
    if (protocolErrors(error).includes('UNKNOWN_TOPIC_OR_PARTITION')) return undefined;
    throw error;
  });
  const partitions = found?.topics[0]?.partitions ?? [];
  if (partitions.length === 0) return undefined;
  return {
    partitions: partitions.length,
    replicationFactor: Math.min(...partitions.map(({ replicas }) => replicas.length)),
    settings: await readSettings(admin, topic),
  };
}

async function readSettings(admin: Admin, topic: string): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: [...SETTINGS] }],
    });
    const entries = resources[0]?.configEntries ?? [];
    return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
  } catch (error) {
    if (protocolErrors(error).some((type) => type.endsWith('_AUTHORIZATION_FAILED'))) return undefined;
    throw error;
  }
}

/**
 * Makes the topic, unless somebody else just has. It may take a moment until every broker has heard of it.
 * @throws an error of kafkajs when it may not or cannot be made
 */
export async function createTopic(admin: Admin, topic: string, needs: TopicNeeds): Promise<void> {
  await admin.createTopics({
    // kafkajs's own waiting fails on a broker that has not heard of the topic yet.
    waitForLeaders: false,
    topics: [
      {
        topic,
        numPartitions: 1,
        replicationFactor: needs.replicationFactor,
        configEntries: settingsFor(needs),
      },
    ],
  });
}
