import type { Publisher } from '@rescind/feed';
import type { EventDecoder } from '@rescind/feed/event';
import { isSigned } from '@rescind/feed/event';
import type { RestoreDetector } from '../log/restore-detector.ts';
import { toPosition } from '../log/restore-detector.ts';
import type { ReadOnlyLatch } from '../storage.ts';
import type { CommittedLog } from '../store/log.ts';

/** `newest`: the last record of this log that the topic has; undefined also if it was not read. */
type TailFinding =
  | { readonly kind: 'complete'; readonly newest: string | undefined }
  /** The topic is ahead of the database, which was restored: nothing may be published. */
  | { readonly kind: 'refused' }
  /** The published events are missing (another topic, or a lost one): the relay publishes again from this position. */
  | { readonly kind: 'behind'; readonly sentSeq: number; readonly newest: string | undefined };

/** Checks the end of the topic before anything is published, once for each connection. */
export interface TailCheck {
  /** @throws whatever the publisher throws while it cannot be reached */
  check(epoch: string, sentSeq: number): Promise<TailFinding>;
  /** The next `check` reads the topic again. */
  again(): void;
}

interface TailOptions {
  readonly publisher: Publisher;
  readonly decoder: EventDecoder;
  readonly detector: RestoreDetector;
  readonly latch: ReadOnlyLatch;
  readonly log: CommittedLog;
  /** The event key that signs. */
  readonly activeKid: () => string | undefined;
}

/** Enough to find a record of this log among records that others may have written. */
const TAIL_RECORDS = 200;

export function createTailCheck({ publisher, decoder, detector, latch, log, activeKid }: TailOptions): TailCheck {
  let isChecked = false;

  /** The greatest seq of this epoch in the last records of the topic: of an event, or the head in a heartbeat. */
  function reachedBy(records: readonly string[], epoch: string): number {
    const points = records
      .map((jws) => decoder.decode(jws))
      .filter((record) => isSigned(record) && record.epoch === epoch && record.kid === activeKid())
      .map(toPosition);
    return Math.max(0, ...points.map((point) => point?.seq ?? 0));
  }

  return {
    async check(epoch, sentSeq) {
      if (isChecked) return latch.refusing() === null ? { kind: 'complete', newest: undefined } : { kind: 'refused' };
      const records = await publisher.tail(TAIL_RECORDS);
      await detector.proveAll(records);
      if (latch.refusing() !== null) return { kind: 'refused' };
      isChecked = true;
      const floor = log.identity()?.floor ?? 1;
      const newest = records.findLast((jws) => isSigned(decoder.decode(jws)));
      if (sentSeq < floor || reachedBy(records, epoch) >= sentSeq) return { kind: 'complete', newest };
      return { kind: 'behind', sentSeq: floor - 1, newest };
    },
    again() {
      isChecked = false;
    },
  };
}
