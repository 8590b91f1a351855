import { setTimeout as delay } from 'node:timers/promises';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Admin } from 'kafkajs';
import kafkajs from 'kafkajs';
import { protocolErrors } from './errors.ts';
import type { TopicFacts, TopicProblem, TopicRequirements } from './topic-rules.ts';
import { CHECKED_SETTINGS, checkTopic, describeProblems, settingsFor } from './topic-rules.ts';

/** A cluster announces a new topic to all brokers within milliseconds; after five seconds the publisher gives up. */
const APPEARING_MS: DurationMs = 50;
const APPEARING_ATTEMPTS = 100;

/** Checks that the topic keeps what is published. */
export interface TopicCheck {
  /**
   * Checks the topic if that is due: the first time, every `checkEveryMs`, and after `invalidate`.
   * @throws RescindError `topic_unsuitable`; an error of kafkajs when Kafka does not answer
   */
  run(admin: Admin): Promise<void>;
  /** The next `run` checks the topic. */
  invalidate(): void;
  /** Milliseconds until the next check is due. */
  dueIn(): DurationMs;
  /** Which settings could be better; undefined: none, or the topic was not checked yet. */
  warning(): string | undefined;
}

export interface TopicCheckOptions {
  readonly topic: string;
  readonly requirements: TopicRequirements;
  /** Whether a missing topic is created. */
  readonly createTopic: boolean;
  readonly checkEveryMs: DurationMs;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

export function createTopicCheck(options: TopicCheckOptions): TopicCheck {
  const { topic, requirements, createTopic, checkEveryMs, clock, telemetry } = options;
  /** Monotonic time until which the last check counts. */
  let goodUntil: DurationMs | undefined;
  let warning: string | undefined;

  const describe = (problems: readonly TopicProblem[]) => describeProblems(topic, problems);
  const warn = (warnings: readonly TopicProblem[]) => {
    const now = warnings.length === 0 ? undefined : describe(warnings);
    if (now !== undefined && now !== warning) telemetry.log('warn', 'kafka_topic_warning', { detail: now });
    warning = now;
  };

  const readOrCreate = async (admin: Admin): Promise<TopicFacts> => {
    const facts = await readTopic(admin, topic);
    if (facts !== undefined) return facts;
    if (!createTopic) throw unsuitable(`topic ${topic} does not exist, and this publisher does not create it`);
    try {
      await requestTopic(admin, topic, requirements);
      telemetry.log('info', 'kafka_topic_created', { topic });
    } catch (error) {
      throw creationError(error, topic, requirements.replicationFactor);
    }
    return waitForTopic(admin, topic);
  };

  return {
    async run(admin) {
      if (goodUntil !== undefined && clock.monotonic() < goodUntil) return;
      goodUntil = undefined;
      const findings = checkTopic(await readOrCreate(admin), requirements);
      warn(findings.warnings);
      if (findings.problems.length > 0) throw unsuitable(describe(findings.problems));
      goodUntil = clock.monotonic() + checkEveryMs;
    },
    invalidate() {
      goodUntil = undefined;
    },
    dueIn: () => (goodUntil === undefined ? 0 : Math.max(0, goodUntil - clock.monotonic())),
    warning: () => warning,
  };
}

async function waitForTopic(admin: Admin, topic: string): Promise<TopicFacts> {
  for (let attempt = 0; attempt < APPEARING_ATTEMPTS; attempt += 1) {
    const facts = await readTopic(admin, topic);
    if (facts !== undefined) return facts;
    await delay(APPEARING_MS);
  }
  throw unsuitable(`topic ${topic} was created and does not appear`);
}

const unsuitable = (detail: string) => new RescindError('topic_unsuitable', { detail });

/** `topic_unsuitable` where an operator must act before the topic can be created; else the error itself. */
function creationError(error: unknown, topic: string, copies: number): unknown {
  const types = protocolErrors(error);
  if (types.some((type) => type.endsWith('_AUTHORIZATION_FAILED'))) {
    return unsuitable(`topic ${topic} does not exist, and this user may not create it (needs Create)`);
  }
  if (types.includes('INVALID_REPLICATION_FACTOR')) {
    return unsuitable(`topic ${topic} does not exist, and there are too few brokers for ${copies} copies of it`);
  }
  if (types.includes('INVALID_CONFIG') || types.includes('POLICY_VIOLATION')) {
    return unsuitable(`topic ${topic} does not exist, and the brokers refuse the settings it needs`);
  }
  return error;
}

/** Reads partitions and settings of the topic; undefined: it does not exist. @throws an error of kafkajs when Kafka does not answer */
async function readTopic(admin: Admin, topic: string): Promise<TopicFacts | undefined> {
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
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: [...CHECKED_SETTINGS] }],
    });
    const entries = resources[0]?.configEntries ?? [];
    return new Map(entries.map(({ configName, configValue }) => [configName, configValue]));
  } catch (error) {
    if (protocolErrors(error).some((type) => type.endsWith('_AUTHORIZATION_FAILED'))) return undefined;
    throw error;
  }
}

/** Requests the creation of the topic; an existing one is left alone. Brokers may not know it for a moment. @throws an error of kafkajs */
async function requestTopic(admin: Admin, topic: string, requirements: TopicRequirements): Promise<void> {
  await admin.createTopics({
    // kafkajs's own wait fails on a broker that does not know the topic yet.
    waitForLeaders: false,
    topics: [
      {
        topic,
        numPartitions: 1,
        replicationFactor: requirements.replicationFactor,
        configEntries: settingsFor(requirements),
      },
    ],
  });
}
