import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { METRICS } from '@rescind/revocation/metrics';
import { describe, expect, test } from 'vitest';
import { RULES_PATH, readAlarms, rulesFile } from '../../alarms/rules.ts';

const DEPLOY = join(import.meta.dirname, '../../../deploy');
const METRIC = /\b(rescind_\w+)(?:\{([^}]*)\})?/g;
/** Prometheus adds the first two at a scrape, and `le` to a histogram. */
const ADDED = ['instance', 'job', 'le'];

/** Metrics and labels of an expression that the catalogue does not have. */
function unknownIn(expression: string): string[] {
  return [...expression.matchAll(METRIC)].flatMap(([, name = '', selectors = '']) => {
    const known = METRICS as Readonly<Record<string, { readonly type: string; readonly labels?: object }>>;
    const base = name.replace(/_(bucket|sum|count)$/, '');
    const entry = known[name] ?? (known[base]?.type === 'histogram' ? known[base] : undefined);
    if (entry === undefined) return [name];
    const labels = [...selectors.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label);
    return labels
      .filter((label) => !ADDED.includes(label) && !Object.hasOwn(entry.labels ?? {}, label))
      .map((label) => `${name}{${label}}`);
  });
}

interface Panel {
  readonly title: string;
  readonly datasource: { readonly uid: string };
  readonly targets: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

const dashboard = JSON.parse(readFileSync(join(DEPLOY, 'grafana/dashboards/rescind.json'), 'utf8')) as {
  readonly panels: readonly Panel[];
};
const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

describe('the alarms', () => {
  test('are in the rules file as docs/operations.md lists them (npm run docs:alarms)', () => {
    expect(readFileSync(RULES_PATH, 'utf8')).toBe(rulesFile(readAlarms()));
  });

  test('use metrics and labels of the catalogue alone', () => {
    expect(readAlarms().flatMap(({ expression }) => unknownIn(expression))).toEqual([]);
  });

  test('that alertmanager.yml mutes exist', () => {
    const names = new Set(readAlarms().map(({ name }) => name));
    const text = readFileSync(join(DEPLOY, 'prometheus/alertmanager.yml'), 'utf8');
    const muted = [...text.matchAll(/alertname=~?"([^"]+)"/g)].flatMap(([, list = '']) => list.split('|'));
    expect(muted.length).toBeGreaterThan(3);
    expect(muted.filter((name) => !names.has(name))).toEqual([]);
  });
});

describe('the dashboard', () => {
  test('uses metrics and labels of the catalogue alone, and each panel has an expression', () => {
    expect(expressions.length).toBeGreaterThan(15);
    expect(expressions.flatMap(unknownIn)).toEqual([]);
    expect(dashboard.panels.filter(({ targets }) => targets.length === 0)).toEqual([]);
  });

  test('takes its data source from a variable, and shows an unknown age as an hour', () => {
    const sources = dashboard.panels.flatMap(({ datasource, targets }) => [
      datasource,
      ...targets.map((target) => target.datasource),
    ]);
    expect(new Set(sources.map(({ uid }) => uid))).toEqual(new Set(['$' + '{datasource}']));
    expect(expressions.filter((one) => one.includes('rescind_view_age_seconds') && !one.includes('clamp_max'))).toEqual(
      [],
    );
  });
});

test('finds a metric and a label that the catalogue does not have', () => {
  expect(unknownIn('rate(rescind_decision_total{result="x"}[5m])')).toEqual(['rescind_decision_total']);
  expect(unknownIn('rescind_decisions_total{outcome="x"}')).toEqual(['rescind_decisions_total{outcome}']);
  expect(unknownIn('rescind_ready_count')).toEqual(['rescind_ready_count']);
});
