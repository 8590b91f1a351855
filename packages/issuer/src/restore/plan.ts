import type { EventRecord } from '@rescind/feed';
import type { HighWater } from '../keys/high-water.ts';
import { counterOf } from '../log/epoch.ts';
import type { LogPoint } from '../log/lineage.ts';
import { restoredBecause } from '../log/lineage.ts';
import type { LogIdentity } from '../store/log.ts';
import type { Evidence } from './evidence.ts';
import { comparePoints } from './evidence.ts';

export interface RestorePlan {
  /** Greater than that of any epoch seen. */
  readonly counter: number;
  readonly greatestSeqSeen: number;
  /** Whether every event up to there is in the database or among those imported. */
  readonly whole: boolean;
}

/** More epochs than a log opens in a life: one beyond is a thief's, who wants the counter to run out. */
const MOST_EPOCHS_LOST = 1_000_000;

/** Judges what the evidence and the database come to together. Pure. */
export function planRestore(
  evidence: Evidence,
  own: LogIdentity,
  idAt: (seq: number) => string | undefined,
): RestorePlan {
  const ownPoint: LogPoint = { epoch: own.epoch, seq: own.head, id: own.last };
  const isOfALog = ({ epoch }: LogPoint) => counterOf(epoch) <= counterOf(own.epoch) + MOST_EPOCHS_LOST;
  const points = [...evidence.points, ...evidence.events, ownPoint].filter(isOfALog).sort(comparePoints);
  const greatest = points.at(-1) ?? ownPoint;
  return {
    counter: Math.max(...points.map(({ epoch }) => counterOf(epoch))) + 1,
    greatestSeqSeen: greatest.seq,
    whole: isWhole(evidence, own, greatest, idAt),
  };
}

function isWhole(
  { mark, points, events }: Evidence,
  own: LogIdentity,
  greatest: LogPoint,
  idAt: (seq: number) => string | undefined,
): boolean {
  // Without a mark nobody knows how far the log had come; of an epoch that came after, nobody knows what was before.
  if (mark === undefined || greatest.epoch !== own.epoch || !isAuthoritative(mark, greatest)) return false;
  const isBeyond = ({ epoch, seq }: LogPoint) => epoch === own.epoch && seq > own.head;
  if (points.some((point) => !isBeyond(point) && restoredBecause(point, own, idAt) !== null)) return false;
  const end = chainFrom(own, events);
  const ends = [...points, ...events].filter(({ epoch, seq }) => epoch === own.epoch && seq === greatest.seq);
  return end.seq === greatest.seq && ends.every(({ id }) => id === end.id);
}

/** It is written before anything is sent: a record from beyond it shows that it, too, was put back to an earlier state. */
function isAuthoritative(mark: HighWater, greatest: LogPoint): boolean {
  return mark.epoch === greatest.epoch && mark.head >= greatest.seq;
}

/** How far the events go on from the database's head, each naming the one before it. */
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
