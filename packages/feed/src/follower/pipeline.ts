import { setImmediate as turn } from 'node:timers/promises';
import type { TransportRecord } from '../ports.ts';

/** Says whether something has come between that makes it unwanted. */
export type IsStale = () => boolean;

/** Records that came in one go, or several of those behind each other. */
export interface RecordBatch {
  readonly records: readonly TransportRecord[];
  readonly isStale: IsStale;
}

/** Work on one slice: what is prepared side by side with others gives what is then done in order, one after the other. */
type Prepare = (batch: RecordBatch) => Promise<() => Promise<void> | undefined>;

/** A catch-up: slice after slice, some of them being prepared while one is applied. What comes meanwhile is put together. */
export interface Pipeline {
  /** Resolves when there is room for more. */
  add(batch: RecordBatch): Promise<void>;
  /** Whether nothing is under way. */
  isEmpty(): boolean;
}

export function createPipeline(most: number, ahead: number, prepare: Prepare): Pipeline {
  let last: Promise<void> = Promise.resolve();
  let underWay = 0;
  /** Came meanwhile; all of it as stale as the others, since a question empties the transports. */
  let pending: RecordBatch[] = [];
  let freed: (() => void)[] = [];

  const countPending = () => pending.reduce((sum, { records }) => sum + records.length, 0);

  function begin(batch: RecordBatch): void {
    underWay += 1;
    const prepared = prepare(batch);
    last = last.then(async () => {
      await (await prepared)();
      // Answers of the other thread come several at a time: whoever else waits for this one has a turn between two slices.
      await turn();
      underWay -= 1;
      beginPending();
    });
  }

  /** Full slices as long as there is room; less than that only when nothing else is to be done. */
  function beginPending(): void {
    while (pending.length > 0 && underWay < ahead && (underWay === 0 || countPending() >= most)) begin(takeBatch());
    if (countPending() >= most) return;
    for (const resolve of freed) resolve();
    freed = [];
  }

  /** At most `most` of what waits, and none that is not of the same connection. */
  function takeBatch(): RecordBatch {
    const [first, ...others] = pending as [RecordBatch, ...RecordBatch[]];
    let { records } = first;
    const { isStale } = first;
    let taken = 0;
    for (const other of others) {
      if (records.length + other.records.length > most || other.isStale() !== isStale()) break;
      records = [...records, ...other.records];
      taken += 1;
    }
    const rest = records.slice(most);
    pending = [...(rest.length > 0 ? [{ records: rest, isStale }] : []), ...others.slice(taken)];
    return { records: records.slice(0, most), isStale };
  }

  return {
    isEmpty: () => underWay === 0,
    add(batch) {
      pending.push(batch);
      beginPending();
      return countPending() < most ? Promise.resolve() : new Promise((resolve) => freed.push(resolve));
    },
  };
}
