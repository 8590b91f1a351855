import type { Telemetry } from '@rescind/revocation';
import type { MetricGroup } from '@rescind/revocation/metrics';
import { createMetricStore } from '@rescind/revocation/metrics';
import type { Metric } from 'prom-client';
import { collectDefaultMetrics, Registry } from 'prom-client';

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

/**
 * Creates the metrics of the catalogue, with those of Node.js and of the process. Those of the given groups are registered at once, with each
 * known label value at 0, so that the first count is an increase; others at their first use. A use that differs from the catalogue is
 * logged once per metric.
 */
export function createMetrics(writeLine: Telemetry['log'], groups: readonly MetricGroup[]): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const collects: (() => void)[] = [];
  const { count, gauge, observe } = createMetricStore({
    groups: ['service', ...groups],
    // prom-client reads the name and the samples of a metric, and nothing else.
    onRegister: (family) => registry.registerMetric(family as unknown as Metric),
    onMisuse: (metric, reason) => writeLine('error', 'metric_unusable', { metric, reason }),
  });

  return {
    contentType: registry.contentType,
    async text() {
      for (const collect of collects) {
        try {
          collect();
        } catch (error) {
          // The other metrics are exposed.
          writeLine('error', 'metrics_not_collected', { error: error instanceof Error ? error.message : 'unknown' });
        }
      }
      return registry.metrics();
    },
    onScrape: (collect) => void collects.push(collect),
    list: async () =>
      (await registry.getMetricsAsJSON()).map(({ name, type, help }) => ({ name, type: String(type), help })),
    count,
    gauge,
    observe,
  };
}
