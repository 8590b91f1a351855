import type { CounterName, GaugeName, HistogramName, MetricLabels } from './metrics/catalogue.ts';

/** How grave: pino's names. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Field values that may be logged. Never a token, a password, a key or an e-mail address. */
export type Fields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/**
 * Where a package reports what it does. Metrics are those of the catalogue (`METRICS`, docs/metrics.md) and no others: a
 * name or a label that is not in it does not compile. A service gives an implementation; without one nothing is kept.
 */
export interface Telemetry {
  /** Adds `by` (default 1) to a counter. */
  count<M extends CounterName>(metric: M, labels?: MetricLabels<M>, by?: number): void;
  /** Sets a gauge. */
  gauge<M extends GaugeName>(metric: M, value: number, labels?: MetricLabels<M>): void;
  /** Adds an observation to a histogram, in base units (seconds, bytes). */
  observe<M extends HistogramName>(metric: M, value: number, labels?: MetricLabels<M>): void;
  /** Writes a line; `event` is a stable word such as `feed_gap`. */
  log(level: LogLevel, event: string, fields?: Fields): void;
}

export const silentTelemetry: Telemetry = {
  count: () => undefined,
  gauge: () => undefined,
  observe: () => undefined,
  log: () => undefined,
};

/** One line of a health answer. `warn` is degraded and still serving; `fail` is not serving. */
export interface HealthCheck {
  readonly name: string;
  readonly status: 'pass' | 'warn' | 'fail';
  readonly [detail: string]: string | number | boolean | null | undefined;
}
