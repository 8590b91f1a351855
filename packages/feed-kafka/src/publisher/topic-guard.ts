import { setTimeout as delay } from 'node:timers/promises';
import type { DurationMs } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Admin } from 'kafkajs';
import { protocolErrors } from '../client/failure.ts';
import type { PublisherSettings } from './options.ts';
import { createTopic, readTopic } from './topic.ts';
import type { TopicFacts, TopicProblem } from './topic-rules.ts';
import { describeProblems, judgeTopic } from './topic-rules.ts';

/** A new topic is known to all brokers within milliseconds; five seconds are a cluster in trouble. */
const APPEARING_MS: DurationMs = 50;
const APPEARING_ATTEMPTS = 100;

/** Lets nothing through to a topic that would lose it. */
export interface TopicGuard {
  /**
   * Looks at the topic where that is due: at first, from time to time, and after `suspect`.
   * @throws RescindError `topic_unsuitable`; an error of kafkajs when Kafka cannot be asked
   */
  check(admin: Admin): Promise<void>;
  /** Something was odd: look again before the next send. */
  suspect(): void;
  /** Milliseconds until it is due. */
  dueIn(): DurationMs;
  /** What could be better, in words; undefined: nothing, or not looked at yet. */
  warning(): string | undefined;
}

export function createTopicGuard(settings: PublisherSettings): TopicGuard {
  const { connection, needs, clock, telemetry } = settings;
  const { topic } = connection;
  let goodUntil: number | undefined;
  let warning: string | undefined;

  const describe = (problems: readonly TopicProblem[]) => describeProblems(topic, problems);
  const warn = (warnings: readonly TopicProblem[]) => {
    const now = warnings.length === 0 ? undefined : describe(warnings);
    if (now !== undefined && now !== warning) telemetry.log('warn', 'kafka_topic_warning', { detail: now });
    warning = now;
  };

  const found = async (admin: Admin): Promise<TopicFacts> => {
    const facts = await readTopic(admin, topic);
    if (facts !== undefined) return facts;
    const retentionMs = settings.createRetentionMs;
    if (retentionMs === undefined) throw unsuitable(`topic ${topic} does not exist, and is not made from here`);
    try {
      await createTopic(admin, topic, { ...needs, retentionMs });
      telemetry.log('info', 'kafka_topic_created', { topic });
    } catch (error) {
      throw refusalOf(error, topic, needs.replicationFactor);
    }
    return waitForTopic(admin, topic);
  };

  return {
    async check(admin) {
      if (goodUntil !== undefined && clock.monotonic() < goodUntil) return;
      goodUntil = undefined;
      const verdict = judgeTopic(await found(admin), needs);
      warn(verdict.warnings);
      if (verdict.problems.length > 0) throw unsuitable(describe(verdict.problems));
      goodUntil = clock.monotonic() + settings.checkEveryMs;
    },
    suspect() {
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
  throw unsuitable(`topic ${topic} has been made and does not appear`);
}

const unsuitable = (detail: string) => new RescindError('topic_unsuitable', { detail });

/** Why a topic could not be made, where an operator has to do something about it; else the error itself. */
function refusalOf(error: unknown, topic: string, copies: number): unknown {
  const types = protocolErrors(error);
  if (types.some((type) => type.endsWith('_AUTHORIZATION_FAILED'))) {
    return unsuitable(`topic ${topic} does not exist, and this user may not make it (needs Create)`);
  }
  if (types.includes('INVALID_REPLICATION_FACTOR')) {
    return unsuitable(`topic ${topic} does not exist, and there are not brokers enough for ${copies} copies of it`);
  }
  if (types.includes('INVALID_CONFIG') || types.includes('POLICY_VIOLATION')) {
    return unsuitable(`topic ${topic} does not exist, and the brokers refuse the settings it needs`);
  }
  return error;
}
