import type { LogLevel, MetricGroup, Telemetry } from '@rescind/revocation';
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

/** The Telemetry of a process: lines by pino, metrics by prom-client. */
export function createTelemetry(options: TelemetryOptions): { telemetry: Telemetry; metrics: Metrics } {
  const log = createLog({ level: 'info', ...options });
  const metrics = createMetrics(log, options.metrics ?? []);
  const { count, gauge, observe } = metrics;
  return { telemetry: { log, count, gauge, observe }, metrics };
}
