import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A row of the table of alarms in docs/operations.md. */
export interface Alarm {
  readonly name: string;
  /** `critical`, `warning`, `info`, or `none` of the watchdog. */
  readonly severity: string;
  readonly expression: string;
  /** How long the expression holds before the alarm fires, as Prometheus writes it. Empty: at once. */
  readonly holds: string;
  readonly firstLook: string;
}

const ROW = /^\| (\w+) +\| (critical|warning|info|none) +\| `([^`]+)` +\| (\w*) +\| (.+?) +\|$/;

/** @throws Error when the page has no table of alarms */
export function readAlarms(): readonly Alarm[] {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [, section = ''] = /^## Alarms\n(.*?)^## /ms.exec(page) ?? [];
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  const alarms = rows.flatMap((line) => {
    const [, name = '', severity = '', expression = '', holds = '', firstLook = ''] = ROW.exec(line) ?? [];
    return name === '' ? [] : [{ name, severity, expression, holds, firstLook }];
  });
  // Two rows are the head of the table.
  if (alarms.length === 0 || alarms.length !== rows.length - 2)
    throw new Error('docs/operations.md: no table of alarms');
  return alarms;
}

/** The file that `npm run docs:alarms` writes. */
export const RULES_PATH = fileURLToPath(new URL('../../deploy/prometheus/rescind.rules.yml', import.meta.url));

/** What each rule refers its reader to. */
export const RUNBOOK = 'docs/operations.md#alarms';

/** In the quotes that the formatter of this repository leaves as they are. */
const quoted = (text: string) => (text.includes('"') && !text.includes("'") ? `'${text}'` : JSON.stringify(text));

/** The rules file of Prometheus. */
export function rulesFile(alarms: readonly Alarm[]): string {
  const rules = alarms.map(({ name, severity, expression, holds, firstLook }) => [
    `      - alert: ${name}`,
    `        expr: ${quoted(expression)}`,
    ...(holds === '' ? [] : [`        for: ${holds}`]),
    `        labels: { severity: ${severity} }`,
    '        annotations:',
    `          summary: ${quoted(firstLook)}`,
    `          runbook: ${RUNBOOK}`,
  ]);
  const head = '# Written by `npm run docs:alarms` from the table of docs/operations.md.';
  return [head, 'groups:', '  - name: rescind', '    rules:', ...rules.flat(), ''].join('\n');
}
