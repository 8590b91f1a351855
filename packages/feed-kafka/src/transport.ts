import type { Transport, TransportConnection, TransportSink } from '@rescind/feed';
import { createBackoff } from '@rescind/feed';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { standardErrorTelemetry, systemClock } from '@rescind/revocation';
import { option, optionsOf } from '@rescind/revocation/options';
import { RANDOM_SHARE } from './client.ts';
import type { KafkaConnection } from './connection.ts';
import { checkConnection, connectionShape, warnOfPlainText } from './connection.ts';
import type { KafkaRecord, Session, SessionEnd, SessionSettings, StartingPoint, Watermarks } from './session.ts';
import { openSession } from './session.ts';

/** The options of `kafkaTransport`. */
export interface KafkaTransportOptions extends KafkaConnection {
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Default: that of the reader which opens the transport. */
  readonly telemetry?: Telemetry | undefined;
  /**
   * After how long without a heartbeat to the group the broker takes the partition away, in ms; a process that stands
   * still longer joins again. Default 30 000; the broker allows 6 000 to 1 800 000 unless set otherwise.
   */
  readonly sessionTimeoutMs?: DurationMs | undefined;
  /** After how long without an answer to a fetch the client is replaced, in ms. Default 5 000. */
  readonly stallMs?: DurationMs | undefined;
  /** How long connecting and joining the group may take, in ms. Default 15 000. */
  readonly openingMs?: DurationMs | undefined;
}

export const SESSION_TIMEOUT_MS: DurationMs = 30_000;
/** Fetches are answered within 1.2 s, on a quiet topic too: four missed ones are more than jitter. */
export const STALL_MS: DurationMs = 5_000;
/** A new broker creates the topic of consumer groups first, and delays the first group (3 s by default). */
export const OPENING_MS: DurationMs = 15_000;
const FIRST_RETRY_MS: DurationMs = 200;
/** A longer wait would delay revocations after an outage. */
const MAX_RETRY_MS: DurationMs = 5_000;
/** After a session that lasted longer the first retry is immediate again. */
const RESET_BACKOFF_AFTER_MS: DurationMs = 5_000;
/** A client notices a broker that has lost its leader after 21 s, and reconnects. */
const FEED_STALL_MS: DurationMs = 30_000;

const timer = option.duration({ max: 2 ** 31 - 1 });
const kafkaTransportOptions = optionsOf<KafkaTransportOptions>('kafkaTransport', {
  ...connectionShape,
  clock: option.clock,
  telemetry: option.telemetry,
  sessionTimeoutMs: timer,
  stallMs: timer,
  openingMs: timer,
});

/**
 * Reads the log from a Kafka topic of one partition. Each connection reads the whole partition, in a consumer group of its own
 * without commits, from the position that its reader keeps. A client that crashes, stops, or gets no answers is replaced, with
 * back-off (0.2 s to 5 s), and counted in `rescind_kafka_rebuilds_total{reason}`. A missing topic is awaited, never created.
 *
 * @throws TypeError an option is missing or wrong
 */
export function kafkaTransport(given: KafkaTransportOptions): Transport {
  const options = kafkaTransportOptions(given);
  const settings: Omit<SessionSettings, 'telemetry'> = {
    connection: checkConnection(options),
    clock: options.clock ?? systemClock,
    sessionTimeoutMs: options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS,
    stallMs: options.stallMs ?? STALL_MS,
    openingMs: options.openingMs ?? OPENING_MS,
  };
  const { brokers, topic, clientId } = settings.connection;
  return {
    name: 'kafka',
    abilities: { stallMs: FEED_STALL_MS },
    endpoint: { brokers: brokers.join(','), topic, clientId },
    open: (sink, { telemetry = standardErrorTelemetry } = {}) =>
      openReader({ ...settings, telemetry: options.telemetry ?? telemetry }, sink),
  };
}

/** Opens a session, and another one whenever it ends, until it is closed. */
function openReader(settings: SessionSettings, sink: TransportSink): TransportConnection {
  const { connection, telemetry, clock } = settings;
  const backoff = createBackoff(FIRST_RETRY_MS, MAX_RETRY_MS, RANDOM_SHARE);
  let session: Session | undefined;
  /** Monotonic time at which the session joined its group; undefined: it has not. */
  let openedAt: DurationMs | undefined;
  /** The high watermark when the session was opened: records from there on are live. */
  let highAtOpening = 0n;
  let retryTimer: NodeJS.Timeout | undefined;
  let isClosed = false;
  /** The last hint was of a topic that was deleted and created again: the next session starts at the earliest record. */
  let isHintWrong = false;
  let lastReason: string | undefined;
  /** Resolves when the sink has applied the last batch. */
  let delivering: Promise<void> = Promise.resolve();
  /** Sessions that are being closed. */
  const closing = new Set<Promise<void>>();

  function begin(): void {
    if (isClosed) return;
    const opening: Session = openSession(settings, {
      startingPoint,
      opened,
      records: (batch) => deliver(opening, batch),
      ended: (reason) => lost(opening, reason),
    });
    session = opening;
  }

  function startingPoint(watermarks: Watermarks): StartingPoint {
    const { discarded, ...start } = startAt(isHintWrong ? null : sink.start().hint, watermarks);
    if (discarded !== undefined) {
      telemetry.count('rescind_kafka_hints_discarded_total', { reason: discarded });
      telemetry.log('warn', 'kafka_hint_discarded', { reason: discarded });
    }
    return start;
  }

  function opened({ low, high }: Watermarks): void {
    highAtOpening = high;
    openedAt = clock.monotonic();
    lastReason = undefined;
    telemetry.gauge('rescind_kafka_connected', 1);
    telemetry.log('info', 'kafka_connected', { low: Number(low), high: Number(high) });
    sink.opened();
  }

  async function deliver(from: Session, batch: readonly KafkaRecord[]): Promise<void> {
    if (from !== session || isClosed) return;
    const records = batch.map(({ offset, timestamp, text }) => ({
      jws: text,
      hint: formatHint(offset, timestamp),
      live: offset >= highAtOpening,
    }));
    const applied = sink.records(records);
    delivering = applied.catch(() => undefined);
    await applied;
    // The sink's position is one of the present topic now.
    isHintWrong = false;
  }

  function lost(from: Session, reason: SessionEnd): void {
    if (from !== session || isClosed) return;
    if (reason === 'topic_recreated') isHintWrong = true;
    telemetry.count('rescind_kafka_rebuilds_total', { reason });
    // An outage of an hour is one log line, not thousands.
    if (reason !== lastReason) telemetry.log('warn', 'kafka_lost', { reason });
    lastReason = reason;
    resetBackoff();
    rebuild(backoff.next());
    sink.lost(reason);
  }

  function resetBackoff(): void {
    if (openedAt !== undefined && clock.monotonic() - openedAt > RESET_BACKOFF_AFTER_MS) backoff.reset();
  }

  function rebuild(waitMs: DurationMs): void {
    closeSession();
    // The next session must neither deliver nor ask for the position while the sink applies the last batch.
    retryTimer = setTimeout(() => void delivering.then(begin), waitMs).unref();
  }

  function closeSession(): void {
    openedAt = undefined;
    telemetry.gauge('rescind_kafka_connected', 0);
    const left = session?.close();
    session = undefined;
    if (left === undefined) return;
    closing.add(left);
    void left.finally(() => closing.delete(left));
  }

  warnOfPlainText(connection, telemetry);
  begin();
  return {
    restart(reason) {
      telemetry.log('info', 'kafka_restarted', { reason });
      // A session that is still connecting asks for the position when it joins.
      if (isClosed || openedAt === undefined) return;
      telemetry.count('rescind_kafka_rebuilds_total', { reason: 'restart' });
      resetBackoff();
      // No failure: the follower itself limits how often it restarts a connection.
      rebuild(backoff.first());
    },
    async close() {
      isClosed = true;
      clearTimeout(retryTimer);
      closeSession();
      await Promise.all(closing);
    },
  };
}

/**
 * A hint: the offset of the next record, and the timestamp of the record before it. Kafka does not report that a topic was deleted
 * and created again; a different timestamp at that offset shows it.
 */
const HINT = /^(\d{1,19})@(-?\d{1,19})$/;

const formatHint = (offset: bigint, timestamp: string): string => `${offset + 1n}@${timestamp}`;

interface HintedStart extends StartingPoint {
  /** Why a hint was not used; undefined: it was, or there was none. */
  readonly discarded: 'beyond_end' | 'unreadable' | undefined;
}

/** Starts at the hint. Starts at the earliest record for an unreadable hint, and for one beyond the end (a topic created again). */
function startAt(hint: string | null, { low, high }: Watermarks): HintedStart {
  const earliest = { fetchFrom: low, deliverFrom: low, expected: undefined };
  if (hint === null) return { ...earliest, discarded: undefined };
  const [, digits, timestamp] = HINT.exec(hint) ?? [];
  if (digits === undefined || timestamp === undefined) return { ...earliest, discarded: 'unreadable' };
  const next = BigInt(digits);
  if (next > high) return { ...earliest, discarded: 'beyond_end' };
  // Retention has deleted the record before the hint: all records of the topic come after it.
  if (next <= low) return { ...earliest, discarded: undefined };
  return {
    fetchFrom: next - 1n,
    deliverFrom: next,
    expected: { offset: next - 1n, timestamp },
    discarded: undefined,
  };
}
