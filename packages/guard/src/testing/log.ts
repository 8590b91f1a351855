import type { Feed } from '@rescind/feed';
import type { Follower, View } from '@rescind/feed/follower';
import { createMemoryLog, memoryTransport, openMemoryCursor } from '@rescind/feed/testing';
import type { Clock, DurationMs, EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { CutOffRow, Revocation } from '@rescind/revocation/cut-off';
import { mergeRows, toRow } from '@rescind/revocation/cut-off';
import type { Find } from '@rescind/revocation/judge';
import type { Rows } from '../context.ts';

/** A log in memory that the instance reads at once, or not at all. */
export interface TestLog {
  /** The log in memory, with the transport that reads it. */
  readonly feed: Feed;
  /** The follower of the guard. */
  readonly follower: Follower;
  /** Appends an event. The instance applies it in the same tick, unless the log is cut off. */
  append(revocation: Revocation): void;
  /** From now on the instance reads nothing, and its view has this age. */
  cutOff(ageMs: DurationMs): void;
  /** From now on the instance has never caught up, and reads nothing. */
  forget(): void;
  /** The instance applies everything that it missed, and continues to read. */
  catchUp(): void;
}

const EPOCH = '0000000001-test';

/** @param apply applies rows at the instance */
export function createTestLog(clock: Clock, apply: (rows: readonly CutOffRow[]) => void): TestLog {
  const records = createMemoryLog(EPOCH);
  const cursor = openMemoryCursor(records, null);
  const feed = { primary: memoryTransport({ log: records }) };
  let ready = true;
  /** Undefined while the instance reads everything. */
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

  /** A record has the rows of one revocation as text, without a signature. */
  const readOn = () => {
    for (const { jws } of cursor.take(records.end) ?? []) apply(JSON.parse(jws) as CutOffRow[]);
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
  // The promise may reject without a handler.
  waiting.promise.catch(() => undefined);
  return waiting;
}

/** Rows in memory, without a file. They are never pruned. */
export interface MemoryRows extends Rows {
  add(cutoff: CutOffRow): void;
}

export function createMemoryRows(): MemoryRows {
  const issuers = new Map<string, Map<string, Map<string, CutOffRow>>>();
  const claimsOf = (iss: string) => issuers.get(iss) ?? new Map<string, Map<string, CutOffRow>>();
  const find: Find = {
    names: (iss) => claimsOf(iss).keys(),
    row: (iss, claim, value) => claimsOf(iss).get(claim)?.get(value),
  };
  return {
    ...find,
    add(cutoff) {
      const { iss, claim, value } = cutoff;
      const claims = claimsOf(iss);
      const rows = claims.get(claim) ?? new Map<string, CutOffRow>();
      const before = rows.get(value);
      rows.set(value, before === undefined ? cutoff : mergeRows(before, cutoff));
      issuers.set(iss, claims.set(claim, rows));
    },
    load: () => undefined,
    prune: () => 0,
    prunePending: () => undefined,
    health: () => [{ name: 'denylist', status: 'pass' }],
    close: () => undefined,
  };
}
