import { AsyncLocalStorage } from 'node:async_hooks';
import type { LogLevel, Telemetry } from '@rescind/revocation';
import type { MetricGroup } from '@rescind/revocation/metrics';
import { METRIC_GROUPS } from '@rescind/revocation/metrics';
import type { OpenTelemetryApi } from '@rescind/revocation/open-telemetry';
import { openTelemetry, openTelemetryApi } from '@rescind/revocation/open-telemetry';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { DestinationStream } from 'pino';
import { destination, pino, stdTimeFunctions } from 'pino';
import type { Metrics } from './metrics.ts';
import { createMetrics } from './metrics.ts';

interface TelemetryOptions {
  readonly service: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Groups of metrics to register at once, beside `service`. Default none. */
  readonly metrics?: readonly MetricGroup[] | undefined;
  /** The stream of log lines. Default: standard output. */
  readonly destination?: DestinationStream | undefined;
  /** The module `@opentelemetry/api`: steps of revocations become spans. Default: none. */
  readonly openTelemetry?: OpenTelemetryApi | undefined;
}

const checkOptions = optionsOf<TelemetryOptions>('createTelemetry', {
  service: required(option.text()),
  level: option.oneOf('debug', 'info', 'warn', 'error'),
  metrics: option.list(option.oneOf(...(Object.keys(METRIC_GROUPS) as MetricGroup[])), { min: 0 }),
  destination: option.having<DestinationStream>('a stream', 'write'),
  openTelemetry: openTelemetryApi,
});

/** Creates the telemetry of a process: log lines by pino, metrics by prom-client. @throws TypeError for an unknown or wrong option */
export function createTelemetry(given: TelemetryOptions): { telemetry: Telemetry; metrics: Metrics } {
  const options = checkOptions(given);
  const log = createLog({ level: 'info', ...options });
  const metrics = createMetrics(log, options.metrics ?? []);
  const { count, gauge, observe } = metrics;
  const steps = options.openTelemetry === undefined ? {} : openTelemetry(options.openTelemetry);
  return { telemetry: { log, count, gauge, observe, ...steps }, metrics };
}

const STANDARD_OUTPUT = 1;

/** Fields whose value is never logged. Fields are flat: their names suffice. */
const SECRET_FIELDS = [
  'access_token',
  'authorization',
  'clientSecret',
  'client_assertion',
  'client_secret',
  'cookie',
  'currentPassword',
  'newPassword',
  'not_me',
  'password',
  'recoveryCode',
  'recoveryCodes',
  'refresh_token',
  'refreshToken',
  'resetToken',
  'reset_token',
  'secret',
  'subject_token',
  'token',
  'totp',
];

/** The running request: its id is in the log lines of all packages. */
const requests = new AsyncLocalStorage<{ readonly requestId: string }>();

/** Runs `work`. All its log lines, also asynchronous ones, have this `requestId`. */
export function withRequestId<T>(requestId: string, work: () => T): T {
  return requests.run({ requestId }, work);
}

/**
 * Creates a log of JSON lines with UTC time, the level's name, the service and, within a request, its id. Line ends within a value are
 * escaped.
 * @param destination default standard output
 */
function createLog(options: {
  readonly service: string;
  readonly level: LogLevel;
  readonly destination?: DestinationStream | undefined;
}): Telemetry['log'] {
  const settings = {
    level: options.level,
    base: { service: options.service },
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // A copy, since pino adds the line's fields to it.
    mixin: () => ({ ...requests.getStore() }),
    redact: { paths: SECRET_FIELDS, censor: '[redacted]' },
  };
  // Synchronous: otherwise lines that are buffered at an exit would be lost.
  const logger = pino(settings, options.destination ?? destination({ dest: STANDARD_OUTPUT, sync: true }));
  return (level, event, fields) => logger[level]({ event, ...fields });
}
