import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Mutant } from './mutants.ts';
import { MUTANTS, openMutatedTree } from './mutants.ts';
import { toMarkdown } from './report.ts';
import type { RunOptions, RunResult } from './run.ts';
import { run } from './run.ts';
import type { Storm } from './schedule.ts';
import { smallerStorms } from './schedule.ts';

const USAGE = `npm run test:chaos -- [--seed N] [--minutes M] [--brokers 1|3] [--instances N] [--report DIRECTORY]
                      [--mutant NAME|all] [--replay FILE [--times N] [--shrink]]
mutants: ${Object.keys(MUTANTS).join(', ')}`;

/** What `--replay` reads. */
interface ReplayFile {
  readonly seed: number;
  readonly brokers: 1 | 3;
  readonly instances: number;
  readonly mutant: string | null;
  readonly storm: Storm;
}

const isRed = ({ safety, liveness }: RunResult) => safety !== 'green' || liveness !== 'green';

function readArguments() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '3' },
      brokers: { type: 'string', default: '1' },
      instances: { type: 'string', default: '4' },
      report: { type: 'string', default: 'build/chaos' },
      mutant: { type: 'string' },
      replay: { type: 'string' },
      times: { type: 'string', default: '5' },
      shrink: { type: 'boolean', default: false },
    },
  });
  const integerOf = (name: 'seed' | 'instances' | 'times', min: number) => {
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
  return {
    setting: { seed: integerOf('seed', 0), brokers, instances: integerOf('instances', 1), minutes },
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

async function runMutant(name: string, options: Omit<RunOptions, 'isOver' | 'log' | 'until'>): Promise<boolean> {
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
  return isNoticed;
}

/** Runs a storm several times: processes are real, so not every run of a failing storm fails. */
async function replay(file: string, times: number, isShrinking: boolean): Promise<boolean> {
  const { storm, mutant, ...setting } = JSON.parse(readFileSync(file, 'utf8')) as ReplayFile;
  const failures = async (one: Storm, count: number, enough: number) => {
    let failed = 0;
    for (let attempt = 0; attempt < count && failed < enough && !isInterrupted; attempt += 1) {
      const options = { ...setting, minutes: 1, storm: one };
      if (isRed(await runWith(options, mutant === null ? undefined : MUTANTS[mutant]))) failed += 1;
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
    pieces = found === undefined ? pieces * 2 : 2;
    present = found ?? present;
    log(`${present.faults.length} faults are left`);
  }
  writeFileSync(`${file}.smaller.json`, JSON.stringify({ ...setting, mutant, storm: present }, null, 2));
  console.log(`${present.faults.length} of ${storm.faults.length} faults suffice: ${file}.smaller.json`);
  return false;
}

async function main(): Promise<boolean> {
  const { setting, report, mutant, replay: file, times, shrink } = readArguments();
  if (file !== undefined) return replay(file, times, shrink);
  if (mutant !== undefined) {
    let areAllNoticed = true;
    for (const name of mutant === 'all' ? Object.keys(MUTANTS) : [mutant]) {
      if (!isInterrupted && !(await runMutant(name, setting))) areAllNoticed = false;
    }
    return areAllNoticed;
  }
  const result = await runWith({ ...setting }, undefined);
  mkdirSync(report, { recursive: true });
  const name = join(report, `seed-${setting.seed}-brokers-${setting.brokers}`);
  writeFileSync(`${name}.json`, JSON.stringify(result, null, 2));
  writeFileSync(`${name}.md`, toMarkdown(result));
  console.log(toMarkdown(result));
  if (result.failingStorm !== undefined) {
    const { seed, brokers, instances } = setting;
    const replayFile = { seed, brokers, instances, mutant: null, storm: result.failingStorm };
    writeFileSync(`${name}.replay.json`, JSON.stringify(replayFile, null, 2));
    console.log(`npm run test:chaos -- --replay ${name}.replay.json`);
  }
  return !isRed(result) && result.uncovered.length === 0;
}

process.once('SIGINT', () => {
  isInterrupted = true;
});
// Not by exitCode: connections to brokers that are gone would keep the process alive.
process.exit((await main()) ? 0 : 1);
