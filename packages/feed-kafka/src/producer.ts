import { setTimeout as delay } from 'node:timers/promises';
import { peekTxn } from '@rescind/feed/event';
import type { DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import { traceparentOf } from '@rescind/revocation/open-telemetry';
import type { Admin } from 'kafkajs';
import kafkajs from 'kafkajs';
import { createClient, RETRY, within } from './client.ts';
import type { CheckedConnection } from './connection.ts';

/** A connected producer and admin client of kafkajs. After any error the publisher closes it and connects another one. */
export interface ProducerConnection {
  readonly admin: Admin;
  /**
   * Resolves when all in-sync replicas have the records, with their `LogAppendTime`; undefined: the topic keeps another time
   * (`message.timestamp.type` is `CreateTime`).
   */
  send(key: string, records: readonly string[]): Promise<EpochMillis | undefined>;
  close(): Promise<void>;
}

/** A frozen broker never answers this client: after this time the publisher connects another one. */
const SEND_LIMIT_MS: DurationMs = 10_000;
/** A frozen broker accepts a connection and does not answer: the next client begins with another broker. */
const CONNECT_LIMIT_MS: DurationMs = 5_000;
const DISCONNECT_MS: DurationMs = 1_000;
/** kafkajs retries transient errors, such as a leader that has just moved; after that the publisher retries. */
const SEND_RETRIES = 3;
/**
 * Sends of at least this many bytes, some 16 events, are compressed: readers that were away for long fetch these. Smaller ones are
 * not, since each reader of the fleet would spend as much time on decompressing as on verifying.
 */
const GZIP_FROM_BYTES = 16_384;

/** @throws an error of kafkajs when no broker can be reached */
export async function connectProducer(
  connection: CheckedConnection,
  telemetry: Telemetry,
): Promise<ProducerConnection> {
  const client = createClient(connection, telemetry);
  const admin = client.kafka.admin({ retry: RETRY });
  const producer = client.kafka.producer({
    allowAutoTopicCreation: false,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    // Duplicates do no harm, and the idempotent producer of kafkajs is experimental: after some errors it never recovers.
    idempotent: false,
    retry: { ...RETRY, retries: SEND_RETRIES },
  });
  const close = async () => {
    const disconnected = Promise.allSettled([producer.disconnect(), admin.disconnect()]);
    await Promise.race([disconnected, delay(DISCONNECT_MS, undefined, { ref: false })]);
    client.destroy();
  };
  try {
    await within(CONNECT_LIMIT_MS, Promise.all([admin.connect(), producer.connect()]));
  } catch (error) {
    void close();
    throw error;
  }
  const headersOf = telemetry.step === undefined ? () => ({}) : traceHeaders;
  return {
    admin,
    async send(key, records) {
      const sending = producer.send({
        topic: connection.topic,
        acks: -1,
        timeout: SEND_LIMIT_MS,
        compression: isLarge(records) ? kafkajs.CompressionTypes.GZIP : kafkajs.CompressionTypes.None,
        messages: records.map((value) => ({ key, value, partition: 0, ...headersOf(value) })),
      });
      const [written] = await within(SEND_LIMIT_MS, sending);
      // -1: the topic keeps the timestamps of its producers.
      const appendedAt = Number(written?.logAppendTime ?? -1);
      return appendedAt >= 0 ? appendedAt : undefined;
    },
    close,
  };
}

/** A message has the header `traceparent` where the process records the steps of revocations. */
function traceHeaders(record: string): { readonly headers?: { readonly traceparent: string } } {
  const txn = peekTxn(record);
  return txn === undefined ? {} : { headers: { traceparent: traceparentOf(txn) } };
}

const isLarge = (records: readonly string[]) => records.reduce((sum, { length }) => sum + length, 0) >= GZIP_FROM_BYTES;

/** The records that wait to be sent, in order. Several publications go out in one send. */
export interface SendQueue {
  /** How many records wait. */
  readonly size: number;
  /** Resolves when the last of the records was acknowledged; rejects when `reject` was called before. */
  add(records: readonly string[]): Promise<void>;
  /** The records of the next send: from the front, as many as the limits allow; at least one if any wait. */
  take(): readonly string[];
  /** Marks the records last taken as acknowledged. */
  acknowledge(): void;
  /** Rejects all publications that wait, and empties the queue. */
  reject(error: Error): void;
}

/** Limits of one send. */
export interface SendLimits {
  readonly records: number;
  readonly bytes: number;
}

interface WaitingPublication {
  readonly records: readonly string[];
  /** How many of them were acknowledged. */
  sent: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export function createSendQueue(limits: SendLimits): SendQueue {
  let waiting: WaitingPublication[] = [];
  let taken = 0;

  return {
    get size() {
      return waiting.reduce((sum, { records, sent }) => sum + records.length - sent, 0);
    },
    add(records) {
      if (records.length === 0) return Promise.resolve();
      return new Promise((resolve, reject) => {
        waiting.push({ records, sent: 0, resolve, reject });
      });
    },
    take() {
      const batch: string[] = [];
      let bytes = 0;
      for (const { records, sent } of waiting) {
        for (const record of records.slice(sent, sent + limits.records)) {
          bytes += Buffer.byteLength(record);
          const isFull = batch.length === limits.records || bytes > limits.bytes;
          if (isFull && batch.length > 0) {
            taken = batch.length;
            return batch;
          }
          batch.push(record);
        }
      }
      taken = batch.length;
      return batch;
    },
    acknowledge() {
      let left = taken;
      taken = 0;
      for (const publication of waiting) {
        const sent = Math.min(left, publication.records.length - publication.sent);
        publication.sent += sent;
        left -= sent;
        if (publication.sent === publication.records.length) publication.resolve();
      }
      waiting = waiting.filter(({ records, sent }) => sent < records.length);
    },
    reject(error) {
      const rejected = waiting;
      waiting = [];
      taken = 0;
      for (const publication of rejected) publication.reject(error);
    },
  };
}
