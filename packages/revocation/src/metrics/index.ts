export type { CounterName, GaugeName, HistogramName, MetricGroup, MetricLabels, MetricName } from './catalogue.ts';
export { METRIC_GROUPS, METRICS } from './catalogue.ts';
export type { KafkaFailure, MetricEntry } from './entry.ts';
export type { HealthSource } from './health.ts';
export { createHealthMetrics, readinessReport } from './health.ts';
export type { MetricFamily, MetricStore } from './store.ts';
export { createMetricStore, METRICS_CONTENT_TYPE } from './store.ts';
