import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { standardErrorTelemetry, systemClock } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { CheckedConnection, KafkaConnection } from '../client/connection.ts';
import { checkConnection, connectionShape } from '../client/connection.ts';
import type { TopicNeeds } from './topic-rules.ts';

export interface PublisherOptions extends KafkaConnection {
  /** The log: the `iss` of its events. The key of every record. */
  readonly log: string;
  /** How long the topic must keep a record, in ms: the longest token life, clock tolerance and planned outage. */
  readonly minRetentionMs: DurationMs;
  /** Makes the topic where it is missing and this user may. Default: it is waited for. */
  readonly createTopic?: {
    /** Default: `minRetentionMs`; no less. */
    readonly retentionMs?: DurationMs;
  };
  /** Copies of each record that the topic must have at least. Default 1; a cluster wants 3. */
  readonly replicationFactor?: number;
  /** Copies that must be written before a record counts. Default 2 where there are three copies, else 1. */
  readonly minInsyncReplicas?: number;
  /** How long a publication may go on being tried, in ms; then it is rejected. Default 30 000. */
  readonly publishTimeoutMs?: DurationMs;
  /** How often the topic is looked at again, in ms. Default 300 000. */
  readonly checkEveryMs?: DurationMs;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: warnings and errors are written to standard error. */
  readonly telemetry?: Telemetry;
}

export interface PublisherSettings {
  readonly connection: CheckedConnection;
  readonly log: string;
  readonly needs: TopicNeeds;
  readonly createRetentionMs: DurationMs | undefined;
  readonly publishTimeoutMs: DurationMs;
  readonly checkEveryMs: DurationMs;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

const PUBLISH_TIMEOUT_MS: DurationMs = 30_000;
const CHECK_EVERY_MS: DurationMs = 300_000;
/** A send stays far below what brokers take unless set otherwise (`max.message.bytes`, 1 MiB). */
const BATCH_BYTES = 262_144;

const publisherOptions = optionsOf<PublisherOptions>('openPublisher', {
  ...connectionShape,
  log: required(option.text('the issuer whose events are published')),
  minRetentionMs: required(option.count({ least: 1 })),
  createTopic: optionsOf<NonNullable<PublisherOptions['createTopic']>>('createTopic', {
    retentionMs: option.count({ least: 1 }),
  }),
  replicationFactor: option.count({ least: 1, most: 32_767 }),
  minInsyncReplicas: option.count({ least: 1, most: 32_767 }),
  publishTimeoutMs: option.count({ least: 1, most: 2 ** 31 - 1 }),
  checkEveryMs: option.count({ least: 1, most: 2 ** 31 - 1 }),
  clock: option.clock,
  telemetry: option.telemetry,
});

/** @throws TypeError naming the option and what would be right */
export function checkPublisherOptions(given: PublisherOptions): PublisherSettings {
  const options = publisherOptions(given);
  const { log, minRetentionMs, createTopic, replicationFactor = 1 } = options;
  const { minInsyncReplicas = replicationFactor >= 3 ? 2 : 1 } = options;
  if (minInsyncReplicas > replicationFactor) {
    throw new TypeError(`minInsyncReplicas must be at most replicationFactor (${replicationFactor})`);
  }
  const createRetentionMs = createTopic === undefined ? undefined : (createTopic.retentionMs ?? minRetentionMs);
  if (createRetentionMs !== undefined && createRetentionMs < minRetentionMs) {
    throw new TypeError(`createTopic.retentionMs must be at least minRetentionMs (${minRetentionMs})`);
  }
  const { publishTimeoutMs = PUBLISH_TIMEOUT_MS, checkEveryMs = CHECK_EVERY_MS } = options;
  return {
    connection: checkConnection(options),
    log,
    needs: { retentionMs: minRetentionMs, replicationFactor, minInsyncReplicas, batchBytes: BATCH_BYTES },
    createRetentionMs,
    publishTimeoutMs,
    checkEveryMs,
    clock: options.clock ?? systemClock,
    telemetry: options.telemetry ?? standardErrorTelemetry,
  };
}
