import type { DurationMs } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { createClient } from '../client/client.ts';
import { within } from '../client/deadline.ts';
import { reasonOf } from '../client/failure.ts';
import { readExtent } from '../reader/extent.ts';
import type { Extent } from '../reader/hint.ts';
import { openSession } from '../reader/session.ts';
import { createHand } from './hand.ts';
import type { PublisherSettings } from './options.ts';

const OPENING_MS: DurationMs = 15_000;
const SESSION_TIMEOUT_MS: DurationMs = 30_000;
const STALL_MS: DurationMs = 5_000;
/** Records come as fast as they are taken; when none comes for so long, the end that was seen is no longer there. */
const SILENCE_MS: DurationMs = 10_000;

/** The last records, oldest first. @throws RescindError `kafka_unreachable` */
export async function readTail(settings: PublisherSettings, most: number): Promise<readonly string[]> {
  if (!Number.isSafeInteger(most) || most < 1) throw new TypeError('most must be a whole number of at least 1');
  const records: string[] = [];
  for await (const batch of readRange(settings, ({ low, high }) => greatest(low, high - BigInt(most)))) {
    records.push(...batch);
  }
  return records.slice(-most);
}

/** All records there are now, oldest first. @throws RescindError `kafka_unreachable` */
export function readAll(settings: PublisherSettings): AsyncGenerator<readonly string[]> {
  return readRange(settings, ({ low }) => low);
}

function greatest(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

/** Reads from an offset to the end as it is now, by a session of its own. A topic that is not there has no records. */
async function* readRange(
  settings: PublisherSettings,
  from: (extent: Extent) => bigint,
): AsyncGenerator<readonly string[]> {
  const extent = await askExtent(settings);
  if (extent === undefined || extent.low === extent.high) return;
  const { connection, clock, telemetry } = settings;
  const hand = createHand<readonly string[]>();
  const session = openSession(
    { connection, clock, telemetry, sessionTimeoutMs: SESSION_TIMEOUT_MS, stallMs: STALL_MS, openingMs: OPENING_MS },
    {
      start: () => ({ from: from(extent), deliver: from(extent), proof: undefined, discarded: undefined }),
      opened: () => undefined,
      async records(batch) {
        const before = batch.filter(({ offset }) => offset < extent.high);
        if (before.length > 0) await hand.give(before.map(({ text }) => text));
        if (batch.some(({ offset }) => offset >= extent.high - 1n)) hand.end();
      },
      ended: (reason) => hand.fail(new RescindError('kafka_unreachable', { detail: reason })),
    },
  );
  try {
    while (true) {
      const batch = await within(SILENCE_MS + OPENING_MS, hand.take());
      if (batch === undefined) return;
      yield batch;
    }
  } catch (error) {
    throw error instanceof RescindError ? error : unreachable(error);
  } finally {
    hand.end();
    await session.close();
  }
}

async function askExtent(settings: PublisherSettings): Promise<Extent | undefined> {
  const client = createClient(settings.connection, settings.telemetry);
  try {
    return await within(OPENING_MS, readExtent(client, settings.connection.topic));
  } catch (error) {
    if (reasonOf(error) === 'topic_missing') return undefined;
    throw unreachable(error);
  } finally {
    client.destroy();
  }
}

const unreachable = (error: unknown) => new RescindError('kafka_unreachable', { detail: reasonOf(error) });
