import type { LogIdentity } from '../store/log.ts';
import { counterOf } from './epoch.ts';

/** Somewhere in a log: an event, or the head that a heartbeat or the high-water file tells. */
export interface LogPoint {
  readonly epoch: string;
  readonly seq: number;
  /** The id (`jti`) of the event there; null at 0. */
  readonly id: string | null;
}

/**
 * Why a point that was certainly in this log shows that the database is not the log's latest state any more; null when
 * it does not.
 *
 * @param idAt the id of the event with this seq, as far as the outbox still has it
 */
export function restoredBecause(
  point: LogPoint,
  own: LogIdentity,
  idAt: (seq: number) => string | undefined,
): string | null {
  if (point.epoch !== own.epoch) {
    if (isFormer(point.epoch, own.epoch)) return null;
    return `the log had reached epoch ${point.epoch}, the database is at ${own.epoch}`;
  }
  if (point.seq > own.head) return `the log had reached event ${point.seq}, the database ends at ${own.head}`;
  const held = point.seq === own.head ? own.last : idAt(point.seq);
  if (held === undefined || held === point.id) return null;
  return `event ${point.seq} of the log is another than that of the database`;
}

/** Whether an epoch came before. One with the same counter did not: it is of another life of the same log. */
export function isFormer(epoch: string, own: string): boolean {
  return counterOf(epoch) < counterOf(own);
}
