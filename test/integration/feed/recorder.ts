import type { StartPosition, Transport, TransportConnection, TransportRecord, TransportSink } from '@rescind/feed';
import type { Telemetry } from '@rescind/revocation';
import { onTestFinished } from 'vitest';

/** A sink that records the calls of a transport. */
export interface Recorder {
  readonly connection: TransportConnection;
  readonly records: readonly TransportRecord[];
  readonly texts: () => readonly string[];
  readonly opened: () => number;
  readonly lost: readonly string[];
  /** Sets the result of `start()`. */
  startAt(start: Partial<StartPosition>): void;
  /** With `true` the promises of `records` stay pending, until it is called with `false`. */
  hold(held: boolean): void;
}

export function record(transport: Transport, start: Partial<StartPosition> = {}): Recorder {
  let from: StartPosition = { epoch: '', seq: 0, hint: null, ...start };
  const records: TransportRecord[] = [];
  const lost: string[] = [];
  let opened = 0;
  let gate = Promise.resolve();
  let release = () => {};
  const sink: TransportSink = {
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
  const connection = transport.open(sink);
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

/** Telemetry that stores all texts, so that a test can search them for a secret. */
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
