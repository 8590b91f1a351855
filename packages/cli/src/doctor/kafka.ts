import type { HealthCheck } from '@rescind/revocation';
import { silentTelemetry } from '@rescind/revocation';
import { ConfigurationError, kafkaConnection, kafkaSettings, readConfiguration } from '@rescind/service/configuration';
import { z } from 'zod';
import type { Check, Finding } from './finding.ts';
import { see } from './finding.ts';

/** The longest wait for the first answer of the brokers, in ms. */
const ANSWER_MS = 15_000;
/** The default of EVENT_RETENTION, in ms. */
const RETENTION_MS = 604_800_000;

/** Whether the brokers are reachable, and the topic has the settings that a log requires. Nothing is published or created. */
export const checkKafka: Check = async ({ context, environment }) => {
  const settings = context.settings();
  let connection = kafkaConnection(settings);
  if (environment !== undefined) {
    try {
      connection = kafkaConnection(readConfiguration(z.object(kafkaSettings('rescind-cli')), withoutOwn(environment)));
    } catch (error) {
      // The check `configuration` reports this error.
      if (error instanceof ConfigurationError) return [];
      throw error;
    }
  }
  if (connection === undefined) return [];
  const log = environment?.ISSUER ?? settings.RESCIND_ISSUER ?? 'rescind-cli';
  const { openPublisher } = await import('@rescind/feed-kafka');
  const answered = Promise.withResolvers<void>();
  const telemetry = {
    ...silentTelemetry,
    log: (_level: string, event: string) => {
      if (event === 'kafka_publisher_ready' || event === 'kafka_publish_failed') answered.resolve();
    },
  };
  const timer = setTimeout(answered.resolve, ANSWER_MS);
  const publisher = openPublisher({ ...connection, log, minRetentionMs: RETENTION_MS, telemetry });
  try {
    await answered.promise;
    return publisher.health().map((health) => toFinding(health, connection.brokers));
  } finally {
    clearTimeout(timer);
    await publisher.close();
  }
};

/** Variables RESCIND_… of a service are not variables of Kafka. */
const withoutOwn = (environment: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => name.startsWith('KAFKA_')));

function toFinding({ topic, reason }: HealthCheck, brokers: readonly string[]): Finding {
  const group = 'kafka';
  const evidence = `topic ${topic} at ${brokers.join(', ')}`;
  if (reason === undefined) return { code: 'topic_suitable', group, status: 'pass', evidence };
  const isSetting =
    !String(reason).includes('cannot be reached') && !/kafka_unreachable|unreachable/i.test(String(reason));
  if (!isSetting) {
    return {
      code: 'kafka_unreachable',
      group,
      status: 'fail',
      evidence: `${evidence}: ${reason}`,
      cure: see('look at the brokers, KAFKA_BROKERS, and the credentials', 'kafka-is-down'),
    };
  }
  return {
    code: 'topic_unsuitable',
    group,
    status: 'fail',
    evidence: `${evidence}: ${reason}`,
    cure: 'change the setting that is named (docs/kafka.md#the-topic)',
  };
}
