import type { Publisher, TransportRecord } from '@rescind/feed';
import type { EventDecoder, EventRecord, HeartbeatRecord, UnknownVersionRecord } from '@rescind/feed/event';
import type { EpochMillis } from '@rescind/revocation';
import { UNBOUNDED } from '@rescind/revocation/cut-off';
import type { HighWatermark } from '../keys/high-watermark.ts';
import { counterOf } from '../log/epoch.ts';
import type { LogPosition } from '../log/restore-detector.ts';
import { reasonOfRestore } from '../log/restore-detector.ts';
import type { LogIdentity } from '../store/log.ts';

/** Evidence about the log from outside the database. All of it is signed, except the high-water mark. */
export interface Evidence {
  readonly points: readonly LogPosition[];
  /** The latest time in the log since the clock was last set: the clock must not be set to an earlier one. */
  readonly latest: EpochMillis;
  /** The latest epoch in which the clock was set, by the evidence; null: never. */
  readonly timeSince: string | null;
  readonly events: readonly EventRecord[];
  /** The high-water mark that the issuer wrote before its last response; undefined: there is none that can be read. */
  readonly mark: HighWatermark | undefined;
  /** Why the topic could not be read to its end, or null. */
  readonly replayError: string | null;
}

interface Sources {
  readonly decoder: EventDecoder;
  readonly mark: HighWatermark | undefined;
  readonly proofs: readonly string[];
  readonly publisher: Publisher | undefined;
  /** The latest epoch in which the clock was set, by the database; null: never. */
  readonly timeSince: string | null;
  /** Whether the database has the event already. */
  readonly isKnown: (event: EventRecord) => boolean;
}

/** Reads all evidence: the topic from its beginning, and the records that readers submitted. */
export async function gatherEvidence({ decoder, mark, proofs, publisher, ...own }: Sources): Promise<Evidence> {
  const points: LogPosition[] = mark === undefined ? [] : [{ epoch: mark.epoch, seq: mark.head, id: mark.id }];
  const events = new Map<string, EventRecord>();
  /** By epoch. */
  const latest = new Map<string, EpochMillis>();
  let { timeSince } = own;

  function take(records: readonly TransportRecord[]): void {
    for (const record of decoder.decodeBatch(records)) {
      if (record.kind === 'bad' || record.kind === 'skipped') continue;
      latest.set(record.epoch, Math.max(latest.get(record.epoch) ?? 0, latestTimeIn(record)));
      if (record.kind === 'heartbeat') {
        points.push({ epoch: record.epoch, seq: record.head, id: record.headId });
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

/** The time of a record: its own, or the latest T of its cut-offs. */
function latestTimeIn(record: HeartbeatRecord | EventRecord | UnknownVersionRecord): EpochMillis {
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

function toRecords(batch: readonly string[]): TransportRecord[] {
  return batch.map((jws) => ({ jws, hint: null, live: false }));
}

/** A topic retains a heartbeat for each second of a week: only those with new information are stored. */
const MAX_POINTS = 10_000;

function keepGreatest(points: LogPosition[]): void {
  if (points.length <= MAX_POINTS) return;
  points.sort(comparePositions);
  points.splice(0, points.length - MAX_POINTS / 2);
}

function comparePositions(a: LogPosition, b: LogPosition): number {
  if (a.epoch !== b.epoch) return a.epoch < b.epoch ? -1 : 1;
  return a.seq - b.seq;
}

export interface RestorePlan {
  /** The counter of the new epoch: greater than that of every known epoch. */
  readonly counter: number;
  readonly greatestSeqSeen: number;
  /** Whether every event up to there is in the database or among those imported. */
  readonly complete: boolean;
}

/** More epochs than any log opens: an epoch beyond it was forged to exhaust the counter. */
const MAX_EPOCHS_LOST = 1_000_000;

/** Plans the restore by evidence and database. Pure. */
export function planRestore(
  evidence: Evidence,
  own: LogIdentity,
  idAt: (seq: number) => string | undefined,
): RestorePlan {
  const ownPoint: LogPosition = { epoch: own.epoch, seq: own.head, id: own.last };
  const isOfALog = ({ epoch }: LogPosition) => counterOf(epoch) <= counterOf(own.epoch) + MAX_EPOCHS_LOST;
  const points = [...evidence.points, ...evidence.events, ownPoint].filter(isOfALog).sort(comparePositions);
  const greatest = points.at(-1) ?? ownPoint;
  return {
    counter: Math.max(...points.map(({ epoch }) => counterOf(epoch))) + 1,
    greatestSeqSeen: greatest.seq,
    complete: isComplete(evidence, own, greatest, idAt),
  };
}

function isComplete(
  { mark, points, events }: Evidence,
  own: LogIdentity,
  greatest: LogPosition,
  idAt: (seq: number) => string | undefined,
): boolean {
  // Without a mark the end of the log is unknown; if a later epoch was opened, its first events may be unknown.
  if (mark === undefined || greatest.epoch !== own.epoch || !isAuthoritative(mark, greatest)) return false;
  const isBeyond = ({ epoch, seq }: LogPosition) => epoch === own.epoch && seq > own.head;
  if (points.some((point) => !isBeyond(point) && reasonOfRestore(point, own, idAt) !== null)) return false;
  const end = chainFrom(own, events);
  const ends = [...points, ...events].filter(({ epoch, seq }) => epoch === own.epoch && seq === greatest.seq);
  return end.seq === greatest.seq && ends.every(({ id }) => id === end.id);
}

/** Whether the high-water mark is up to date. It is written before each response: a record beyond it shows that the mark was restored, too. */
function isAuthoritative(mark: HighWatermark, greatest: LogPosition): boolean {
  return mark.epoch === greatest.epoch && mark.head >= greatest.seq;
}

/** The last event of those that continue the log of the database without a gap: each names the id of its predecessor. */
function chainFrom(
  own: LogIdentity,
  events: readonly EventRecord[],
): { readonly seq: number; readonly id: string | null } {
  const next = new Map(
    events.filter(({ epoch }) => epoch === own.epoch).map((event) => [`${event.seq} ${event.prev}`, event]),
  );
  let end: { readonly seq: number; readonly id: string | null } = { seq: own.head, id: own.last };
  for (;;) {
    const following = next.get(`${end.seq + 1} ${end.id}`);
    if (following === undefined) return end;
    end = following;
  }
}
