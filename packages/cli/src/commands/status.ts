import { setTimeout as sleep } from 'node:timers/promises';
import type { Context, Register } from '../context.ts';
import type { Exit } from '../errors.ts';
import type { ProcessReport } from '../management.ts';
import { countVersions, readProcess, troubles } from '../management.ts';
import { withColumns } from '../options.ts';
import type { Column } from '../output.ts';

const WATCH_MS = 2_000;

interface Row {
  readonly url: string;
  readonly service: string | null;
  readonly version: string | null;
  /** `well`, `warned`, `failing`, `not_ready` or `unreachable`. */
  readonly state: string;
  readonly troubles: readonly string[];
}

const COLUMNS: readonly Column<Row>[] = [
  { name: 'service', cell: ({ service }) => service },
  { name: 'version', cell: ({ version }) => version },
  { name: 'state', cell: ({ state }) => state },
  { name: 'troubles', cell: ({ troubles: names }) => names.join(' ') || null },
  { name: 'url', cell: ({ url }) => url },
];

function rowOf(report: ProcessReport): Row {
  const { url, service, version, isReady } = report;
  const found = troubles(report);
  const state = !isReady
    ? 'not_ready'
    : found.some(({ status }) => status === 'fail')
      ? 'failing'
      : found.length > 0
        ? 'warned'
        : 'well';
  return { url, service, version, state, troubles: found.map(({ name, status }) => `${name}:${status}`) };
}

async function readResults({ settings }: Context) {
  const { RESCIND_MANAGEMENT: urls, RESCIND_TIMEOUT: timeoutMs } = settings();
  const results = await Promise.allSettled(urls.map((url) => readProcess(url, timeoutMs)));
  const rows: readonly Row[] = results.map((result, at) =>
    result.status === 'fulfilled'
      ? rowOf(result.value)
      : { url: urls[at] ?? '', service: null, version: null, state: 'unreachable', troubles: [] },
  );
  return {
    rows,
    failures: results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])),
  };
}

const isWell = ({ state }: Row) => state === 'well' || state === 'warned';

async function writeStatus(context: Context): Promise<Exit | undefined> {
  const { rows, failures } = await readResults(context);
  if (failures.length === rows.length) throw failures[0];
  context.output.table({ columns: COLUMNS, items: rows }, { well: rows.every(isWell), items: rows });
  const versions = rows.flatMap(({ version }) => version ?? []);
  if (new Set(versions).size > 1) context.output.note(`versions: ${countVersions(versions)}`);
  return rows.every(isWell) ? undefined : 'not_well';
}

async function watch(context: Context): Promise<Exit | undefined> {
  const { output, interrupted, host } = context;
  let before = '';
  while (!interrupted.aborted) {
    // Also while none answers: whoever watches a restart sees its end.
    const { rows } = await readResults(context);
    const present = JSON.stringify(rows);
    if (output.isTerminal && !output.isJson) host.stdout.write('\u001b[H\u001b[2J');
    if (output.isTerminal || present !== before)
      output.table({ columns: COLUMNS, items: rows }, { well: rows.every(isWell), items: rows });
    before = present;
    await sleep(WATCH_MS, undefined, { signal: interrupted }).catch(() => undefined);
  }
  return 'interrupted';
}

/** `rescind status`. */
export const registerStatus: Register = (program, run) => {
  withColumns(program.command('status'), COLUMNS)
    .description('whether every process of RESCIND_MANAGEMENT is ready and well')
    .option('--watch', 'again every 2 s, until interrupted')
    .action(
      run((context, options: { watch?: boolean }) => (options.watch === true ? watch(context) : writeStatus(context))),
    );
};
