import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Case, Finished, Outcome, Setting } from './case.ts';
import { cases } from './cases/all.ts';
import { machine } from './machine.ts';
import { toJson, toText } from './report.ts';
import { writeResults } from './write.ts';

const USAGE = `npm run bench -- [--quick] [--case P6]… [--json] [--write]
  --quick  a look: smaller, shorter, and no figure to quote
  --case   only these, by their beginning
  --json   prints {cases: […]} alone on standard output
  --write  keeps the results: docs/benchmarks/<date>.json and .svg, and the tables of docs/performance.md`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    case: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
    /** Set when this program starts itself: prepares or runs one case in this process, and prints its outcome. */
    inside: { type: 'string' },
    directory: { type: 'string', default: '' },
    prepare: { type: 'boolean', default: false },
  },
});

const say = (line: string) => void process.stderr.write(`${line}\n`);

/** Pins a command to one core, where the system supports that: moving a process between cores changes its figures. */
function pinned(command: readonly string[]): string[] {
  const core = String(cpus().length - 1);
  const can = spawnSync('taskset', ['-c', core, 'true']).status === 0;
  return can ? ['taskset', '-c', core, ...command] : [...command];
}

/** Runs a case in a process of its own, so that it does not have the heap of another case. */
async function runApart(listed: (typeof cases)[number]): Promise<Finished> {
  const { id } = listed;
  const { quick } = values;
  let what = '';
  const directory = mkdtempSync(join(tmpdir(), 'rescind-bench-'));
  try {
    const one = await listed.load();
    what = one.what;
    say(`${id}: ${what}`);
    if (one.prepare !== undefined) await runInside(one, directory, ['--prepare']);
    return { id, what, quick, ...(JSON.parse(await runInside(one, directory, [])) as Outcome) };
  } catch (error) {
    process.exitCode = 1;
    return { id, what, quick, bars: [], measured: [], settings: {}, failed: String(error) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Runs a case in a process of its own, and returns what that prints. */
async function runInside({ id, pinned: pin = true }: Case, directory: string, more: readonly string[]) {
  const self = fileURLToPath(import.meta.url);
  const quick = values.quick ? ['--quick'] : [];
  const node = [process.execPath, '--expose-gc', self, '--inside', id, '--directory', directory, ...quick, ...more];
  const [command = '', ...rest] = pin ? pinned(node) : node;
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`its process ended with ${code}`);
  return Buffer.concat(chunks).toString();
}

async function inside(id: string): Promise<void> {
  const one = await cases.find((each) => each.id === id)?.load();
  if (one === undefined) throw new Error(`no such case: ${id}`);
  const { quick, directory } = values;
  const setting: Setting = { quick, directory, say: (line) => say(`  ${line}`) };
  if (values.prepare) await one.prepare?.(setting);
  else process.stdout.write(JSON.stringify(await one.run(setting)));
}

async function runAll(): Promise<void> {
  const chosen = cases.filter(({ id }) => values.case.length === 0 || values.case.some((want) => id.startsWith(want)));
  if (chosen.length === 0) throw new Error(`no such case; there are ${cases.map(({ id }) => id).join(', ')}`);
  const { cpu, cores, memoryGiB, system, node } = machine();
  if (!values.json) process.stdout.write(`${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node}\n\n`);
  const finished: Finished[] = [];
  for (const one of chosen) {
    const result = await runApart(one);
    finished.push(result);
    if (!values.json) process.stdout.write(`${toText(result)}\n\n`);
  }
  if (values.json) process.stdout.write(`${JSON.stringify({ cases: finished.map(toJson) }, null, 2)}\n`);
  if (values.write) writeResults(finished, new Date());
}

if (values.help) process.stdout.write(`${USAGE}\n`);
else if (values.inside === undefined) await runAll();
else await inside(values.inside);
