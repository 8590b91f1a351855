import type { HealthCheck, Telemetry } from '@rescind/revocation';
import type { MetricEntry, MetricGroup } from '@rescind/revocation/metrics';
import { METRIC_GROUPS, METRICS } from '@rescind/revocation/metrics';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** A metric as /metrics exposes it. */
interface ExposedMetric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
}

export interface Metrics extends Pick<Telemetry, 'count' | 'gauge' | 'observe'> {
  readonly contentType: string;
  /** The exposition text of Prometheus. */
  text(): Promise<string>;
  /** Calls `collect` before each scrape, to set gauges that are computed on demand. */
  onScrape(collect: () => void): void;
  /** All metrics, with those of Node.js and of the process. */
  list(): Promise<ExposedMetric[]>;
}

type Labels = Readonly<Record<string, string>>;

interface RegisteredMetric {
  readonly entry: MetricEntry;
  readonly collector: Counter | Gauge | Histogram;
}

const CATALOGUE: Readonly<Record<string, MetricEntry>> = METRICS;

/**
 * Creates the metrics of the catalogue. Those of the given groups are registered at once, with each known label value at 0, so that the
 * first count is an increase; others at their first use. It never throws: a use that differs from the catalogue is counted in
 * `rescind_metric_errors_total`, and logged once per metric.
 */
export function createMetrics(writeLine: Telemetry['log'], groups: readonly MetricGroup[]): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registered = new Map<string, RegisteredMetric>();
  const collects: (() => void)[] = [];
  const reported = new Set<string>();

  const registeredMetric = (name: string): RegisteredMetric | undefined => {
    const known = registered.get(name);
    const entry = Object.hasOwn(CATALOGUE, name) ? CATALOGUE[name] : undefined;
    if (known !== undefined || entry === undefined) return known;
    const made = { entry, collector: create(registry, name, entry) };
    registered.set(name, made);
    return made;
  };
  for (const group of ['service', ...groups] as const)
    for (const name of Object.keys(METRIC_GROUPS[group])) registeredMetric(name);

  const report = (metric: string, why: string) => {
    const errors = registeredMetric('rescind_metric_errors_total')?.collector;
    if (errors instanceof Counter) errors.inc();
    if (reported.has(metric)) return;
    reported.add(metric);
    writeLine('error', 'metric_unusable', { metric, why });
  };

  const use = (name: string, type: MetricEntry['type'], labels: Labels, work: (one: RegisteredMetric) => void) => {
    try {
      const one = registeredMetric(name);
      const why = one === undefined ? 'it is not in the catalogue' : mistakeIn(one.entry, type, labels);
      if (one === undefined || why !== undefined) return report(name, why ?? '');
      work(one);
      const unknown = unknownValue(one.entry, labels);
      // It is counted nevertheless: the catalogue lacks the value.
      if (unknown !== undefined) report(name, `the catalogue has no ${unknown}`);
    } catch (error) {
      report(name, error instanceof Error ? error.message : 'unknown');
    }
  };

  return {
    contentType: registry.contentType,
    async text() {
      for (const collect of collects) {
        try {
          collect();
        } catch (error) {
          // The other metrics are exposed.
          writeLine('error', 'metrics_not_collected', { why: error instanceof Error ? error.message : 'unknown' });
        }
      }
      return registry.metrics();
    },
    onScrape: (collect) => void collects.push(collect),
    list: async () =>
      (await registry.getMetricsAsJSON()).map(({ name, type, help }) => ({ name, type: String(type), help })),
    count: (metric, labels, by = 1) =>
      use(metric, 'counter', labels ?? {}, ({ collector }) => (collector as Counter).inc({ ...labels }, by)),
    gauge: (metric, value, labels) =>
      use(metric, 'gauge', labels ?? {}, ({ collector }) => (collector as Gauge).set({ ...labels }, value)),
    observe: (metric, value, labels) =>
      use(metric, 'histogram', labels ?? {}, ({ collector }) => (collector as Histogram).observe({ ...labels }, value)),
  };
}

function create(registry: Registry, name: string, entry: MetricEntry): Counter | Gauge | Histogram {
  const { type, help, initial } = entry;
  const config = { name, help, labelNames: Object.keys(entry.labels ?? {}), registers: [registry] };
  const combinations = knownLabels(entry);
  if (type === 'histogram') {
    const histogram = new Histogram({ ...config, buckets: [...(entry.buckets ?? [])] });
    for (const labels of combinations) histogram.zero(labels);
    return histogram;
  }
  if (type === 'counter') {
    const counter = new Counter(config);
    for (const labels of combinations) counter.inc(labels, 0);
    return counter;
  }
  const gauge = new Gauge(config);
  // prom-client would expose 0 for a gauge without labels that was never set.
  if (initial === undefined && entry.labels === undefined) gauge.remove();
  if (initial !== undefined) for (const labels of combinations) gauge.set(labels, initial);
  return gauge;
}

/** All combinations of the known values of its labels; none when the values of a label are not known in advance. */
function knownLabels({ labels = {} }: MetricEntry): Labels[] {
  return Object.entries(labels).reduce<Labels[]>(
    (combinations, [label, values]) =>
      typeof values === 'string'
        ? []
        : combinations.flatMap((one) => values.map((value) => ({ ...one, [label]: value }))),
    [{}],
  );
}

function mistakeIn(entry: MetricEntry, type: MetricEntry['type'], labels: Labels): string | undefined {
  if (entry.type !== type) return `it is a ${entry.type}`;
  const expected = Object.keys(entry.labels ?? {});
  const given = Object.keys(labels);
  const same = expected.length === given.length && expected.every((label) => Object.hasOwn(labels, label));
  return same ? undefined : `its labels are ${expected.join(', ') || 'none'}`;
}

function unknownValue({ labels: known = {} }: MetricEntry, labels: Labels): string | undefined {
  for (const [label, value] of Object.entries(labels)) {
    const values = known[label];
    if (typeof values === 'object' && !values.includes(value)) return `${label}="${value}"`;
  }
  return undefined;
}

/** The readiness and the checks of a service. */
interface HealthSource {
  ready(): boolean;
  health(): readonly HealthCheck[];
}

const STATUSES = ['pass', 'warn', 'fail'] as const;

/** Returns a function that sets `rescind_ready` and `rescind_health_check`, to be called before each scrape. */
export function createHealthMetrics(telemetry: Telemetry, { ready, health }: HealthSource): () => void {
  const names = new Set<string>();
  return () => {
    telemetry.gauge('rescind_ready', ready() ? 1 : 0);
    const present = new Map(health().map(({ name, status }) => [name, status]));
    for (const name of present.keys()) names.add(name);
    // A check that no longer exists has no status.
    for (const name of names) {
      for (const status of STATUSES) {
        telemetry.gauge('rescind_health_check', present.get(name) === status ? 1 : 0, { name, status });
      }
    }
  };
}
