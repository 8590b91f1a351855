import type { Transport, TransportConnection, TransportRecord } from '@rescind/feed';
import type { Fields, LogLevel, Telemetry } from '@rescind/revocation';
import { onTestFinished } from 'vitest';

interface LogLine {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: Fields;
}

/** Telemetry that records everything. */
export interface Recorder extends Telemetry {
  readonly lines: LogLine[];
  /** The sum of a counter, of all labels or of those given (`reason=crashed`). */
  total(metric: string, label?: string): number;
  /** How many observations a histogram has. */
  observed(metric: string): number;
}

export function createRecorder(): Recorder {
  const lines: LogLine[] = [];
  const observations: string[] = [];
  const counts: { metric: string; labels: string; by: number }[] = [];
  return {
    lines,
    count: (metric: string, labels: Readonly<Record<string, string>> = {}, by = 1) => {
      const text = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
      counts.push({ metric, labels: text.join(), by });
    },
    gauge: () => undefined,
    observe: (metric) => void observations.push(metric),
    observed: (metric) => observations.filter((one) => one === metric).length,
    log: (level, event, fields = {}) => void lines.push({ level, event, fields }),
    total: (metric, label) =>
      counts
        .filter((one) => one.metric === metric && (label === undefined || one.labels.includes(label)))
        .reduce((sum, { by }) => sum + by, 0),
  };
}

/** A sink that records all calls, and keeps its position as a follower does. */
export interface Collector {
  readonly records: TransportRecord[];
  readonly texts: () => string[];
  readonly losses: string[];
  readonly opened: () => number;
  readonly connection: TransportConnection;
  hint: string | null;
  /** Called with each batch before it is recorded. */
  apply: (batch: readonly TransportRecord[]) => void | Promise<void>;
}

export function collect(transport: Transport, hint: string | null = null): Collector {
  const records: TransportRecord[] = [];
  const losses: string[] = [];
  let opened = 0;
  const collector: Omit<Collector, 'connection'> = {
    records,
    texts: () => records.map(({ jws }) => jws),
    losses,
    opened: () => opened,
    hint,
    apply: () => undefined,
  };
  const connection = transport.open({
    start: () => ({ epoch: '', seq: 0, hint: collector.hint }),
    opened: () => {
      opened += 1;
    },
    lost: (reason) => void losses.push(reason),
    async records(batch) {
      await collector.apply(batch);
      records.push(...batch);
      collector.hint = batch.at(-1)?.hint ?? collector.hint;
    },
  });
  onTestFinished(() => connection.close());
  return Object.assign(collector, { connection });
}
