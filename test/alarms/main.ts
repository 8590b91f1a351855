import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { METRICS } from '@rescind/revocation/metrics';
import { createTelemetry } from '@rescind/service';
import { CASES, series } from './cases.ts';
import { readAlarms, rulesFile } from './rules.ts';

/*
 * `npm run test:alarms`: checks the alarms of docs/operations.md with Prometheus' own promtool. Each fires when it has to,
 * and none fires about a process that does well. `npm run -s test:alarms -- --print` prints them as a rules file.
 */
const PROMTOOL = process.env.PROMTOOL ?? 'promtool';
const alarms = readAlarms();
if (process.argv.includes('--print')) {
  process.stdout.write(rulesFile(alarms));
  process.exit(0);
}
if (spawnSync(PROMTOOL, ['--version']).status !== 0) {
  console.error(`${PROMTOOL} cannot be run. It is part of Prometheus (Debian: the package prometheus). Say where it is by
PROMTOOL=/path/to/promtool npm run test:alarms`);
  process.exit(64);
}

const directory = mkdtempSync(join(tmpdir(), 'rescind-alarms-'));
try {
  const names = alarms.map(({ name }) => name);
  if (names.join() !== Object.keys(CASES).join())
    throw new Error(`test/alarms/cases.ts has not one case for each of ${names}`);
  writeFileSync(join(directory, 'rules.json'), rulesFile(alarms));
  writeFileSync(join(directory, 'tests.json'), JSON.stringify(await tests(names)));
  for (const args of [
    ['check', 'rules', 'rules.json'],
    ['test', 'rules', 'tests.json'],
  ]) {
    const { status } = spawnSync(PROMTOOL, args, { cwd: directory, stdio: 'inherit' });
    if (status !== 0) process.exitCode = 1;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** Unit tests of rules: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/ */
async function tests(names: readonly string[]) {
  const firing = Object.entries(CASES).map(([alertname, { series: input, labels, firesAt }]) => {
    const { firstLook: summary } = alarms.find(({ name }) => name === alertname) ?? {};
    return {
      name: `${alertname} fires`,
      interval: '15s',
      input_series: inputOf(input),
      alert_rule_test: [
        { eval_time: firesAt, alertname, exp_alerts: [{ exp_labels: labels, exp_annotations: { summary } }] },
      ],
    };
  });
  const quiet = {
    name: 'a process that does well fires nothing',
    interval: '15s',
    input_series: inputOf(await healthy()),
    alert_rule_test: ['5m', '2h'].flatMap((eval_time) =>
      names.map((alertname) => ({ eval_time, alertname, exp_alerts: [] })),
    ),
  };
  return { rule_files: ['rules.json'], evaluation_interval: '15s', tests: [...firing, quiet] };
}

function inputOf(input: Readonly<Record<string, string>>) {
  return Object.entries(input).map(([name, values]) => ({ series: name, values }));
}

/** Every series of a healthy process, constant from its start: it receives heartbeats and is ready. */
async function healthy(): Promise<Record<string, string>> {
  const { metrics } = createTelemetry({
    service: 'test',
    metrics: ['issuer', 'guard'],
    destination: { write: () => undefined },
  });
  const exposed = (await metrics.text()).split('\n').filter((line) => line.startsWith('rescind_'));
  const known = exposed.map((line) => {
    const [, name = '', labels = '', value = ''] = /^(\w+)(\{.*\})? (\S+)$/.exec(line) ?? [];
    return [`${name}${labels}`, `${value}x6000`] as const;
  });
  if (known.length < Object.keys(METRICS).length) throw new Error('not every metric is exposed');
  const more = {
    [series('rescind_heartbeats_total', { result: 'applied' })]: '0+15x6000',
    [series('rescind_build_info', { service: 'user-management', version: '1' })]: '1x6000',
    [series('rescind_transport_connected', { transport: 'http' })]: '1x6000',
    [series('rescind_key_age_seconds', { purpose: 'token' })]: '100x6000',
    [series('rescind_key_interval_seconds', { purpose: 'token' })]: '100x6000',
    rescind_view_age_seconds: '1x6000',
    rescind_ready: '1x6000',
  };
  return { ...Object.fromEntries(known), ...more };
}
