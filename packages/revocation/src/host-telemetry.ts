import type { MetricGroup } from './metrics/catalogue.ts';
import type { MetricStore } from './metrics/store.ts';
import { createMetricStore, METRICS_CONTENT_TYPE } from './metrics/store.ts';
import type { OpenTelemetryApi } from './open-telemetry.ts';
import { openTelemetry, openTelemetryApi } from './open-telemetry.ts';
import type { OptionCheck } from './options/checks.ts';
import { optionError } from './options/checks.ts';
import type { ExposedMetrics } from './probes.ts';
import type { Fields, LogLevel, Telemetry } from './telemetry.ts';
import { standardErrorTelemetry } from './telemetry.ts';

export type { ExposedMetrics, Probe, ProbeResponse } from './probes.ts';
export { createProbe } from './probes.ts';

/** A logger such as that of pino: methods by level, with an object of fields. */
type Logger = { readonly [Level in LogLevel]: (fields: object) => void };

/** A registry of prom-client, such as its `register`. */
interface MetricRegistry {
  readonly contentType: string;
  registerMetric(metric: never): void;
  metrics(): Promise<string>;
}

/** Parts of the option `telemetry`, each optional. */
export interface TelemetryParts {
  /** Default: warnings and errors on standard error. */
  readonly logger?: Logger | undefined;
  /** Default: metrics in memory, for `/metrics`. */
  readonly registry?: MetricRegistry | undefined;
  /** The module `@opentelemetry/api`: steps of revocations become spans. Default: none. */
  readonly openTelemetry?: OpenTelemetryApi | undefined;
}

/**
 * What the option `telemetry` accepts: a logger, a registry, parts by name, or an implementation of `Telemetry`. Without a logger, warnings and errors are
 * written to standard error. Without a registry, metrics are kept in memory for `/metrics`.
 */
export type TelemetryOption = Telemetry | Logger | MetricRegistry | TelemetryParts;

/** What a part of a process reports to. */
export interface HostTelemetry {
  readonly telemetry: Telemetry;
  /** Undefined: the caller's `Telemetry` has the metrics. */
  readonly metrics: ExposedMetrics | undefined;
}

function has(value: unknown, ...methods: readonly string[]): boolean {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false;
  return methods.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === 'function');
}

const isTelemetry = (value: unknown): value is Telemetry => has(value, 'count', 'gauge', 'observe', 'log');
const isLogger = (value: unknown): value is Logger => has(value, 'debug', 'info', 'warn', 'error');
const isRegistry = (value: unknown): value is MetricRegistry => has(value, 'registerMetric', 'metrics');

const EXPECTED =
  'a pino logger, a registry of prom-client, { logger, registry, openTelemetry }, or an object with count, gauge, observe and log';

/** The check of the option `telemetry`. */
export const telemetryOption: OptionCheck<TelemetryOption> = (value, path) => {
  if (isTelemetry(value) || isLogger(value) || isRegistry(value)) return value;
  const pair: Readonly<Record<string, unknown>> = typeof value === 'object' && value !== null ? { ...value } : {};
  const { logger, registry, openTelemetry: api, ...others } = pair;
  const isPair = (logger ?? registry ?? api) !== undefined && Object.keys(others).length === 0;
  if (api !== undefined) openTelemetryApi(api, `${path}.openTelemetry`);
  const isRight = (logger === undefined || isLogger(logger)) && (registry === undefined || isRegistry(registry));
  if (isPair && isRight) return value as TelemetryOption;
  throw optionError(path, EXPECTED, value);
};

/**
 * Returns the telemetry of a part of a process.
 * @param given checked by `telemetryOption`
 * @param group the part, whose metrics are registered at once
 */
export function toHostTelemetry(given: TelemetryOption, group: MetricGroup): HostTelemetry {
  if (isTelemetry(given)) return { telemetry: given, metrics: undefined };
  const { logger, registry, openTelemetry: api } = partsOf(given);
  const log = logger === undefined ? standardErrorTelemetry.log : logBy(logger);
  const store = registry === undefined ? createStore(log) : storeOf(registry, log);
  store.register(group);
  const { count, gauge, observe } = store;
  const metrics =
    registry === undefined
      ? { contentType: METRICS_CONTENT_TYPE, text: store.text }
      : { contentType: registry.contentType, text: () => registry.metrics() };
  const steps = api === undefined ? {} : openTelemetry(api);
  return { telemetry: { log, count, gauge, observe, ...steps }, metrics };
}

function partsOf(given: Exclude<TelemetryOption, Telemetry>): TelemetryParts {
  if (isLogger(given)) return { logger: given };
  return isRegistry(given) ? { registry: given } : given;
}

/** `event` is a field and no message, so that a search by it finds every line. */
function logBy(logger: Logger): Telemetry['log'] {
  return (level: LogLevel, event: string, fields?: Fields) => logger[level]({ event, ...fields });
}

function createStore(log: Telemetry['log'], registry?: MetricRegistry): MetricStore {
  return createMetricStore({
    groups: [],
    onRegister: registry && ((family) => registry.registerMetric(family as never)),
    onMisuse: (metric, reason) => log('error', 'metric_unusable', { metric, reason }),
  });
}

/** The parts of a process share the metrics of a registry, which refuses a second metric of one name. */
const stores = new WeakMap<MetricRegistry, MetricStore>();

function storeOf(registry: MetricRegistry, log: Telemetry['log']): MetricStore {
  const store = stores.get(registry) ?? createStore(log, registry);
  stores.set(registry, store);
  return store;
}
