import { setTimeout as delay } from 'node:timers/promises';
import type { DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import type { Admin } from 'kafkajs';
import kafkajs from 'kafkajs';
import { createClient, RETRY } from '../client/client.ts';
import type { CheckedConnection } from '../client/connection.ts';
import { within } from '../client/deadline.ts';

/** A connection to publish by, to be thrown away when anything goes wrong. */
export interface Link {
  readonly admin: Admin;
  /**
   * Resolves when all in-sync copies are written, with the `LogAppendTime` of the records; undefined: the topic keeps another
   * time (`message.timestamp.type` is `CreateTime`).
   */
  send(key: string, records: readonly string[]): Promise<EpochMillis | undefined>;
  close(): Promise<void>;
}

/** What takes longer is tried anew with another client: a broker that is frozen never answers this one. */
const SEND_LIMIT_MS: DurationMs = 10_000;
/** A broker that is frozen accepts a connection and does not answer: the next client asks another one. */
const CONNECT_LIMIT_MS: DurationMs = 5_000;
const GOODBYE_MS: DurationMs = 1_000;
/** Failures that pass by themselves, such as a leader that has just moved; the publisher tries on after that. */
const SEND_RETRIES = 3;
/**
 * A send of so many bytes is compressed, some 16 events: what readers away for long fetch. A smaller one is not, since every reader of the fleet
 * would spend as much time on decompressing it as on verifying it.
 */
const GZIP_FROM_BYTES = 16_384;

/** @throws an error of kafkajs when no broker can be reached */
export async function openLink(connection: CheckedConnection, telemetry: Telemetry): Promise<Link> {
  const client = createClient(connection, telemetry);
  const admin = client.kafka.admin({ retry: RETRY });
  const producer = client.kafka.producer({
    allowAutoTopicCreation: false,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    // Duplicates do no harm; the idempotent producer of kafkajs is experimental and gives up for good.
    idempotent: false,
    retry: { ...RETRY, retries: SEND_RETRIES },
  });
  const close = async () => {
    const goodbye = Promise.allSettled([producer.disconnect(), admin.disconnect()]);
    await Promise.race([goodbye, delay(GOODBYE_MS, undefined, { ref: false })]);
    client.destroy();
  };
  try {
    await within(CONNECT_LIMIT_MS, Promise.all([admin.connect(), producer.connect()]));
  } catch (error) {
    void close();
    throw error;
  }
  return {
    admin,
    async send(key, records) {
      const sending = producer.send({
        topic: connection.topic,
        acks: -1,
        timeout: SEND_LIMIT_MS,
        compression: isLarge(records) ? kafkajs.CompressionTypes.GZIP : kafkajs.CompressionTypes.None,
        messages: records.map((value) => ({ key, value, partition: 0 })),
      });
      const [written] = await within(SEND_LIMIT_MS, sending);
      // -1: the time of the records is that of whoever sent them.
      const appendedAt = Number(written?.logAppendTime ?? -1);
      return appendedAt >= 0 ? appendedAt : undefined;
    },
    close,
  };
}

const isLarge = (records: readonly string[]) => records.reduce((sum, { length }) => sum + length, 0) >= GZIP_FROM_BYTES;
