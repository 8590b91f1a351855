import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ownTurn } from '@rescind/feed';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import type { METRICS } from '@rescind/revocation/metrics';
import type { Batch, ConsumerGroupJoinEvent, KafkaMessage } from 'kafkajs';
import type { KafkaClient } from './client.ts';
import { createClient, RETRY } from './client.ts';
import type { CheckedConnection } from './connection.ts';
import { protocolErrors, reasonOf } from './errors.ts';

/** The offsets of the records that a partition holds: from `low` up to, not including, `high`. */
export interface Watermarks {
  readonly low: bigint;
  readonly high: bigint;
}

/** Where a session starts to read. */
export interface StartingPoint {
  /** Offset of the first record to fetch. */
  readonly fetchFrom: bigint;
  /** Offset of the first record to deliver. One fetched before it only shows that the topic is still the same. */
  readonly deliverFrom: bigint;
  /** The record at `fetchFrom` must have this offset and timestamp, if it exists; undefined: nothing is compared. */
  readonly expected: { readonly offset: bigint; readonly timestamp: string } | undefined;
}

export interface SessionSettings {
  readonly connection: CheckedConnection;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly sessionTimeoutMs: DurationMs;
  readonly stallMs: DurationMs;
  readonly openingMs: DurationMs;
}

/** A record of the topic. */
export interface KafkaRecord {
  readonly offset: bigint;
  /** Milliseconds since 1970, in digits as Kafka has it. */
  readonly timestamp: string;
  /** Its value as text: empty if it has none, with replacement characters if it is not UTF-8. */
  readonly text: string;
}

/** The callbacks of a session. */
export interface SessionListener {
  /** Returns where to read from. Called synchronously at each join of the group. `high` is the highest end known so far. */
  startingPoint(watermarks: Watermarks): StartingPoint;
  /** Called once, after the first join. */
  opened(watermarks: Watermarks): void;
  /** The next batch is delivered when the promise resolves. A rejection ends the session with `sink_failed`. */
  records(batch: readonly KafkaRecord[]): Promise<void>;
  /** Called once, unless the session was closed before. */
  ended(reason: SessionEnd): void;
}

/** Why a session ended. */
export type SessionEnd = Exclude<
  (typeof METRICS)['rescind_kafka_rebuilds_total']['labels']['reason'][number],
  'restart'
>;

export interface Session {
  /** Resolves when the consumer has left its group, or 1.5 s later. */
  close(): Promise<void>;
}

/**
 * Longest wait of a fetch: longer than the issuer's interval of heartbeats (1 s), so that a quiet log causes one fetch a second. kafkajs sends
 * heartbeats to the group between fetches, so it is far below the session time-out, and a close waits for it.
 */
const MAX_WAIT_MS: DurationMs = 1_200;
/** How long a consumer may take to leave its group before its connections are cut. */
const LEAVE_MS: DurationMs = 1_500;
/** kafkajs emits CRASH, with the reason, up to this long after STOP and DISCONNECT. */
const CRASH_DELAY_MS: DurationMs = 1_000;
/** Records delivered at once: one transaction of the receiver, short enough not to delay the requests of this process. */
const CHUNK = 500;

/**
 * Reads the topic by one kafkajs consumer, from its first connection until something fails. The consumer joins a group of its own
 * and never commits. The session does not reconnect: its owner opens another one.
 */
export function openSession(settings: SessionSettings, listener: SessionListener): Session {
  const { connection, telemetry, sessionTimeoutMs } = settings;
  const { topic } = connection;
  // A reader alone keeps no process alive, whatever its transport.
  const client = createClient(connection, telemetry, { keepsAlive: false });
  const consumer = client.kafka.consumer({
    // A group that no other consumer is in or ever was: two members would share the one partition.
    groupId: `rescind.${connection.clientId}.${randomUUID()}`,
    sessionTimeout: sessionTimeoutMs,
    heartbeatInterval: Math.ceil(sessionTimeoutMs / 10),
    rebalanceTimeout: sessionTimeoutMs,
    // Several fetches of an idle topic within the time after which the client counts as stalled.
    maxWaitTimeInMs: Math.min(MAX_WAIT_MS, Math.ceil(settings.stallMs / 4)),
    allowAutoTopicCreation: false,
    retry: RETRY,
  });
  let watermarks: Watermarks = { low: 0n, high: 0n };
  let isOpened = false;
  let isOver = false;
  let start: StartingPoint | undefined;
  /** The offset of the next record to deliver. */
  let next = 0n;
  let stoppedTimer: NodeJS.Timeout | undefined;
  const openingTimer = setTimeout(() => end('opening_timeout'), settings.openingMs).unref();
  const watchdog = watchFetches(settings.clock, settings.stallMs, () => {
    if (isOpened) end('stalled');
  });

  function finish(): void {
    isOver = true;
    clearTimeout(openingTimer);
    clearTimeout(stoppedTimer);
    watchdog.close();
  }

  function end(reason: SessionEnd, error?: unknown): void {
    if (isOver) return;
    telemetry.log('debug', 'kafka_session_ended', {
      reason,
      error: error instanceof Error ? error.name : undefined,
      protocol: protocolErrors(error).join(),
    });
    finish();
    listener.ended(reason);
  }

  function seek(): void {
    const { low } = watermarks;
    let { high } = watermarks;
    if (next > high) high = next;
    start = listener.startingPoint({ low, high });
    next = start.deliverFrom;
    watchdog.fetched();
    consumer.seek({ topic, partition: 0, offset: String(start.fetchFrom) });
  }

  /**
   * Seeks after each join: kafkajs forgets its position, at the first join and at one after this process stood still. It must not
   * await before the seek, or kafkajs fetches from elsewhere first.
   */
  function joined({ payload }: ConsumerGroupJoinEvent): void {
    if (isOver) return;
    try {
      const assigned = payload.memberAssignment[topic] ?? [];
      if (assigned.length !== 1 || assigned[0] !== 0) {
        end('assignment_wrong');
        return;
      }
      seek();
      if (isOpened) return;
      isOpened = true;
      clearTimeout(openingTimer);
      listener.opened(watermarks);
    } catch (error) {
      end('failed', error);
    }
  }

  /** Whether a record before the position is the expected one, with the expected timestamp. Ends the session otherwise. */
  function isExpected(offset: bigint, timestamp: string): boolean {
    const expected = start?.expected;
    if (expected === undefined || offset !== expected.offset) {
      // kafkajs replaces a position that the broker does not have by the earliest record, and reports nothing.
      end('offset_reset');
      return false;
    }
    if (timestamp === expected.timestamp) return true;
    end('topic_recreated');
    return false;
  }

  function toRecords(messages: readonly KafkaMessage[]): KafkaRecord[] {
    const records: KafkaRecord[] = [];
    for (const { offset: digits, timestamp, value } of messages) {
      const offset = BigInt(digits);
      if (offset < next) {
        if (isExpected(offset, timestamp)) continue;
        break;
      }
      next = offset + 1n;
      // The verification of events refuses and counts values that are not UTF-8.
      records.push({ offset, timestamp, text: value?.toString('utf8') ?? '' });
    }
    return records;
  }

  /** Delivers a batch. It never throws: a consumer of kafkajs would end for good. */
  async function deliver(batch: Batch, isCurrent: () => boolean): Promise<void> {
    watchdog.delivering(true);
    try {
      for (let at = 0; at < batch.messages.length && !isOver && isCurrent(); at += CHUNK) {
        const records = toRecords(batch.messages.slice(at, at + CHUNK));
        if (isOver) return;
        if (records.length > 0) await listener.records(records);
      }
      // The next fetch is a system call. Other readers of this process apply their waiting records before it.
      await ownTurn();
    } catch (error) {
      end('sink_failed', error);
    } finally {
      watchdog.delivering(false);
    }
  }

  function listen(): void {
    const { events } = consumer;
    consumer.on(events.GROUP_JOIN, joined);
    consumer.on(events.REQUEST, ({ payload }) => {
      // Not the event FETCH: kafkajs emits it also when it had nothing to request.
      if (payload.apiName === 'Fetch') watchdog.fetched();
    });
    consumer.on(events.CRASH, ({ payload }) => {
      const reason = reasonOf(payload.error);
      end(reason === 'failed' ? 'crashed' : reason, payload.error);
    });
    const stopped = () => {
      if (isOver) return;
      stoppedTimer ??= setTimeout(() => end('stopped'), CRASH_DELAY_MS).unref();
    };
    consumer.on(events.STOP, stopped);
    consumer.on(events.DISCONNECT, stopped);
  }

  async function run(): Promise<void> {
    watermarks = await readWatermarks(client, topic);
    if (isOver) return;
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    if (isOver) return;
    await consumer.run({
      autoCommit: false,
      eachBatch: ({ batch, isRunning, isStale }) => deliver(batch, () => isRunning() && !isStale()),
    });
  }

  listen();
  const running = run().catch((error: unknown) =>
    end(error instanceof WrongPartitions ? 'partitions_wrong' : reasonOf(error), error),
  );
  return {
    async close() {
      finish();
      // A process that awaits this lives until it is done.
      client.ref();
      const left = Promise.all([consumer.disconnect().catch(() => undefined), running]);
      const leaving = new AbortController();
      await Promise.race([left, delay(LEAVE_MS, undefined, { signal: leaving.signal }).catch(() => undefined)]);
      leaving.abort();
      client.destroy();
    },
  };
}

/** Calls back when the client stalls: a fetch is answered within 1.2 s, a stalled client requests none. */
interface FetchWatchdog {
  /** A fetch was answered. */
  fetched(): void;
  /** While records are delivered there are no fetches. */
  delivering(value: boolean): void;
  close(): void;
}

const WATCH_EVERY_MS: DurationMs = 500;

function watchFetches(clock: Clock, stallMs: DurationMs, stalled: () => void): FetchWatchdog {
  let lastFetch = clock.monotonic();
  let lastCheck = lastFetch;
  let isDelivering = false;
  const check = () => {
    const now = clock.monotonic();
    // After this process itself stood still, answers have arrived that it has not read yet.
    if (now - lastCheck > WATCH_EVERY_MS * 2 || isDelivering) lastFetch = now;
    lastCheck = now;
    if (now - lastFetch > stallMs) stalled();
  };
  const timer = setInterval(check, WATCH_EVERY_MS).unref();
  return {
    fetched() {
      lastFetch = clock.monotonic();
    },
    delivering(value) {
      isDelivering = value;
      lastFetch = clock.monotonic();
    },
    close: () => clearInterval(timer),
  };
}

/** The topic does not have exactly one partition: its records have no one order. */
class WrongPartitions extends Error {
  override readonly name = 'WrongPartitions';
}

/** Reads the present watermarks of the topic. It never creates the topic. @throws WrongPartitions, or an error of kafkajs */
export async function readWatermarks(client: KafkaClient, topic: string): Promise<Watermarks> {
  const admin = client.kafka.admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const count = topics[0]?.partitions.length ?? 0;
    if (count !== 1) throw new WrongPartitions(`the topic has ${count} partitions, not one`);
    const [offsets] = await admin.fetchTopicOffsets(topic);
    if (offsets === undefined) throw new WrongPartitions('the topic has no partition');
    return { low: BigInt(offsets.low), high: BigInt(offsets.high) };
  } finally {
    // Not awaited: nothing depends on the end of this connection.
    void admin.disconnect().catch(() => undefined);
  }
}
