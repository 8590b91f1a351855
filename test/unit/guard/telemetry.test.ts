import * as api from '@opentelemetry/api';
import type { GuardOptions } from '@rescind/guard';
import { createGuard } from '@rescind/guard';
import { openTestKit } from '@rescind/guard/testing';
import { createMetricStore } from '@rescind/revocation/metrics';
import { pino } from 'pino';
import { Registry } from 'prom-client';
import { describe, expect, onTestFinished, test } from 'vitest';

type TelemetryOption = GuardOptions['telemetry'];

function open(telemetry?: TelemetryOption) {
  const kit = openTestKit({ audience: 'prices', telemetry });
  onTestFinished(() => kit.close());
  return kit;
}

async function metricsOf(guard: { probe: ReturnType<typeof open>['guard']['probe'] }): Promise<string> {
  return (await guard.probe('/metrics'))?.body ?? '';
}

/** A guard of an issuer that cannot be reached, which logs that. */
function openUnreachable(telemetry: TelemetryOption): void {
  const fetch = () => Promise.reject(new TypeError('fetch failed'));
  const options = { issuer: 'https://login.example', audience: 'prices', revocation: 'none' } as const;
  const guard = createGuard({ ...options, fetch, telemetry });
  onTestFinished(() => guard.close());
}

function collectingLogger() {
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line)) });
  return { lines, logger };
}

describe('the option telemetry', () => {
  test('without it, the guard keeps metrics in memory', async () => {
    const { guard, token } = open();
    guard.decide(token());
    guard.decide(token({ aud: 'orders' }));
    const text = await metricsOf(guard);
    expect(text).toContain('rescind_decisions_total{result="accepted"} 1\n');
    expect(text).toContain('rescind_decisions_total{result="token_audience_wrong"} 1\n');
    expect(text).toMatch(/rescind_decision_seconds_bucket\{le="\+Inf"\} 2\n/);
  });

  test('a pino logger gets the lines, and the guard keeps metrics in memory', async () => {
    const { lines, logger } = collectingLogger();
    openUnreachable(logger);
    await expect
      .poll(() => lines, { timeout: 10_000 })
      .toContainEqual(expect.objectContaining({ event: 'metadata_unreachable', level: 40 }));
    expect(await metricsOf(open(logger).guard)).toContain('rescind_view_age_seconds');
  });

  test('a registry of prom-client gets the metrics, and its own stay', async () => {
    const registry = new Registry();
    const { guard, token } = open(registry);
    await guard.ready();
    guard.decide(token());
    guard.decide('rubbish');
    const probe = await guard.probe('/metrics');
    const metrics = await registry.metrics();
    expect(metrics).toContain('rescind_decisions_total{result="token_malformed"} 1\n');
    expect(metrics).toContain('rescind_ready 1\n');
    expect(probe?.body).toBe(metrics);
    const json = (await registry.getMetricsAsJSON()).find(({ name }) => name === 'rescind_decision_seconds');
    expect(json).toMatchObject({
      type: 'histogram',
      values: expect.arrayContaining([expect.objectContaining({ value: 2 })]),
    });
  });

  test('both: { logger, registry }', async () => {
    const { lines, logger } = collectingLogger();
    const registry = new Registry();
    openUnreachable({ logger, registry });
    await expect.poll(() => lines.map(({ event }) => event), { timeout: 10_000 }).toContain('metadata_unreachable');
    await expect
      .poll(() => registry.metrics(), { timeout: 10_000 })
      .toMatch(/rescind_metadata_failures_total\{result="unreachable"\} [1-9]/);
  });

  test('two guards with one registry share its metrics', async () => {
    const registry = new Registry();
    for (const { guard, token } of [open(registry), open(registry)]) guard.decide(token());
    expect(await registry.metrics()).toContain('rescind_decision_seconds_count 2\n');
  });

  test('an implementation of Telemetry has the metrics, and /metrics does not exist', () => {
    const noop = () => undefined;
    const { guard } = open({ count: noop, gauge: noop, observe: noop, log: noop });
    expect(guard.probe('/metrics')).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ['text', 'stderr'],
    ['an empty object', {}],
    ['an unknown member', { logger: console, metrics: new Registry() }],
    ['a logger without methods', { logger: {} }],
    ['a registry without methods', { registry: { metrics: 5 } }],
  ])('refuses %s', (_what, telemetry) => {
    expect(() => open(telemetry as TelemetryOption)).toThrow(/^telemetry must be a pino logger/);
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['true', true],
    ['an empty module', {}],
    ['a tracer in place of the module', { startSpan: () => undefined }],
    ['a module without its root context', { trace: api.trace }],
  ])('refuses %s as openTelemetry, beside a right logger too', (_what, openTelemetry) => {
    const { logger } = collectingLogger();
    for (const telemetry of [{ openTelemetry }, { logger, openTelemetry }]) {
      expect(() => open(telemetry as TelemetryOption)).toThrow(
        /^telemetry\.openTelemetry must be the module @opentelemetry\/api/,
      );
    }
  });
});

test('a metric store exposes label values and help in the escapes of the text format', () => {
  const store = createMetricStore({ groups: [] });
  store.gauge('rescind_health_check', 1, { name: 'a "quoted" \\ name\nof two lines', status: 'pass' });
  store.gauge('rescind_view_age_seconds', Number.POSITIVE_INFINITY);
  const text = store.text();
  expect(text).toContain('rescind_health_check{name="a \\"quoted\\" \\\\ name\\nof two lines",status="pass"} 1\n');
  expect(text).toContain('rescind_view_age_seconds +Inf\n');
});

test('/metrics exposes the other metrics when one cannot be measured, and the guard logs why', async () => {
  const { lines, logger } = collectingLogger();
  const kit = open(logger);
  const { now } = kit.clock;
  kit.guard.decide(kit.token());
  Object.assign(kit.clock, {
    now: () => {
      throw new Error('the clock is gone');
    },
  });
  onTestFinished(() => void Object.assign(kit.clock, { now }));
  expect(await kit.guard.probe('/metrics')).toMatchObject({
    status: 200,
    body: expect.stringContaining('rescind_decisions_total{result="accepted"} 1\n'),
  });
  expect(lines).toContainEqual(
    expect.objectContaining({ event: 'metrics_not_collected', level: 50, error: 'the clock is gone' }),
  );
});
