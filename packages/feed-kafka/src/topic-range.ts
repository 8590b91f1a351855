import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { createClient, within } from './client.ts';
import type { CheckedConnection } from './connection.ts';
import { reasonOf } from './errors.ts';
import type { Watermarks } from './session.ts';
import { openSession, readWatermarks } from './session.ts';
import { OPENING_MS, SESSION_TIMEOUT_MS, STALL_MS } from './transport.ts';

/** Longest wait for the next records after the group was joined: the end of the topic that was seen may no longer exist. */
const SILENCE_MS: DurationMs = 10_000;

interface TopicReading {
  readonly connection: CheckedConnection;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/**
 * Reads the last records of the topic, oldest first.
 * @param limit greatest number of records, at least 1
 * @throws RescindError `kafka_unreachable`
 */
export async function readTail(reading: TopicReading, limit: number): Promise<readonly string[]> {
  if (!Number.isSafeInteger(limit) || limit < 1) throw new TypeError('limit must be a whole number of at least 1');
  const records: string[] = [];
  for await (const batch of readRange(reading, ({ low, high }) => max(low, high - BigInt(limit)))) {
    records.push(...batch);
  }
  return records.slice(-limit);
}

/** Reads all present records of the topic, oldest first. @throws RescindError `kafka_unreachable` */
export function readAll(reading: TopicReading): AsyncGenerator<readonly string[]> {
  return readRange(reading, ({ low }) => low);
}

function max(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

/** Reads from an offset to the present end, by a session of its own. A topic that does not exist has no records. */
async function* readRange(
  reading: TopicReading,
  from: (watermarks: Watermarks) => bigint,
): AsyncGenerator<readonly string[]> {
  const watermarks = await fetchWatermarks(reading);
  if (watermarks === undefined || watermarks.low === watermarks.high) return;
  const { high } = watermarks;
  const rendezvous = createRendezvous<readonly string[]>();
  const session = openSession(
    { ...reading, sessionTimeoutMs: SESSION_TIMEOUT_MS, stallMs: STALL_MS, openingMs: OPENING_MS },
    {
      startingPoint: () => ({ fetchFrom: from(watermarks), deliverFrom: from(watermarks), expected: undefined }),
      opened: () => undefined,
      async records(batch) {
        const inRange = batch.filter(({ offset }) => offset < high);
        if (inRange.length > 0) await rendezvous.put(inRange.map(({ text }) => text));
        if (batch.some(({ offset }) => offset >= high - 1n)) rendezvous.end();
      },
      ended: (reason) => rendezvous.fail(new RescindError('kafka_unreachable', { detail: reason })),
    },
  );
  try {
    while (true) {
      const batch = await within(SILENCE_MS + OPENING_MS, rendezvous.take());
      if (batch === undefined) return;
      yield batch;
    }
  } catch (error) {
    throw error instanceof RescindError ? error : unreachable(error);
  } finally {
    rendezvous.end();
    await session.close();
  }
}

async function fetchWatermarks({ connection, telemetry }: TopicReading): Promise<Watermarks | undefined> {
  const client = createClient(connection, telemetry);
  try {
    return await within(OPENING_MS, readWatermarks(client, connection.topic));
  } catch (error) {
    if (reasonOf(error) === 'topic_missing') return undefined;
    throw unreachable(error);
  } finally {
    client.destroy();
  }
}

const unreachable = (error: unknown) => new RescindError('kafka_unreachable', { detail: reasonOf(error) });

/** A channel without a buffer: `put` waits for the `take` of its item. One producer and one consumer. */
interface Rendezvous<T> {
  /** Resolves when the item was taken, or at the end. */
  put(item: T): Promise<void>;
  /** Resolves with the next item; undefined: the end. Rejects after `fail`. */
  take(): Promise<T | undefined>;
  /** Drops the item that was put and not taken. */
  end(): void;
  fail(error: Error): void;
}

function createRendezvous<T>(): Rendezvous<T> {
  let put: { readonly item: T; readonly taken: () => void } | undefined;
  let taking: { readonly resolve: (item: T | undefined) => void; readonly reject: (error: Error) => void } | undefined;
  let isOver = false;
  let failure: Error | undefined;
  const exchange = () => {
    if (taking === undefined) return;
    const { resolve, reject } = taking;
    if (put !== undefined) {
      const { item, taken } = put;
      put = undefined;
      taken();
      resolve(item);
    } else if (failure !== undefined) reject(failure);
    else if (isOver) resolve(undefined);
    else return;
    taking = undefined;
  };
  return {
    put: (item) =>
      new Promise((taken) => {
        if (isOver) return taken();
        put = { item, taken };
        exchange();
      }),
    take: () =>
      new Promise((resolve, reject) => {
        taking = { resolve, reject };
        exchange();
      }),
    end() {
      isOver = true;
      put?.taken();
      put = undefined;
      exchange();
    },
    fail(error) {
      failure ??= error;
      exchange();
    },
  };
}
