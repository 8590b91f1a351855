import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTelemetry } from '@rescind/service';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Names of metrics as they stand in the sources: those that are counted, set and observed. */
function metricsInSources(): string[] {
  const files = ['packages', 'services'].flatMap((kind) =>
    readdirSync(join(root, kind), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.includes('src') && name.endsWith('.ts') && !name.includes('catalogue'))
      .map((name) => join(root, kind, name)),
  );
  const use = /(?:count|gauge|observe)\(\s*'(rescind_\w+)'|metric: '(rescind_\w+)'/g;
  const names = files.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(use)].map(([, a, b]) => a ?? b ?? ''));
  return [...new Set(names)].sort();
}

function start() {
  const lines: string[] = [];
  const made = createTelemetry({ service: 'test', destination: { write: (line) => void lines.push(line) } });
  return { ...made, lines };
}

describe('metrics', () => {
  test('every metric that is used is described', async () => {
    const used = metricsInSources();
    expect(used.length).toBeGreaterThan(20);
    const { telemetry, metrics } = start();
    for (const name of used) {
      if (name.endsWith('_total')) telemetry.count(name);
      else if (name.endsWith('_seconds') && name !== 'rescind_view_age_seconds') telemetry.observe(name, 1);
      else telemetry.gauge(name, 1);
    }
    const text = await metrics.text();
    const undescribed = used.filter((name) => text.includes(`# HELP ${name} ${name.replaceAll('_', ' ')}\n`));
    expect(undescribed, 'to be added to packages/service/src/telemetry/catalogue.ts').toEqual([]);
  });

  test('propagation is looked at from 1 ms to 10 s', async () => {
    const { telemetry, metrics } = start();
    telemetry.observe('rescind_propagation_seconds', 0.004);
    const text = await metrics.text();
    const bounds = [...text.matchAll(/rescind_propagation_seconds_bucket\{le="([^"]+)"/g)].map(([, bound]) => bound);
    expect([bounds[0], bounds.at(-2), bounds.at(-1)]).toEqual(['0.001', '10', '+Inf']);
  });

  test('a metric that nobody described is kept, and a wrong use never throws', async () => {
    const { telemetry, metrics, lines } = start();
    telemetry.count('rescind_new_total', { kind: 'a' }, 2);
    telemetry.count('rescind_new_total', { another: 'label' });
    telemetry.count('rescind_logins_total', {}, -1);
    telemetry.gauge('rescind_new_total', 1);
    expect(await metrics.text()).toContain('rescind_new_total{kind="a"} 2');
    expect(lines.map((line) => JSON.parse(line).event)).toEqual(Array(3).fill('metric_unusable'));
  });
});
