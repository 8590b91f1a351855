import type { Way, WayConnection, WayRecord, WaySink, WayStart } from '@rescind/feed';
import type { Telemetry } from '@rescind/revocation';
import { onTestFinished } from 'vitest';

/** The other end of a way, which writes down what it is told. */
export interface Recorder {
  readonly connection: WayConnection;
  readonly records: readonly WayRecord[];
  readonly texts: () => readonly string[];
  readonly opened: () => number;
  readonly lost: readonly string[];
  /** From now on `start()` answers this. */
  startAt(start: Partial<WayStart>): void;
  /** Holds back what `records` promises, until called again with `false`. */
  hold(held: boolean): void;
}

export function record(way: Way, start: Partial<WayStart> = {}): Recorder {
  let from: WayStart = { epoch: '', seq: 0, hint: null, ...start };
  const records: WayRecord[] = [];
  const lost: string[] = [];
  let opened = 0;
  let gate = Promise.resolve();
  let release = () => {};
  const sink: WaySink = {
    opened: () => {
      opened += 1;
    },
    records: async (batch) => {
      records.push(...batch);
      await gate;
    },
    lost: (reason) => lost.push(reason),
    start: () => from,
  };
  const connection = way.open(sink);
  const recorder: Recorder = {
    connection,
    records,
    texts: () => records.map(({ jws }) => jws),
    opened: () => opened,
    lost,
    startAt: (next) => {
      from = { ...from, ...next };
    },
    hold(held) {
      if (!held) return release();
      ({ promise: gate, resolve: release } = Promise.withResolvers<void>());
    },
  };
  onTestFinished(async () => {
    release();
    await connection.close();
  });
  return recorder;
}

/** Telemetry that keeps every word, so that a test can look for a secret in them. */
export function createListeningTelemetry(): Telemetry & { readonly heard: () => string } {
  const words: unknown[] = [];
  return {
    count: (...all) => void words.push(all),
    gauge: (...all) => void words.push(all),
    observe: (...all) => void words.push(all),
    log: (...all) => void words.push(all),
    heard: () => JSON.stringify(words),
  };
}
