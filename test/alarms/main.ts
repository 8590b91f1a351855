import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { METRICS } from '@rescind/revocation/metrics';
import { createTelemetry } from '@rescind/service';
import { CASES, series } from './cases.ts';
import { RULES_PATH, RUNBOOK, readAlarms, rulesFile } from './rules.ts';

/*
 * `npm run test:alarms`: checks the alarms of docs/operations.md with Prometheus' own promtool. Each fires when it has to,
 * not before its time, and none fires about a process that does well. With `--write` it writes the rules file instead.
 */
const PROMTOOL = process.env.PROMTOOL ?? 'promtool';
const alarms = readAlarms();
if (process.argv.includes('--write')) {
  writeFileSync(RULES_PATH, rulesFile(alarms));
  process.exit(0);
}
if (spawnSync(PROMTOOL, ['--version']).status !== 0) {
  console.error(`${PROMTOOL} cannot be run. It is part of Prometheus (Debian: the package prometheus). Say where it is by
PROMTOOL=/path/to/promtool npm run test:alarms`);
  process.exit(64);
}

/** The alarm that always fires. */
const WATCHDOG = 'Watchdog';
const STEP_SECONDS = 15;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600 };

const directory = mkdtempSync(join(tmpdir(), 'rescind-alarms-'));
try {
  const names = alarms.map(({ name }) => name);
  if (names.join() !== Object.keys(CASES).join())
    throw new Error(`test/alarms/cases.ts has not one case for each of ${names}`);
  writeFileSync(join(directory, 'rules.yml'), rulesFile(alarms));
  writeFileSync(join(directory, 'tests.json'), JSON.stringify(await tests(names)));
  for (const args of [
    ['check', 'rules', 'rules.yml'],
    ['test', 'rules', 'tests.json'],
  ]) {
    const { status } = spawnSync(PROMTOOL, args, { cwd: directory, stdio: 'inherit' });
    if (status !== 0) process.exitCode = 1;
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

/** The length of a `for`, such as `2m`. */
function secondsOf(holds: string): number {
  const [, count, unit = ''] = /^(\d+)([smh])$/.exec(holds) ?? [];
  return Number(count) * (SECONDS[unit] ?? Number.NaN);
}

/** Unit tests of rules: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/ */
async function tests(names: readonly string[]) {
  const firing = Object.entries(CASES).map(([alertname, { series: input, labels, firesAt }]) => {
    const alarm = alarms.find(({ name }) => name === alertname);
    const { firstLook: summary, severity, holds = '' } = alarm ?? {};
    const exp_labels = { ...labels, severity };
    const early = holds === '' ? [] : [{ eval_time: `${secondsOf(holds) - STEP_SECONDS}s`, alertname, exp_alerts: [] }];
    return {
      name: `${alertname} fires`,
      interval: `${STEP_SECONDS}s`,
      input_series: inputOf(input),
      alert_rule_test: [
        ...early,
        { eval_time: firesAt, alertname, exp_alerts: [{ exp_labels, exp_annotations: { summary, runbook: RUNBOOK } }] },
      ],
    };
  });
  const quiet = {
    name: 'a process that does well fires nothing',
    interval: '15s',
    input_series: inputOf(await healthy()),
    alert_rule_test: ['5m', '2h'].flatMap((eval_time) =>
      names.filter((name) => name !== WATCHDOG).map((alertname) => ({ eval_time, alertname, exp_alerts: [] })),
    ),
  };
  return { rule_files: ['rules.yml'], evaluation_interval: '15s', tests: [...firing, quiet] };
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
