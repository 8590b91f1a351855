import type { Way, WayConnection, WaySink } from '@rescind/feed';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { standardErrorTelemetry, systemClock } from '@rescind/revocation';
import { option, optionsOf } from '@rescind/revocation/options';
import { createBackoff } from '../client/backoff.ts';
import type { KafkaConnection } from '../client/connection.ts';
import { checkConnection, connectionShape, warnOfPlainText } from '../client/connection.ts';
import type { Extent, StartingPoint } from './hint.ts';
import { formatHint, startingPoint } from './hint.ts';
import type { KafkaRecord, Session, SessionEnd, SessionSettings } from './session.ts';
import { openSession } from './session.ts';

export interface KafkaWayOptions extends KafkaConnection {
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: warnings and errors are written to standard error. */
  readonly telemetry?: Telemetry;
  /**
   * After how long without a heartbeat to the group the broker takes the partition away, in ms; a process that stands
   * still longer joins again. Default 30 000; the broker allows 6 000 to 1 800 000 unless set otherwise.
   */
  readonly sessionTimeoutMs?: DurationMs;
  /** After how many ms without an answer to a fetch the client is thrown away and built anew. Default 5 000. */
  readonly stallMs?: DurationMs;
  /** How long connecting and joining the group may take, in ms. Default 15 000. */
  readonly openingMs?: DurationMs;
}

const SESSION_TIMEOUT_MS: DurationMs = 30_000;
/** Fetches are answered twice a second: ten missed ones are no jitter. */
const STALL_MS: DurationMs = 5_000;
/** A new broker makes the topic of consumer groups first, and has the first group wait (3 s by default). */
const OPENING_MS: DurationMs = 15_000;
const FIRST_RETRY_MS: DurationMs = 200;
/** Longer would cost revocations their speed after an outage. */
const GREATEST_RETRY_MS: DurationMs = 5_000;
/** A session that has lasted as long was a good one: the next is tried at once. */
const GOOD_AFTER_MS: DurationMs = 5_000;

const timer = option.duration({ most: 2 ** 31 - 1 });
const kafkaWayOptions = optionsOf<KafkaWayOptions>('kafkaWay', {
  ...connectionShape,
  clock: option.clock,
  telemetry: option.telemetry,
  sessionTimeoutMs: timer,
  stallMs: timer,
  openingMs: timer,
});

/**
 * The log as a Kafka topic of one partition. Every connection reads all of it, in a consumer group of its own that is
 * never committed to, from the position that its reader keeps. A client that crashes, stops, or gets no answers is
 * thrown away and built anew, with back-off (0.2 s to 5 s) and counted in `rescind_kafka_rebuilds_total{reason}`. A
 * topic that is not there is waited for, never made.
 * @throws TypeError an option is missing or wrong
 */
export function kafkaWay(given: KafkaWayOptions): Way {
  const options = kafkaWayOptions(given);
  const settings: SessionSettings = {
    connection: checkConnection(options),
    clock: options.clock ?? systemClock,
    telemetry: options.telemetry ?? standardErrorTelemetry,
    sessionTimeoutMs: options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS,
    stallMs: options.stallMs ?? STALL_MS,
    openingMs: options.openingMs ?? OPENING_MS,
  };
  const { brokers, topic, clientId } = settings.connection;
  return {
    name: 'kafka',
    // A broker that loses its leader says nothing for 21 s and comes back by itself.
    abilities: { stallMs: 30_000 },
    endpoint: { brokers: brokers.join(','), topic, clientId },
    open: (sink) => new Reader(settings, sink),
  };
}

/** Keeps one session going: the supervisor that kafkajs lacks. */
class Reader implements WayConnection {
  readonly #settings: SessionSettings;
  readonly #sink: WaySink;
  readonly #backoff = createBackoff(FIRST_RETRY_MS, GREATEST_RETRY_MS);
  #session: Session | undefined;
  #openedAt: number | undefined;
  /** The end of the topic when it was opened. */
  #end = 0n;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** The last hint led into a topic made anew: the next session starts from the earliest record. */
  #hintIsWrong = false;
  #lastReason: string | undefined;
  /** What the sink is still busy with. */
  #delivering: Promise<void> = Promise.resolve();
  /** Sessions that have been given up and are not quite gone. */
  readonly #leaving = new Set<Promise<void>>();

  constructor(settings: SessionSettings, sink: WaySink) {
    this.#settings = settings;
    this.#sink = sink;
    warnOfPlainText(settings.connection, settings.telemetry);
    this.#begin();
  }

  restart(reason: string): void {
    const { telemetry } = this.#settings;
    telemetry.log('info', 'kafka_restarted', { reason });
    // One that is still connecting asks for the position when it has joined.
    if (this.#closed || this.#openedAt === undefined) return;
    telemetry.count('rescind_kafka_rebuilds_total', { reason: 'restart' });
    this.#rebuild();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#dismiss();
    await Promise.all(this.#leaving);
  }

  #begin(): void {
    if (this.#closed) return;
    const session: Session = openSession(this.#settings, {
      start: (extent) => this.#startingPoint(extent),
      opened: (extent) => this.#opened(extent),
      records: (batch) => this.#deliver(session, batch),
      ended: (reason) => this.#lost(session, reason),
    });
    this.#session = session;
  }

  #startingPoint(extent: Extent): StartingPoint {
    const start = startingPoint(this.#hintIsWrong ? null : this.#sink.start().hint, extent);
    if (start.discarded !== undefined) {
      const { telemetry } = this.#settings;
      telemetry.count('rescind_kafka_hints_discarded_total', { reason: start.discarded });
      telemetry.log('warn', 'kafka_hint_discarded', { reason: start.discarded });
    }
    return start;
  }

  #opened({ low, high }: Extent): void {
    this.#end = high;
    this.#openedAt = this.#settings.clock.monotonic();
    this.#lastReason = undefined;
    this.#settings.telemetry.gauge('rescind_kafka_connected', 1);
    this.#settings.telemetry.log('info', 'kafka_connected', { low: Number(low), high: Number(high) });
    this.#sink.opened();
  }

  async #deliver(session: Session, batch: readonly KafkaRecord[]): Promise<void> {
    if (session !== this.#session || this.#closed) return;
    const records = batch.map(({ offset, timestamp, text }) => ({
      jws: text,
      hint: formatHint(offset, timestamp),
      live: offset >= this.#end,
    }));
    const delivering = this.#sink.records(records);
    this.#delivering = delivering.catch(() => undefined);
    await delivering;
    // What has been applied has brought a position of the topic as it is now.
    this.#hintIsWrong = false;
  }

  #lost(session: Session, reason: SessionEnd): void {
    if (session !== this.#session || this.#closed) return;
    if (reason === 'topic_recreated') this.#hintIsWrong = true;
    const { telemetry } = this.#settings;
    telemetry.count('rescind_kafka_rebuilds_total', { reason });
    // A broker that is away for an hour is one line, not thousands.
    if (reason !== this.#lastReason) telemetry.log('warn', 'kafka_lost', { reason });
    this.#lastReason = reason;
    this.#rebuild();
    this.#sink.lost(reason);
  }

  #rebuild(): void {
    const openedAt = this.#openedAt;
    if (openedAt !== undefined && this.#settings.clock.monotonic() - openedAt > GOOD_AFTER_MS) this.#backoff.reset();
    this.#dismiss();
    // The next session must not hand anything over, nor ask for the position, while the last records are applied.
    this.#timer = setTimeout(() => void this.#delivering.then(() => this.#begin()), this.#backoff.next());
  }

  #dismiss(): void {
    this.#openedAt = undefined;
    this.#settings.telemetry.gauge('rescind_kafka_connected', 0);
    const leaving = this.#session?.close();
    this.#session = undefined;
    if (leaving === undefined) return;
    this.#leaving.add(leaving);
    void leaving.finally(() => this.#leaving.delete(leaving));
  }
}
