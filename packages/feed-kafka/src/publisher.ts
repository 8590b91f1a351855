import { setTimeout as delay } from 'node:timers/promises';
import type { Publisher } from '@rescind/feed';
import { createBackoff } from '@rescind/feed';
import type { Clock, DurationMs, EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import { RescindError, standardErrorTelemetry, systemClock } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import { RANDOM_SHARE, within } from './client.ts';
import type { CheckedConnection, KafkaConnection } from './connection.ts';
import { checkConnection, connectionShape, warnOfPlainText } from './connection.ts';
import { protocolErrors, reasonOf } from './errors.ts';
import type { ProducerConnection } from './producer.ts';
import { connectProducer, createSendQueue } from './producer.ts';
import { createTopicCheck } from './topic.ts';
import { readAll, readTail } from './topic-range.ts';
import type { TopicRequirements } from './topic-rules.ts';

/** The options of `openPublisher`. */
export interface PublisherOptions extends KafkaConnection {
  /** The log: the `iss` of its events. The key of every record. */
  readonly log: string;
  /** How long the topic must keep a record, in ms: the longest token life, clock tolerance and planned outage. */
  readonly minRetentionMs: DurationMs;
  /** Creates a missing topic, with `minRetentionMs` as its retention, if this user may. Default false: the topic is awaited. */
  readonly createTopic?: boolean | undefined;
  /** How many copies of each record the topic must have at least. Default 1; 3 is usual in a cluster. */
  readonly replicationFactor?: number | undefined;
  /** How many copies must be written before a record counts. Default 2 where there are three copies, else 1. */
  readonly minInsyncReplicas?: number | undefined;
  /** How long a publication is retried, in ms; then it is rejected. Default 30 000. */
  readonly publishTimeoutMs?: DurationMs | undefined;
  /** How often the topic's settings are checked, in ms. Default 300 000. */
  readonly checkEveryMs?: DurationMs | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Default: warnings and errors are written to standard error. */
  readonly telemetry?: Telemetry | undefined;
}

type Defaulted = 'log' | 'createTopic' | 'publishTimeoutMs' | 'checkEveryMs' | 'clock' | 'telemetry';

/** The checked options of a publisher, with defaults. */
type PublisherSettings = { readonly [Name in Defaulted]: NonNullable<PublisherOptions[Name]> } & {
  readonly connection: CheckedConnection;
  readonly requirements: TopicRequirements;
};

const PUBLISH_TIMEOUT_MS: DurationMs = 30_000;
const CHECK_EVERY_MS: DurationMs = 300_000;
/** Greatest size of a send: far below the default limit of brokers (`max.message.bytes`, 1 MiB). */
const BATCH_BYTES = 262_144;
/** Greatest number of records in a send. */
const BATCH_RECORDS = 1_000;
const FIRST_RETRY_MS: DurationMs = 200;
const MAX_RETRY_MS: DurationMs = 5_000;
/** An operator has to change an unsuitable topic, which takes longer than a failure of the network. */
const MAX_TOPIC_RETRY_MS: DurationMs = 10_000;
/** Longest check of the topic, its creation included. kafkajs alone waits a minute for a frozen broker. */
const CHECK_LIMIT_MS: DurationMs = 15_000;

const publisherOptions = optionsOf<PublisherOptions>('openPublisher', {
  ...connectionShape,
  log: required(option.text('the issuer whose events are published')),
  minRetentionMs: required(option.count({ min: 1 })),
  createTopic: option.flag(),
  replicationFactor: option.count({ min: 1, max: 32_767 }),
  minInsyncReplicas: option.count({ min: 1, max: 32_767 }),
  publishTimeoutMs: option.count({ min: 1, max: 2 ** 31 - 1 }),
  checkEveryMs: option.count({ min: 1, max: 2 ** 31 - 1 }),
  clock: option.clock,
  telemetry: option.telemetry,
});

function toSettings(given: PublisherOptions): PublisherSettings {
  const options = publisherOptions(given);
  const { log, minRetentionMs, createTopic = false, replicationFactor = 1 } = options;
  const { minInsyncReplicas = replicationFactor >= 3 ? 2 : 1 } = options;
  if (minInsyncReplicas > replicationFactor) {
    throw new TypeError(`minInsyncReplicas must be at most replicationFactor (${replicationFactor})`);
  }
  const { publishTimeoutMs = PUBLISH_TIMEOUT_MS, checkEveryMs = CHECK_EVERY_MS } = options;
  return {
    connection: checkConnection(options),
    log,
    requirements: { retentionMs: minRetentionMs, replicationFactor, minInsyncReplicas, batchBytes: BATCH_BYTES },
    createTopic,
    publishTimeoutMs,
    checkEveryMs,
    clock: options.clock ?? systemClock,
    telemetry: options.telemetry ?? standardErrorTelemetry,
  };
}

/** Publishes the log to its topic. */
export interface KafkaPublisher extends Publisher, AsyncDisposable {
  /** One check, `kafka`: `warn` with a reason while nothing can be published, or a setting of the topic could be better. */
  health(): HealthCheck[];
}

/**
 * Opens a publisher from the outbox to the topic. It connects, and creates or checks the topic, in the background: at once, or as
 * soon as Kafka answers, and again every `checkEveryMs`. It sends nothing to a topic that would lose records.
 *
 * `publish` resolves when all in-sync replicas have the records. Sends go out one at a time, in order; publications that wait go
 * out together. It rejects with `topic_unsuitable` (its detail names the setting, its value and a valid value),
 * `kafka_unreachable` after `publishTimeoutMs`, or `stopping`. The caller then publishes again: readers ignore duplicates.
 * @throws TypeError an option is missing or wrong
 */
export function openPublisher(options: PublisherOptions): KafkaPublisher {
  const settings = toSettings(options);
  const { connection, clock, telemetry, log, requirements } = settings;
  const { topic } = connection;
  const topicCheck = createTopicCheck({ ...settings, topic });
  const queue = createSendQueue({ records: BATCH_RECORDS, bytes: requirements.batchBytes });
  const backoff = createBackoff(FIRST_RETRY_MS, MAX_RETRY_MS, RANDOM_SHARE);
  const topicBackoff = createBackoff(FIRST_RETRY_MS, MAX_TOPIC_RETRY_MS, RANDOM_SHARE);
  const closing = new AbortController();
  let producer: ProducerConnection | undefined;
  /** Ends the idle wait. */
  let wake: () => void = () => undefined;
  /** Why nothing can be published at present. */
  let failure: RescindError | undefined = new RescindError('kafka_unreachable', { detail: 'not connected yet' });
  /** Message of the last failure that was logged; empty after a success. */
  let lastLogged: string | undefined;
  let appendedAt: EpochMillis | undefined;

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        await step();
      } catch (error) {
        await failed(error);
      }
    }
    await producer?.close();
  }

  async function step(): Promise<void> {
    producer ??= await connectProducer(connection, telemetry);
    if (closing.signal.aborted) return;
    await within(CHECK_LIMIT_MS, topicCheck.run(producer.admin));
    topicBackoff.reset();
    const batch = queue.take();
    if (batch.length === 0) {
      succeeded();
      await idle(topicCheck.dueIn());
      return;
    }
    const startedAt = clock.monotonic();
    appendedAt = await producer.send(log, batch);
    queue.acknowledge();
    succeeded();
    telemetry.count('rescind_kafka_records_published_total', {}, batch.length);
    telemetry.observe('rescind_kafka_publish_seconds', (clock.monotonic() - startedAt) / 1_000);
  }

  function succeeded(): void {
    backoff.reset();
    failure = undefined;
    if (lastLogged !== '') telemetry.log('info', 'kafka_publisher_ready');
    lastLogged = '';
  }

  async function idle(limitMs: DurationMs): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    wake = resolve;
    // A publication may have been queued during the check of the topic.
    if (queue.size > 0 || closing.signal.aborted) return;
    const timer = setTimeout(resolve, limitMs).unref();
    await promise;
    clearTimeout(timer);
  }

  async function failed(error: unknown): Promise<void> {
    const present = error instanceof RescindError ? error : unreachable(error);
    const isTopic = present.code === 'topic_unsuitable';
    failure = present;
    report(present, isTopic ? 'topic_unsuitable' : reasonOf(error));
    if (isTopic) {
      queue.reject(present);
    } else {
      // The next client starts afresh, and checks the topic, which may have changed.
      topicCheck.invalidate();
      void producer?.close();
      producer = undefined;
    }
    const waitMs = isTopic ? topicBackoff.next() : backoff.next();
    await delay(waitMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
  }

  function report(present: RescindError, reason: string): void {
    telemetry.count('rescind_kafka_publish_failures_total', { reason });
    // An outage of an hour is one log line, not thousands.
    if (lastLogged === present.message) return;
    lastLogged = present.message;
    telemetry.log(present.code === 'topic_unsuitable' ? 'error' : 'warn', 'kafka_publish_failed', {
      reason,
      detail: present.detail,
    });
  }

  /** When one publication has waited too long, all that wait are rejected: a later one must not be sent before it. */
  async function orTimeout(published: Promise<void>): Promise<void> {
    const timer = setTimeout(() => {
      queue.reject(failure ?? new RescindError('kafka_unreachable', { detail: 'no acknowledgement' }));
    }, settings.publishTimeoutMs);
    try {
      await published;
    } finally {
      clearTimeout(timer);
    }
  }

  warnOfPlainText(connection, telemetry);
  const running = run();
  const close = async () => {
    closing.abort();
    queue.reject(new RescindError('stopping'));
    wake();
    await running;
  };
  return {
    async publish(batch) {
      if (closing.signal.aborted) throw new RescindError('stopping');
      const tooLarge = batch.find((record) => Buffer.byteLength(record) > requirements.batchBytes);
      if (tooLarge !== undefined) throw new TypeError(`a record must be at most ${requirements.batchBytes} bytes`);
      // A wait would only hide it. The topic is checked again in the background.
      if (failure?.code === 'topic_unsuitable') throw failure;
      const published = queue.add(batch);
      wake();
      await orTimeout(published);
    },
    appendedAt: () => appendedAt,
    tail: (max) => readTail(settings, max),
    replay: () => readAll(settings),
    health() {
      const reason = failure?.message ?? topicCheck.warning();
      const status = reason === undefined ? 'pass' : 'warn';
      return [{ name: 'kafka', status, topic, waiting: queue.size, ...(reason === undefined ? {} : { reason }) }];
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Its detail has names of Kafka's protocol only: the client's own messages may contain anything. */
function unreachable(error: unknown): RescindError {
  const reason = reasonOf(error);
  const name = reason === 'failed' && error instanceof Error ? error.name : reason;
  const detail = [...new Set([name, ...protocolErrors(error)])].join(', ');
  return new RescindError('kafka_unreachable', { detail });
}
