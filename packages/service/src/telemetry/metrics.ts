import type { Telemetry } from '@rescind/revocation';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { METRICS } from './catalogue.ts';
import type { WriteLine } from './log.ts';

export interface Metrics extends Pick<Telemetry, 'count' | 'gauge' | 'observe'> {
  readonly contentType: string;
  /** The exposition text of Prometheus. */
  text(): Promise<string>;
}

type Labels = Readonly<Record<string, string>>;

/** Metrics made at their first use, by the catalogue's words, and those of the process itself. Measuring never throws. */
export function createMetrics(writeLine: WriteLine): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();

  const complain = (metric: string, error: unknown) =>
    writeLine('error', 'metric_unusable', { metric, why: error instanceof Error ? error.message : 'unknown' });

  const attempt = (metric: string, work: () => void) => {
    try {
      work();
    } catch (error) {
      complain(metric, error);
    }
  };

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    count(metric, labels = {}, by = 1) {
      attempt(metric, () => {
        const counter = held(counters, metric, () => new Counter(described(registry, metric, labels)));
        counter.inc({ ...labels }, by);
      });
    },
    gauge(metric, value, labels = {}) {
      attempt(metric, () => {
        const gauge = held(gauges, metric, () => new Gauge(described(registry, metric, labels)));
        gauge.set({ ...labels }, value);
      });
    },
    observe(metric, value, labels = {}) {
      attempt(metric, () => {
        const histogram = held(histograms, metric, () => {
          const buckets = METRICS[metric]?.buckets;
          const config = described(registry, metric, labels);
          return new Histogram(buckets === undefined ? config : { ...config, buckets: [...buckets] });
        });
        histogram.observe({ ...labels }, value);
      });
    },
  };
}

function held<T>(made: Map<string, T>, metric: string, make: () => T): T {
  const existing = made.get(metric) ?? make();
  made.set(metric, existing);
  return existing;
}

function described(registry: Registry, name: string, labels: Labels) {
  const entry = METRICS[name];
  const labelNames = [...new Set([...(entry?.labels ?? []), ...Object.keys(labels)])];
  return { name, help: entry?.help ?? name.replaceAll('_', ' '), labelNames, registers: [registry] };
}
