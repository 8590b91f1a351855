import type {
  EventDecoder,
  EventRecord,
  HeartbeatRecord,
  NotUnderstoodRecord,
  Publisher,
  WayRecord,
} from '@rescind/feed';
import type { EpochMillis } from '@rescind/revocation';
import { UNBOUNDED } from '@rescind/revocation';
import type { HighWater } from '../keys/high-water.ts';
import type { LogPoint } from '../log/lineage.ts';

/** What is known of the log from elsewhere than the database, all of it signed but for the high-water mark. */
export interface Evidence {
  readonly points: readonly LogPoint[];
  /** The latest time that the log speaks of since the clock was last set: the clock must not fall behind it. */
  readonly latest: EpochMillis;
  /** The latest epoch in which the clock was set, as far as anything tells; null: never. */
  readonly timeSince: string | null;
  readonly events: readonly EventRecord[];
  /** What the issuer itself noted at its last answer; undefined: nothing certain. */
  readonly mark: HighWater | undefined;
  /** Why the topic could not be read to its end, or null. */
  readonly replayError: string | null;
}

interface Sources {
  readonly decoder: EventDecoder;
  readonly mark: HighWater | undefined;
  readonly proofs: readonly string[];
  readonly publisher: Publisher | undefined;
  /** What the database says of that. */
  readonly timeSince: string | null;
  /** Events the database has already: not kept again. */
  readonly isKnown: (event: EventRecord) => boolean;
}

/** Reads everything there is to read, the topic from its beginning. */
export async function gatherEvidence({ decoder, mark, proofs, publisher, ...own }: Sources): Promise<Evidence> {
  const points: LogPoint[] = mark === undefined ? [] : [{ epoch: mark.epoch, seq: mark.head, id: mark.id }];
  const events = new Map<string, EventRecord>();
  /** By epoch. */
  const latest = new Map<string, EpochMillis>();
  let { timeSince } = own;

  function take(records: readonly WayRecord[]): void {
    for (const record of decoder.decodeBatch(records)) {
      if (record.kind === 'bad' || record.kind === 'skipped') continue;
      latest.set(record.epoch, Math.max(latest.get(record.epoch) ?? 0, latestTimeIn(record)));
      if (record.kind === 'heartbeat') {
        points.push({ epoch: record.epoch, seq: record.head, id: record.last });
        if ((record.timeSince ?? '') > (timeSince ?? '')) ({ timeSince } = record);
      } else points.push({ epoch: record.epoch, seq: record.seq, id: record.id });
      if (record.kind === 'event' && !own.isKnown(record)) events.set(record.id, record);
    }
    keepGreatest(points);
  }

  for (const proof of proofs) take(toRecords([proof]));
  const replayError = await replay(publisher, (batch) => take(toRecords(batch)));
  const isRight = ([epoch]: readonly [string, EpochMillis]) => epoch >= (timeSince ?? '');
  const times = [...latest].filter(isRight).map(([, at]) => at);
  return { points, latest: Math.max(0, ...times), timeSince, events: [...events.values()], mark, replayError };
}

/** Its own, or the latest T of what it denies. */
function latestTimeIn(record: HeartbeatRecord | EventRecord | NotUnderstoodRecord): EpochMillis {
  if (record.kind !== 'event') return record.at;
  const bounds = record.cutOffs.map(({ issuedUntil }) => issuedUntil).filter((until) => until !== UNBOUNDED);
  return Math.max(record.at, ...bounds);
}

async function replay(
  publisher: Publisher | undefined,
  take: (batch: readonly string[]) => void,
): Promise<string | null> {
  if (publisher === undefined) return null;
  try {
    for await (const batch of publisher.replay()) take(batch);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function toRecords(batch: readonly string[]): WayRecord[] {
  return batch.map((jws) => ({ jws, hint: null, live: false }));
}

/** A topic remembers a heartbeat for each second of a week: only those that tell something are kept. */
const MOST_POINTS = 10_000;

function keepGreatest(points: LogPoint[]): void {
  if (points.length <= MOST_POINTS) return;
  points.sort(comparePoints);
  points.splice(0, points.length - MOST_POINTS / 2);
}

export function comparePoints(a: LogPoint, b: LogPoint): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  return a.seq - b.seq;
}
