import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Mutant } from './mutants.ts';
import { MUTANTS, openMutatedTree } from './mutants.ts';
import { toMarkdown } from './report.ts';
import type { RunOptions, RunResult } from './run.ts';
import { run } from './run.ts';
import type { Storm } from './schedule.ts';
import { planStorm, smallerStorms } from './schedule.ts';

const USAGE = `npm run test:chaos -- [--seed N] [--minutes M] [--kills N] [--brokers 1|3] [--instances N] [--report DIRECTORY]
                      [--mutant NAME|all] [--storm N | --replay FILE] [--events N] [--times N] [--shrink]
mutants: ${Object.keys(MUTANTS).join(', ')}`;

/** What `--replay` reads. */
interface ReplayFile {
  readonly seed: number;
  readonly brokers: 1 | 3;
  readonly instances: number;
  readonly mutant: string | null;
  readonly storm: Storm;
  /** How many events the outbox had when the storm began. */
  readonly events?: number | undefined;
}

type Setting = Pick<RunOptions, 'seed' | 'brokers' | 'instances' | 'minutes'>;

const isRed = ({ safety, liveness }: RunResult) => safety !== 'green' || liveness !== 'green';

function readArguments() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '3' },
      kills: { type: 'string' },
      brokers: { type: 'string', default: '1' },
      instances: { type: 'string', default: '4' },
      report: { type: 'string', default: 'build/chaos' },
      mutant: { type: 'string' },
      replay: { type: 'string' },
      storm: { type: 'string' },
      events: { type: 'string' },
      times: { type: 'string', default: '5' },
      shrink: { type: 'boolean', default: false },
    },
  });
  const integerOf = (name: 'seed' | 'instances' | 'times' | 'kills' | 'storm' | 'events', min: number) => {
    const value = Number(values[name]);
    if (!Number.isSafeInteger(value) || value < min)
      throw new TypeError(`--${name} must be a whole number from ${min}`);
    return value;
  };
  const minutes = Number(values.minutes);
  if (!(minutes > 0)) throw new TypeError('--minutes must be a number above 0');
  if (values.brokers !== '1' && values.brokers !== '3') throw new TypeError('--brokers must be 1 or 3');
  if (values.mutant !== undefined && values.mutant !== 'all' && !Object.hasOwn(MUTANTS, values.mutant)) {
    throw new TypeError(`there is no mutant ${values.mutant}\n${USAGE}`);
  }
  const brokers: 1 | 3 = values.brokers === '3' ? 3 : 1;
  const { report, mutant, replay, shrink } = values;
  const given = (name: 'kills' | 'storm' | 'events', min: number) =>
    values[name] === undefined ? undefined : integerOf(name, min);
  if (replay !== undefined && values.storm !== undefined)
    throw new TypeError('--replay and --storm exclude each other');
  return {
    setting: { seed: integerOf('seed', 0), brokers, instances: integerOf('instances', 1), minutes },
    kills: given('kills', 1),
    storm: given('storm', 0),
    events: given('events', 0),
    times: integerOf('times', 1),
    ...{ report, mutant, replay, shrink },
  };
}

let isInterrupted = false;
const log = (line: string) => console.error(`${new Date().toISOString().slice(11, 23)} ${line}`);

async function runWith(options: Omit<RunOptions, 'isOver' | 'log'>, mutant: Mutant | undefined): Promise<RunResult> {
  const tree = mutant && openMutatedTree(mutant);
  try {
    return await run({ ...options, services: tree?.services, isOver: () => isInterrupted, log });
  } finally {
    tree?.close();
  }
}

async function runMutant(name: string, options: Setting, file: string): Promise<boolean> {
  const mutant = MUTANTS[name];
  log(`mutant ${name}: ${mutant?.mistake}`);
  const result = await runWith({ ...options, until: mutant?.invariant }, mutant);
  const killer = result.violations.find(({ invariant }) => invariant === mutant?.invariant) ?? result.violations[0];
  const others = [...new Set(result.violations.map(({ invariant }) => invariant))].filter(
    (one) => one !== killer?.invariant,
  );
  const isNoticed = killer?.invariant === mutant?.invariant;
  const end =
    killer === undefined ? 'survived' : `noticed by ${killer.invariant} in minute ${(killer.at / 60_000).toFixed(1)}`;
  console.log(`| ${name} | ${mutant?.invariant} | ${end} | ${others.join(', ')} | ${options.seed} |`);
  writeFailure(file, options, name, result);
  return isNoticed;
}

interface ReplayOptions {
  readonly times: number;
  readonly isShrinking: boolean;
  /** The file that gets the smaller storm. */
  readonly smaller: string;
}

/** Runs a storm several times: processes are real, so not every run of a failing storm fails. */
async function replay(replayed: ReplayFile, { times, isShrinking, smaller: file }: ReplayOptions): Promise<boolean> {
  const { storm, mutant, ...setting } = replayed;
  const changed = mutant === null ? undefined : MUTANTS[mutant];
  const hasFailed = (result: RunResult) =>
    changed === undefined ? isRed(result) : result.violations.some(({ invariant }) => invariant === changed.invariant);
  const failures = async (one: Storm, count: number, enough: number) => {
    let failed = 0;
    for (let attempt = 0; attempt < count && failed < enough && !isInterrupted; attempt += 1) {
      const result = await runWith({ ...setting, minutes: 1, storm: one, until: changed?.invariant }, changed);
      if (!hasFailed(result)) continue;
      failed += 1;
      writeLogs(file, result);
    }
    return failed;
  };
  if (!isShrinking) {
    const failed = await failures(storm, times, Number.POSITIVE_INFINITY);
    console.log(`${failed} of ${times} replays failed`);
    return failed === 0;
  }
  let present = storm;
  for (let pieces = 2; pieces <= present.faults.length && !isInterrupted; ) {
    let found: Storm | undefined;
    for (const smaller of smallerStorms(present, pieces)) {
      if ((await failures(smaller, times, 1)) > 0) {
        found = smaller;
        break;
      }
    }
    const finer =
      pieces < present.faults.length ? Math.min(pieces * 2, present.faults.length) : Number.POSITIVE_INFINITY;
    pieces = found === undefined ? finer : 2;
    present = found ?? present;
    log(`${present.faults.length} faults are left`);
  }
  writeFileSync(file, JSON.stringify({ ...setting, mutant, storm: present }, null, 2));
  console.log(`${present.faults.length} of ${storm.faults.length} faults suffice: ${file}`);
  return false;
}

/** Writes what a replay of the first failed storm needs, and the log lines of the fleet in it. */
function writeFailure(name: string, { seed, brokers, instances }: Setting, mutant: string | null, result: RunResult) {
  const { failure } = result;
  if (failure === undefined) return;
  const { storm, events } = failure;
  const replayFile = { seed, brokers, instances, mutant, events, storm };
  writeFileSync(`${name}.replay.json`, JSON.stringify(replayFile, null, 2));
  writeLogs(name, result);
  console.log(`npm run test:chaos -- --replay ${name}.replay.json`);
}

function writeLogs(name: string, { failure }: RunResult): void {
  for (const [process, lines] of Object.entries(failure?.logs ?? {})) {
    writeFileSync(`${name}.${process}.log`, `${lines.join('\n')}\n`);
  }
}

async function main(): Promise<boolean> {
  const { setting, report, mutant, replay: file, storm, events, kills, times, shrink } = readArguments();
  mkdirSync(report, { recursive: true });
  const { seed, brokers, instances } = setting;
  const name = join(report, `seed-${seed}-brokers-${brokers}`);
  if (file !== undefined) {
    const replayed = JSON.parse(readFileSync(file, 'utf8')) as ReplayFile;
    return replay(replayed, { times, isShrinking: shrink, smaller: `${file}.smaller.json` });
  }
  if (storm !== undefined) {
    const one = { seed, brokers, instances, mutant: mutant ?? null, events, storm: planStorm(setting, storm) };
    return replay(one, { times, isShrinking: shrink, smaller: `${name}-storm-${storm}.smaller.json` });
  }
  if (mutant !== undefined) {
    let areAllNoticed = true;
    for (const one of mutant === 'all' ? Object.keys(MUTANTS) : [mutant]) {
      if (!isInterrupted && !(await runMutant(one, setting, `${name}-${one}`))) areAllNoticed = false;
    }
    return areAllNoticed;
  }
  const result = await runWith({ ...setting, kills, events }, undefined);
  writeFileSync(`${name}.json`, JSON.stringify(result, null, 2));
  writeFileSync(`${name}.md`, toMarkdown(result));
  console.log(toMarkdown(result));
  writeFailure(name, setting, null, result);
  return !isRed(result) && result.uncovered.length === 0;
}

process.once('SIGINT', () => {
  isInterrupted = true;
});
// Not by exitCode: connections to brokers that are gone would keep the process alive.
process.exit((await main()) ? 0 : 1);
