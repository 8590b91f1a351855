import { randomUUID } from 'node:crypto';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import type { Batch, Consumer, ConsumerGroupJoinEvent, KafkaMessage } from 'kafkajs';
import { createClient, RETRY } from '../client/client.ts';
import type { CheckedConnection } from '../client/connection.ts';
import { protocolErrors, reasonOf } from '../client/failure.ts';
import { readExtent, WrongPartitions } from './extent.ts';
import type { Extent, StartingPoint } from './hint.ts';
import { watchProgress } from './progress.ts';

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
  /** Milliseconds since 1970, as the topic has it. */
  readonly timestamp: string;
  /** Its value; empty if it has none, and rubbish if it is no text. */
  readonly text: string;
}

/** What a session asks of its owner and tells it. */
export interface SessionOwner {
  /** Where to read from. Asked at every joining of the group, synchronously. `high` is the end as far as seen. */
  start(extent: Extent): StartingPoint;
  opened(extent: Extent): void;
  records(batch: readonly KafkaRecord[]): Promise<void>;
  /** Called once, unless the session was closed first. */
  ended(reason: SessionEnd): void;
}

export type SessionEnd =
  | ReturnType<typeof reasonOf>
  | 'partitions_wrong'
  | 'assignment_wrong'
  | 'topic_recreated'
  | 'offset_reset'
  | 'crashed'
  | 'stopped'
  | 'stalled'
  | 'opening_timeout'
  | 'sink_failed';

export interface Session {
  /** Resolves when it has left its group, or has been cut off. */
  close(): Promise<void>;
}

/** Fetches answer at least this often, which keeps heartbeats to the group coming: far below the session time-out. */
const MAX_WAIT_MS: DurationMs = 500;
/** How long a client may say good-bye to its group before its connections are cut. */
const GOODBYE_MS: DurationMs = 1_500;
/** kafkajs disconnects before it says that it has crashed. */
const CRASH_COMES_MS: DurationMs = 1_000;
/** Records handed over at once: one transaction each, short enough not to hold up the requests of the process. */
const CHUNK = 500;

/** One client of kafkajs, from its first connection until something goes wrong. */
export function openSession(settings: SessionSettings, owner: SessionOwner): Session {
  return new ReadingSession(settings, owner);
}

class ReadingSession implements Session {
  readonly #settings: SessionSettings;
  readonly #owner: SessionOwner;
  readonly #client;
  readonly #consumer: Consumer;
  readonly #progress;
  readonly #openingTimer;
  readonly #running: Promise<void>;
  #stoppedTimer: NodeJS.Timeout | undefined;
  #extent: Extent = { low: 0n, high: 0n };
  #opened = false;
  #over = false;
  #start: StartingPoint | undefined;
  /** The offset of the next record to deliver. */
  #next = 0n;

  constructor(settings: SessionSettings, owner: SessionOwner) {
    this.#settings = settings;
    this.#owner = owner;
    const { connection, telemetry, sessionTimeoutMs } = settings;
    this.#client = createClient(connection, telemetry);
    this.#consumer = this.#client.kafka.consumer({
      // Never one that anybody else has or had: two members would share the one partition.
      groupId: `rescind.${connection.clientId}.${randomUUID()}`,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.ceil(sessionTimeoutMs / 10),
      rebalanceTimeout: sessionTimeoutMs,
      maxWaitTimeInMs: MAX_WAIT_MS,
      allowAutoTopicCreation: false,
      retry: RETRY,
    });
    this.#progress = watchProgress(settings.clock, settings.stallMs, () => {
      if (this.#opened) this.#end('stalled');
    });
    this.#openingTimer = setTimeout(() => this.#end('opening_timeout'), settings.openingMs);
    this.#listen();
    this.#running = this.#run().catch((error: unknown) =>
      this.#end(error instanceof WrongPartitions ? 'partitions_wrong' : reasonOf(error), error),
    );
  }

  #listen(): void {
    const { events } = this.#consumer;
    this.#consumer.on(events.GROUP_JOIN, (event) => this.#joined(event));
    this.#consumer.on(events.REQUEST, ({ payload }) => {
      // Not the FETCH event: that comes also when the client has found nothing to ask for.
      if (payload.apiName === 'Fetch') this.#progress.note();
    });
    this.#consumer.on(events.CRASH, ({ payload }) => {
      const reason = reasonOf(payload.error);
      this.#end(reason === 'failed' ? 'crashed' : reason, payload.error);
    });
    // A crash says so too, after these, and says why.
    const stopped = () => {
      if (this.#over) return;
      this.#stoppedTimer ??= setTimeout(() => this.#end('stopped'), CRASH_COMES_MS);
    };
    this.#consumer.on(events.STOP, stopped);
    this.#consumer.on(events.DISCONNECT, stopped);
  }

  async #run(): Promise<void> {
    const { topic } = this.#settings.connection;
    this.#extent = await readExtent(this.#client, topic);
    if (this.#over) return;
    await this.#consumer.connect();
    await this.#consumer.subscribe({ topic, fromBeginning: true });
    if (this.#over) return;
    await this.#consumer.run({
      autoCommit: false,
      eachBatch: ({ batch, isRunning, isStale }) => this.#take(batch, () => isRunning() && !isStale()),
    });
  }

  /**
   * After every joining, a first one or one after this process stood still: kafkajs has forgotten its position. Without
   * an await before the seek, or the first fetch would come before it.
   */
  #joined({ payload }: ConsumerGroupJoinEvent): void {
    if (this.#over) return;
    try {
      const { topic } = this.#settings.connection;
      const assigned = payload.memberAssignment[topic] ?? [];
      if (assigned.length !== 1 || assigned[0] !== 0) {
        this.#end('assignment_wrong');
        return;
      }
      this.#seek(topic);
      if (!this.#opened) {
        this.#opened = true;
        clearTimeout(this.#openingTimer);
        this.#owner.opened(this.#extent);
      }
    } catch (error) {
      this.#end('failed', error);
    }
  }

  #seek(topic: string): void {
    const { low } = this.#extent;
    let { high } = this.#extent;
    if (this.#next > high) high = this.#next;
    const start = this.#owner.start({ low, high });
    this.#start = start;
    this.#next = start.deliver;
    this.#progress.note();
    this.#consumer.seek({ topic, partition: 0, offset: String(start.from) });
  }

  /** Takes a batch and never throws: kafkajs would end for good. */
  async #take(batch: Batch, goesOn: () => boolean): Promise<void> {
    this.#progress.busy(true);
    try {
      for (let at = 0; at < batch.messages.length && !this.#over && goesOn(); at += CHUNK) {
        const records = this.#toRecords(batch.messages.slice(at, at + CHUNK));
        if (this.#over) return;
        if (records.length > 0) await this.#owner.records(records);
      }
      // The next fetch is a system call: whoever else of this process has records waiting applies them before it.
      await turn();
    } catch (error) {
      this.#end('sink_failed', error);
    } finally {
      this.#progress.busy(false);
    }
  }

  #toRecords(messages: readonly KafkaMessage[]): KafkaRecord[] {
    const records: KafkaRecord[] = [];
    for (const { offset: digits, timestamp, value } of messages) {
      const offset = BigInt(digits);
      if (offset < this.#next) {
        if (this.#provesTheTopic(offset, timestamp)) continue;
        break;
      }
      this.#next = offset + 1n;
      // What is no text is rubbish, and is counted as such where events are verified: here it only must do no harm.
      records.push({ offset, timestamp, text: value?.toString('utf8') ?? '' });
    }
    return records;
  }

  /** Whether a record before the position is the one that was asked for as a proof, and looks as the hint says. */
  #provesTheTopic(offset: bigint, timestamp: string): boolean {
    const proof = this.#start?.proof;
    if (proof === undefined || offset !== proof.next - 1n) {
      // kafkajs sets a position that the broker does not know to the earliest record, without a word.
      this.#end('offset_reset');
      return false;
    }
    if (timestamp === proof.timestamp) return true;
    this.#end('topic_recreated');
    return false;
  }

  #end(reason: SessionEnd, error?: unknown): void {
    if (this.#over) return;
    this.#settings.telemetry.log('debug', 'kafka_session_ended', {
      reason,
      error: error instanceof Error ? error.name : undefined,
      protocol: protocolErrors(error).join(),
    });
    this.#finish();
    this.#owner.ended(reason);
  }

  #finish(): void {
    this.#over = true;
    clearTimeout(this.#openingTimer);
    clearTimeout(this.#stoppedTimer);
    this.#progress.close();
  }

  async close(): Promise<void> {
    this.#finish();
    // It leaves its group where it can; a client that hangs is cut off.
    const goodbye = Promise.all([this.#consumer.disconnect().catch(() => undefined), this.#running]);
    await Promise.race([goodbye, delay(GOODBYE_MS, undefined, { ref: false })]);
    this.#client.destroy();
  }
}
