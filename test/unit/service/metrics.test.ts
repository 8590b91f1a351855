import { readFileSync } from 'node:fs';
import type { Telemetry } from '@rescind/revocation';
import type { MetricEntry } from '@rescind/revocation/metrics';
import { METRIC_GROUPS, METRICS } from '@rescind/revocation/metrics';
import { createTelemetry } from '@rescind/service';
import { describe, expect, test } from 'vitest';
import { metricsPage, metricsPath } from '../../docs/metrics-page.ts';

function start(groups: readonly (keyof typeof METRIC_GROUPS)[] = []) {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const made = createTelemetry({ service: 'test', metrics: groups, destination });
  const seriesOf = async (name: string) =>
    (await made.metrics.text()).split('\n').filter((line) => new RegExp(`^${name}(\\{| )`).test(line));
  return { ...made, lines, seriesOf };
}

/** The same telemetry without its types, as a host in JavaScript can use it. */
interface Untyped {
  count(metric: string, labels?: object, by?: number): void;
  gauge(metric: string, value: number, labels?: object): void;
}

const untyped = (telemetry: Telemetry) => telemetry as unknown as Untyped;

describe('the catalogue', () => {
  test('agrees with docs/metrics.md, with the metrics of Node.js and of the process', async () => {
    expect(readFileSync(metricsPath, 'utf8'), 'run: npm run docs:metrics').toBe(await metricsPage());
  });

  test('has every metric and label value that the alarms of docs/operations.md use', () => {
    const text = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
    const used = [...text.matchAll(/\b(rescind_\w+)(?:\{(\w+)="([^"]+)"\})?/g)];
    expect(used.length).toBeGreaterThan(20);
    for (const [, series = '', label = '', value = ''] of used) {
      const name = series.replace(/_(count|bucket)$/, '');
      const entry: MetricEntry | undefined = METRICS[name as keyof typeof METRICS];
      expect(entry, series).toBeDefined();
      const values = entry?.labels?.[label];
      if (label !== '' && typeof values === 'object') expect(values, `${series}{${label}}`).toContain(value);
    }
  });

  test.each(Object.entries(METRICS))('%s has a name that fits its type and unit', (name, { type, unit }) => {
    expect(name).toMatch(/^rescind_[a-z]+(_[a-z]+)*$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    if (unit === 'seconds' || unit === 'bytes') expect(name).toMatch(new RegExp(`_${unit}$`));
    expect('buckets' in METRICS[name as keyof typeof METRICS]).toBe(type === 'histogram');
  });
});

describe('metrics', () => {
  test('a process exposes all metrics of its parts at its start, counters at 0', async () => {
    const { metrics, lines } = start(['issuer', 'guard']);
    const text = await metrics.text();
    const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
    for (const [name, { type }] of Object.entries(METRICS)) expect([name, types.get(name)]).toEqual([name, type]);
    const counted = [...text.matchAll(/^(rescind_\w+_total)(?:\{.*\})? (\S+)$/gm)];
    expect(new Set(counted.map(([, , value]) => value))).toEqual(new Set(['0']));
    const withoutSeries = Object.entries(METRICS)
      .filter(([name, { type }]) => type === 'counter' && !counted.some(([, counter]) => counter === name))
      .map(([name]) => name);
    expect(withoutSeries, 'only labels that are not known before').toEqual([
      'rescind_connections_refused_total',
      'rescind_http_malformed_total',
      'rescind_http_requests_total',
      'rescind_feed_restarts_total',
    ]);
    expect(lines).toEqual([]);
  });

  test('a process does not expose the metrics of other parts', async () => {
    const { metrics } = start(['issuer']);
    const text = await metrics.text();
    for (const name of Object.keys(METRIC_GROUPS.guard)) expect(text).not.toContain(`# TYPE ${name} `);
  });

  test('every known combination of label values is exposed', async () => {
    const { seriesOf } = start(['guard']);
    expect(await seriesOf('rescind_view_suspect')).toContain('rescind_view_suspect{reason="gap"} 0');
    expect(await seriesOf('rescind_feed_fallback_total')).toContain('rescind_feed_fallback_total{reason="gap"} 0');
    expect(await seriesOf('rescind_decision_seconds_count')).toEqual(['rescind_decision_seconds_count 0']);
  });

  test('a gauge without a value is not exposed, and an unknown age is infinite', async () => {
    const { seriesOf, telemetry } = start(['issuer', 'guard']);
    expect(await seriesOf('rescind_key_age_seconds')).toEqual([]);
    expect(await seriesOf('rescind_kafka_connected')).toEqual([]);
    expect(await seriesOf('rescind_view_age_seconds')).toEqual(['rescind_view_age_seconds +Inf']);
    telemetry.gauge('rescind_kafka_connected', 1);
    expect(await seriesOf('rescind_kafka_connected')).toEqual(['rescind_kafka_connected 1']);
  });

  test('propagation is measured from 1 ms to 10 s', async () => {
    const { telemetry, seriesOf } = start();
    telemetry.observe('rescind_propagation_seconds', 0.004);
    const bounds = (await seriesOf('rescind_propagation_seconds_bucket')).map((line) => /le="([^"]+)"/.exec(line)?.[1]);
    expect([bounds[0], bounds.at(-2), bounds.at(-1)]).toEqual(['0.001', '10', '+Inf']);
  });

  test('a metric outside of the catalogue is not exposed, and a wrong use never throws', async () => {
    const { telemetry, metrics, lines } = start(['issuer']);
    const loose = untyped(telemetry);
    loose.count('rescind_new_total', { kind: 'a' }, 2);
    loose.count('rescind_new_total', { kind: 'a' });
    loose.count('rescind_logins_total', {});
    loose.count('rescind_notices_total', { result: 'arrived', user: 'ada' });
    loose.gauge('rescind_publish_failures_total', 1);
    loose.count('rescind_high_water_failures_total', {}, -1);
    loose.count('__proto__');
    const text = await metrics.text();
    expect(text).not.toContain('rescind_new_total');
    expect(text).toContain('rescind_metric_errors_total 7');
    expect(lines.map((line) => JSON.parse(line)).map(({ event, metric }) => [event, metric])).toEqual([
      ['metric_unusable', 'rescind_new_total'],
      ['metric_unusable', 'rescind_logins_total'],
      ['metric_unusable', 'rescind_notices_total'],
      ['metric_unusable', 'rescind_publish_failures_total'],
      ['metric_unusable', 'rescind_high_water_failures_total'],
      ['metric_unusable', '__proto__'],
    ]);
  });

  test('a label value that the catalogue does not have is counted and reported', async () => {
    const { telemetry, seriesOf, lines } = start(['issuer']);
    telemetry.count('rescind_notices_total', { result: 'lost' });
    expect(await seriesOf('rescind_notices_total')).toContain('rescind_notices_total{result="lost"} 1');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      event: 'metric_unusable',
      reason: expect.stringContaining('lost'),
    });
  });
});

test('a scrape exposes the other metrics when one cannot be computed', async () => {
  const { metrics, seriesOf, lines } = start();
  metrics.onScrape(() => {
    throw new Error('the database is closed');
  });
  expect(await seriesOf('rescind_ready')).toEqual(['rescind_ready 0']);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'metrics_not_collected', level: 'error' });
});
