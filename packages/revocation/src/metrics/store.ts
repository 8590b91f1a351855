import type { Telemetry } from '../telemetry.ts';
import type { MetricGroup } from './catalogue.ts';
import { METRIC_GROUPS, METRICS } from './catalogue.ts';
import type { MetricEntry } from './entry.ts';

type Labels = Readonly<Record<string, string>>;

/** One line of the exposition. */
interface Sample {
  /** Default: the name of the metric. */
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A metric with its samples, in the form that `Registry.registerMetric` of prom-client takes. */
export interface MetricFamily {
  /** prom-client changes it for OpenMetrics. */
  name: string;
  /** `help` of its `MetricEntry`. */
  readonly help: string;
  /** `type` of its `MetricEntry`. */
  readonly type: MetricEntry['type'];
  /** How a cluster of Node.js processes combines the samples. */
  readonly aggregator: 'sum';
  /** The samples as they are now. */
  get(): Pick<MetricFamily, 'name' | 'help' | 'type' | 'aggregator'> & { readonly values: Sample[] };
  /** Sets every sample to 0. */
  reset(): void;
}

/** The metrics of a process, in memory. */
export interface MetricStore extends Pick<Telemetry, 'count' | 'gauge' | 'observe'> {
  /** Registers the metrics of a group, with every combination of known label values at 0. */
  register(group: MetricGroup): void;
  /** The exposition text of Prometheus, version 0.0.4. */
  text(): string;
}

export interface MetricStoreOptions {
  /** Groups that are registered at once; other metrics at their first use. */
  readonly groups: readonly MetricGroup[];
  /** Called with each metric when it is registered. Default: none. */
  readonly onRegister?: ((family: MetricFamily) => void) | undefined;
  /** Called once for each metric whose use differs from the catalogue. Default: none. */
  readonly onMisuse?: ((metric: string, reason: string) => void) | undefined;
}

/** The media type of `text()`. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const CATALOGUE: Readonly<Record<string, MetricEntry>> = METRICS;

interface RegisteredMetric {
  readonly entry: MetricEntry;
  readonly labelNames: readonly string[];
  readonly family: MetricFamily;
  /** Adds to a counter, sets a gauge, adds an observation. @throws TypeError for a number that the type does not permit */
  use(labels: Labels, value: number): void;
}

/**
 * Creates the metrics of the catalogue. Using them never throws: a use that differs from the catalogue is counted in
 * `rescind_metric_errors_total`, and reported once per metric.
 */
export function createMetricStore({ groups, onRegister, onMisuse }: MetricStoreOptions): MetricStore {
  const registered = new Map<string, RegisteredMetric>();
  const reported = new Set<string>();

  function registeredMetric(name: string): RegisteredMetric | undefined {
    const known = registered.get(name);
    const entry = Object.hasOwn(CATALOGUE, name) ? CATALOGUE[name] : undefined;
    if (known !== undefined || entry === undefined) return known;
    const created = createMetric(name, entry);
    registered.set(name, created);
    onRegister?.(created.family);
    return created;
  }
  function register(group: MetricGroup): void {
    for (const name of Object.keys(METRIC_GROUPS[group])) registeredMetric(name);
  }
  groups.forEach(register);

  function report(name: string, reason: string): void {
    registeredMetric('rescind_metric_errors_total')?.use({}, 1);
    if (reported.has(name)) return;
    reported.add(name);
    onMisuse?.(name, reason);
  }

  function use(name: string, type: MetricEntry['type'], labels: Labels, value: number): void {
    try {
      const metric = registeredMetric(name);
      const mistake = metric === undefined ? 'it is not in the catalogue' : mistakeIn(metric, type, labels);
      if (metric === undefined || mistake !== undefined) {
        report(name, mistake ?? '');
        return;
      }
      metric.use(labels, value);
      const unknown = unknownValue(metric.entry, labels);
      // It is counted nevertheless: the catalogue lacks the value.
      if (unknown !== undefined) report(name, `the catalogue has no ${unknown}`);
    } catch (error) {
      report(name, error instanceof Error ? error.message : 'unknown');
    }
  }

  return {
    count: (metric, labels, by = 1) => use(metric, 'counter', labels ?? NO_LABELS, by),
    gauge: (metric, value, labels) => use(metric, 'gauge', labels ?? NO_LABELS, value),
    observe: (metric, value, labels) => use(metric, 'histogram', labels ?? NO_LABELS, value),
    register,
    text: () => `${[...registered.values()].map(({ family }) => textOf(family)).join('\n\n')}\n`,
  };
}

const NO_LABELS: Labels = Object.freeze({});

function mistakeIn({ entry, labelNames }: RegisteredMetric, type: MetricEntry['type'], labels: Labels) {
  if (entry.type !== type) return `it is a ${entry.type}`;
  const names = Object.keys(labels);
  const isSame = labelNames.length === names.length && labelNames.every((label) => Object.hasOwn(labels, label));
  return isSame ? undefined : `its labels are ${labelNames.join(', ') || 'none'}`;
}

function unknownValue({ labels: known = {} }: MetricEntry, labels: Labels): string | undefined {
  for (const label in labels) {
    const values = known[label];
    if (typeof values === 'object' && !values.includes(labels[label] ?? '')) return `${label}="${labels[label]}"`;
  }
  return undefined;
}

/** The values of a series: one number, or those of a histogram. */
interface Series {
  readonly labels: Labels;
  value: number;
  /** Of a histogram: the number of observations in each bucket, the last one without a bound. */
  readonly buckets: number[];
  observations: number;
}

function createMetric(name: string, entry: MetricEntry): RegisteredMetric {
  const { type, help, initial, buckets: bounds = [] } = entry;
  const labelNames = Object.keys(entry.labels ?? {});
  const all = new Map<string, Series>();

  function series(labels: Labels): Series {
    const key = labelNames.length === 0 ? '' : labelNames.map((label) => labels[label]).join('\u0000');
    const known = all.get(key);
    if (known !== undefined) return known;
    const buckets = type === 'histogram' ? Array<number>(bounds.length + 1).fill(0) : [];
    const created = { labels: { ...labels }, value: 0, buckets, observations: 0 };
    all.set(key, created);
    return created;
  }

  // A gauge without an initial value is exposed from its first value on.
  if (type !== 'gauge' || initial !== undefined) {
    for (const labels of knownLabels(entry)) series(labels).value = initial ?? 0;
  }

  const family: MetricFamily = {
    name,
    help,
    type,
    aggregator: 'sum',
    get: () => ({ ...family, values: [...all.values()].flatMap((one) => samplesOf(family, one, bounds)) }),
    reset() {
      for (const one of all.values()) {
        one.value = 0;
        one.observations = 0;
        one.buckets.fill(0);
      }
    },
  };
  return {
    entry,
    labelNames,
    family,
    use(labels, value) {
      if (typeof value !== 'number' || (type !== 'gauge' && !Number.isFinite(value))) {
        throw new TypeError(`its value is ${value}, which is no number`);
      }
      if (type === 'counter' && value < 0) throw new TypeError('a counter does not decrease');
      const one = series(labels);
      one.value = type === 'gauge' ? value : one.value + value;
      if (type !== 'histogram') return;
      const bucket = bounds.findIndex((bound) => value <= bound);
      const at = bucket === -1 ? bounds.length : bucket;
      one.buckets[at] = (one.buckets[at] ?? 0) + 1;
      one.observations += 1;
    },
  };
}

/** All combinations of the known values of its labels; none if the values of a label are not known in advance. */
function knownLabels({ labels = {} }: MetricEntry): Labels[] {
  return Object.entries(labels).reduce<Labels[]>(
    (combinations, [label, values]) =>
      typeof values === 'string'
        ? []
        : combinations.flatMap((one) => values.map((value) => ({ ...one, [label]: value }))),
    [{}],
  );
}

function samplesOf({ name, type }: MetricFamily, series: Series, bounds: readonly number[]): Sample[] {
  const { labels, value, buckets, observations } = series;
  if (type !== 'histogram') return [{ labels, value }];
  let below = 0;
  const counts = [...bounds, '+Inf'].map((le, at) => {
    below += buckets[at] ?? 0;
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: below };
  });
  return [
    ...counts,
    { metricName: `${name}_sum`, labels, value },
    { metricName: `${name}_count`, labels, value: observations },
  ];
}

function textOf(family: MetricFamily): string {
  const { name, help, type, values } = family.get();
  const lines = values.map(({ metricName = name, labels, value }) => {
    const pairs = Object.entries(labels).map(
      ([label, text]) => `${label}="${escaped(String(text)).replaceAll('"', '\\"')}"`,
    );
    return `${metricName}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}`;
  });
  return [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`, ...lines].join('\n');
}

const escaped = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
