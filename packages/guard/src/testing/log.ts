import type { Feed, Follower, View } from '@rescind/feed';
import { createMemoryLog, memoryTransport, openMemoryCursor } from '@rescind/feed/testing';
import type { Clock, CutOffRow, DurationMs, EpochMillis, Revocation } from '@rescind/revocation';
import { RescindError, toRow } from '@rescind/revocation';

/** A log in memory that an instance hears of at once, or not at all. */
export interface TestLog {
  /** The log in memory, with the transport that reads it. */
  readonly feed: Feed;
  /** What the guard takes for the follower of its log. */
  readonly follower: Follower;
  /** Appends; heard of in the same tick, unless the log is cut off. */
  append(revocation: Revocation): void;
  /** The instance has heard nothing for so long, and hears nothing more. */
  cutOff(ageMs: DurationMs): void;
  /** It has never caught up, and hears nothing. */
  forget(): void;
  /** It hears everything there is, and goes on hearing. */
  catchUp(): void;
}

const EPOCH = '0000000001-test';

/** @param heard what the instance does with what it hears */
export function createTestLog(clock: Clock, heard: (rows: readonly CutOffRow[]) => void): TestLog {
  const records = createMemoryLog(EPOCH);
  const cursor = openMemoryCursor(records, null);
  const feed = { primary: memoryTransport({ log: records }) };
  let ready = true;
  /** Undefined while everything is heard. */
  let lost: { readonly ageMs: DurationMs; readonly at: DurationMs; readonly logTime: EpochMillis } | undefined;
  let caughtUp = createWaiting();
  caughtUp.resolve();

  function view(): View {
    const complete = ready && lost === undefined;
    const ageMs = lost === undefined ? 0 : lost.ageMs + clock.monotonic() - lost.at;
    return {
      ready,
      complete,
      suspect: null,
      ageMs: ready ? ageMs : Number.POSITIVE_INFINITY,
      logTime: lost?.logTime ?? clock.now(),
      prunableBefore: 0,
      epoch: EPOCH,
      seq: cursor.next,
      head: records.end,
      lag: records.end - cursor.next,
      transport: feed.primary.name,
    };
  }

  /** The rows of one revocation a record, as text: nobody here would forge a signature. */
  const readOn = () => {
    for (const { jws } of cursor.take(records.end) ?? []) heard(JSON.parse(jws) as CutOffRow[]);
  };
  const lose = (ageMs: DurationMs) => {
    lost = { ageMs, at: clock.monotonic(), logTime: clock.now() - ageMs };
  };
  const close = async () => caughtUp.reject(new RescindError('stopping'));
  const follower: Follower = {
    view,
    close,
    ready: () => caughtUp.promise,
    health: () => [{ name: 'feed', status: ready ? (lost === undefined ? 'pass' : 'warn') : 'fail' }],
    onChange: () => () => undefined,
    [Symbol.asyncDispose]: close,
  };

  return {
    feed,
    follower,
    append(revocation) {
      const event = { ...revocation, epoch: EPOCH, seq: records.end + 1 };
      records.append([JSON.stringify(revocation.cutOffs.map((cutOff) => toRow(cutOff, event)))], clock.now());
      if (lost === undefined) readOn();
    },
    cutOff: lose,
    forget() {
      if (ready) caughtUp = createWaiting();
      ready = false;
      lose(0);
    },
    catchUp() {
      lost = undefined;
      ready = true;
      readOn();
      caughtUp.resolve();
    },
  };
}

function createWaiting(): PromiseWithResolvers<void> {
  const waiting = Promise.withResolvers<void>();
  // Nobody has to wait for it.
  waiting.promise.catch(() => undefined);
  return waiting;
}
