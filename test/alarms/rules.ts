import { readFileSync } from 'node:fs';

/** A row of the table of alarms in docs/operations.md. */
export interface Alarm {
  readonly name: string;
  readonly expression: string;
  /** How long the expression holds before the alarm fires, as Prometheus writes it. Empty: at once. */
  readonly holds: string;
  readonly firstLook: string;
}

const ROW = /^\| (\w+) +\| `([^`]+)` +\| (\w*) +\| (.+?) +\|$/;

/** @throws Error when the page has no table of alarms */
export function readAlarms(): readonly Alarm[] {
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
  const [, section = ''] = /^## Alarms\n(.*?)^## /ms.exec(page) ?? [];
  const rows = section.split('\n').filter((line) => line.startsWith('|'));
  const alarms = rows.flatMap((line) => {
    const [, name = '', expression = '', holds = '', firstLook = ''] = ROW.exec(line) ?? [];
    return name === '' ? [] : [{ name, expression, holds, firstLook }];
  });
  // Two rows are the head of the table.
  if (alarms.length === 0 || alarms.length !== rows.length - 2)
    throw new Error('docs/operations.md: no table of alarms');
  return alarms;
}

/** The rules file of Prometheus, as JSON, which is YAML too. */
export function rulesFile(alarms: readonly Alarm[]): string {
  const rules = alarms.map(({ name, expression, holds, firstLook }) => ({
    alert: name,
    expr: expression,
    ...(holds === '' ? {} : { for: holds }),
    annotations: { summary: firstLook },
  }));
  return `${JSON.stringify({ groups: [{ name: 'rescind', rules }] }, null, 2)}\n`;
}
