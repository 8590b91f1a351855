/** How grave: pino's names. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Field values that may be logged. Never a token, a password, a key or an e-mail address. */
export type Fields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/**
 * Where a package says what it does. Names of metrics are Prometheus names; no user in a label. A service gives an
 * implementation; without one nothing is kept.
 */
export interface Telemetry {
  /** Adds `by` (default 1) to a counter whose name ends in `_total`. */
  count(metric: string, labels?: Readonly<Record<string, string>>, by?: number): void;
  /** Sets a gauge. */
  gauge(metric: string, value: number, labels?: Readonly<Record<string, string>>): void;
  /** Adds an observation to a histogram, in base units (seconds, bytes). */
  observe(metric: string, value: number, labels?: Readonly<Record<string, string>>): void;
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
