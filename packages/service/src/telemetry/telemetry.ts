import type { LogLevel, MetricGroup, Telemetry } from '@rescind/revocation';
import { METRIC_GROUPS } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { DestinationStream } from 'pino';
import { createLog } from './log.ts';
import type { Metrics } from './metrics.ts';
import { createMetrics } from './metrics.ts';

export interface TelemetryOptions {
  readonly service: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** What the process is, beside a service: those metrics are registered at once. Default: neither. */
  readonly metrics?: readonly MetricGroup[] | undefined;
  /** Where lines go; default standard output. */
  readonly destination?: DestinationStream | undefined;
}

const checkOptions = optionsOf<TelemetryOptions>('createTelemetry', {
  service: required(option.text()),
  level: option.oneOf('debug', 'info', 'warn', 'error'),
  metrics: option.list(option.oneOf(...(Object.keys(METRIC_GROUPS) as MetricGroup[])), { least: 0 }),
  destination: option.having<DestinationStream>('a stream', 'write'),
});

/** The Telemetry of a process: lines by pino, metrics by prom-client. @throws TypeError for an option that is unknown or wrong */
export function createTelemetry(given: TelemetryOptions): { telemetry: Telemetry; metrics: Metrics } {
  const options = checkOptions(given);
  const log = createLog({ level: 'info', ...options });
  const metrics = createMetrics(log, options.metrics ?? []);
  const { count, gauge, observe } = metrics;
  return { telemetry: { log, count, gauge, observe }, metrics };
}
