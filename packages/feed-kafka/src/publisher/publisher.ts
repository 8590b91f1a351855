import { setTimeout as delay } from 'node:timers/promises';
import type { Publisher } from '@rescind/feed';
import type { DurationMs, EpochMillis, HealthCheck } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { createBackoff } from '../client/backoff.ts';
import { warnOfPlainText } from '../client/connection.ts';
import { within } from '../client/deadline.ts';
import { protocolErrors, reasonOf } from '../client/failure.ts';
import type { Link } from './link.ts';
import { openLink } from './link.ts';
import type { PublisherOptions, PublisherSettings } from './options.ts';
import { checkPublisherOptions } from './options.ts';
import { createSendQueue } from './queue.ts';
import { readAll, readTail } from './range.ts';
import { createTopicGuard } from './topic-guard.ts';

/** Publishes the log to its topic. */
export interface KafkaPublisher extends Publisher, AsyncDisposable {
  /** One check, `kafka`: `warn` with a reason while nothing can be published, or the topic could be better. */
  health(): HealthCheck[];
}

const FIRST_RETRY_MS: DurationMs = 200;
const GREATEST_RETRY_MS: DurationMs = 5_000;
/** Somebody has to mend a topic by hand: no need to look every second for long. */
const GREATEST_TOPIC_RETRY_MS: DurationMs = 10_000;
/** A look at the topic, which may be made for it. kafkajs alone asks a broker that is frozen for a minute. */
const CHECK_LIMIT_MS: DurationMs = 15_000;
const SEND_RECORDS = 1_000;

/**
 * Opens the way from the outbox to the topic. It connects, and makes or checks the topic, by itself: at once, or as
 * soon as Kafka can be reached, and again from time to time. Nothing is sent to a topic that would lose it.
 *
 * `publish` resolves when all in-sync copies are written; sends go out one at a time, in order, and what waits goes out
 * together. It rejects with `topic_unsuitable` (its detail names the setting, its value and the one that would do),
 * `kafka_unreachable` after `publishTimeoutMs`, or `stopping`; whoever published then tries again: a record that went
 * out twice does no harm.
 * @throws TypeError an option is missing or wrong
 */
export function openPublisher(options: PublisherOptions): KafkaPublisher {
  return new TopicPublisher(checkPublisherOptions(options));
}

class TopicPublisher implements KafkaPublisher {
  readonly #settings: PublisherSettings;
  readonly #guard;
  readonly #queue;
  readonly #backoff = createBackoff(FIRST_RETRY_MS, GREATEST_RETRY_MS);
  readonly #topicBackoff = createBackoff(FIRST_RETRY_MS, GREATEST_TOPIC_RETRY_MS);
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #link: Link | undefined;
  /** Ends the idle wait. */
  #wake: () => void = () => undefined;
  /** Why nothing can be published just now. */
  #failure: RescindError | undefined = new RescindError('kafka_unreachable', { detail: 'not connected yet' });
  #lastLogged: string | undefined;
  #appendedAt: EpochMillis | undefined;

  constructor(settings: PublisherSettings) {
    this.#settings = settings;
    this.#guard = createTopicGuard(settings);
    this.#queue = createSendQueue({ records: SEND_RECORDS, bytes: settings.needs.batchBytes });
    warnOfPlainText(settings.connection, settings.telemetry);
    this.#running = this.#run();
  }

  async publish(batch: readonly string[]): Promise<void> {
    if (this.#closing.signal.aborted) throw new RescindError('stopping');
    const tooLarge = batch.find((record) => Buffer.byteLength(record) > this.#settings.needs.batchBytes);
    if (tooLarge !== undefined)
      throw new TypeError(`a record must be at most ${this.#settings.needs.batchBytes} bytes`);
    // Known not to do: waiting would only hide it. The topic is looked at again all the same.
    if (this.#failure?.code === 'topic_unsuitable') throw this.#failure;
    const published = this.#queue.add(batch);
    this.#wake();
    await this.#orGivenUp(published);
  }

  /** When one publication has waited too long, all that wait are given up: what comes later must not go out first. */
  async #orGivenUp(published: Promise<void>): Promise<void> {
    const timer = setTimeout(() => {
      this.#queue.reject(this.#failure ?? new RescindError('kafka_unreachable', { detail: 'no acknowledgement' }));
    }, this.#settings.publishTimeoutMs);
    try {
      await published;
    } finally {
      clearTimeout(timer);
    }
  }

  appendedAt(): EpochMillis | undefined {
    return this.#appendedAt;
  }

  tail(most: number): Promise<readonly string[]> {
    return readTail(this.#settings, most);
  }

  replay(): AsyncIterable<readonly string[]> {
    return readAll(this.#settings);
  }

  health(): HealthCheck[] {
    const { topic } = this.#settings.connection;
    const reason = this.#failure?.message ?? this.#guard.warning();
    const status = reason === undefined ? 'pass' : 'warn';
    return [{ name: 'kafka', status, topic, waiting: this.#queue.size, ...(reason === undefined ? {} : { reason }) }];
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#queue.reject(new RescindError('stopping'));
    this.#wake();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        await this.#step();
      } catch (error) {
        await this.#failed(error);
      }
    }
    await this.#link?.close();
  }

  async #step(): Promise<void> {
    const { connection, telemetry, clock, log } = this.#settings;
    this.#link ??= await openLink(connection, telemetry);
    if (this.#closing.signal.aborted) return;
    await within(CHECK_LIMIT_MS, this.#guard.check(this.#link.admin));
    this.#topicBackoff.reset();
    const batch = this.#queue.take();
    if (batch.length === 0) {
      this.#works();
      await this.#idle(this.#guard.dueIn());
      return;
    }
    const startedAt = clock.monotonic();
    this.#appendedAt = await this.#link.send(log, batch);
    this.#queue.acknowledge();
    this.#works();
    telemetry.count('rescind_kafka_records_published_total', {}, batch.length);
    telemetry.observe('rescind_kafka_publish_seconds', (clock.monotonic() - startedAt) / 1_000);
  }

  #works(): void {
    this.#backoff.reset();
    this.#failure = undefined;
    if (this.#lastLogged !== '') this.#settings.telemetry.log('info', 'kafka_publisher_ready');
    this.#lastLogged = '';
  }

  async #idle(limitMs: DurationMs): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    // Something may have come while the topic was looked at.
    if (this.#queue.size > 0 || this.#closing.signal.aborted) return;
    const timer = setTimeout(resolve, limitMs);
    await promise;
    clearTimeout(timer);
  }

  async #failed(error: unknown): Promise<void> {
    const failure = error instanceof RescindError ? error : unreachable(error);
    const isTopic = failure.code === 'topic_unsuitable';
    this.#failure = failure;
    this.#tell(failure, isTopic ? 'topic_unsuitable' : reasonOf(error));
    if (isTopic) {
      this.#queue.reject(failure);
    } else {
      // The next client starts afresh, and with the topic as it is then.
      this.#guard.suspect();
      void this.#link?.close();
      this.#link = undefined;
    }
    const waitMs = isTopic ? this.#topicBackoff.next() : this.#backoff.next();
    await delay(waitMs, undefined, { signal: this.#closing.signal }).catch(() => undefined);
  }

  #tell(failure: RescindError, reason: string): void {
    const { telemetry } = this.#settings;
    telemetry.count('rescind_kafka_publish_failures_total', { reason });
    // An outage of an hour is one line, not thousands.
    if (this.#lastLogged === failure.message) return;
    this.#lastLogged = failure.message;
    telemetry.log(failure.code === 'topic_unsuitable' ? 'error' : 'warn', 'kafka_publish_failed', {
      reason,
      detail: failure.detail,
    });
  }
}

/** Says what happened by the names of Kafka's protocol only: the messages of the client may hold anything. */
function unreachable(error: unknown): RescindError {
  const reason = reasonOf(error);
  const known = reason === 'failed' && error instanceof Error ? error.name : reason;
  const detail = [...new Set([known, ...protocolErrors(error)])].join(', ');
  return new RescindError('kafka_unreachable', { detail });
}
