import type { MetricEntry } from './entry.ts';
import { GUARD_METRICS } from './guard.ts';
import { ISSUER_METRICS } from './issuer.ts';
import { SERVICE_METRICS } from './service.ts';

/** The catalogues by what a process is: a process registers those of its parts at start. */
export const METRIC_GROUPS = { service: SERVICE_METRICS, issuer: ISSUER_METRICS, guard: GUARD_METRICS } as const;

/** A part of a process, which has metrics. */
export type MetricGroup = keyof typeof METRIC_GROUPS;

/** Every metric there is; docs/metrics.md is generated from it. A metric that is not here cannot be used. */
export const METRICS = { ...SERVICE_METRICS, ...ISSUER_METRICS, ...GUARD_METRICS } as const;

type Metrics = typeof METRICS;

type NamesOf<T extends MetricEntry['type']> = {
  [M in keyof Metrics]: Metrics[M] extends { readonly type: T } ? M : never;
}[keyof Metrics];

/** The name of a metric of the catalogue. */
export type MetricName = keyof Metrics;
/** The name of a counter. */
export type CounterName = NamesOf<'counter'>;
/** The name of a gauge. */
export type GaugeName = NamesOf<'gauge'>;
/** The name of a histogram. */
export type HistogramName = NamesOf<'histogram'>;

/** The labels of a metric: exactly those of the catalogue. */
export type MetricLabels<M extends MetricName> = M extends MetricName
  ? Metrics[M] extends { readonly labels: infer L }
    ? { readonly [Label in keyof L]: string }
    : Readonly<Record<string, never>>
  : never;
