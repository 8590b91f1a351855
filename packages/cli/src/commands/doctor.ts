import { InvalidArgumentError, Option } from 'commander';
import type { Context, Register } from '../context.ts';
import { checkConfiguration, checkDisk } from '../doctor/configuration.ts';
import { readEnvironment } from '../doctor/environment.ts';
import type { Check, Examination, Finding, Group } from '../doctor/finding.ts';
import { columnsOfFindings, GROUPS } from '../doctor/finding.ts';
import { checkIssuer, checkLog, checkServer } from '../doctor/issuer.ts';
import { checkKafka } from '../doctor/kafka.ts';
import { checkClock, checkProcesses, checkVersions } from '../doctor/processes.ts';
import type { Exit } from '../errors.ts';
import { usage } from '../errors.ts';
import { withColumns } from '../options.ts';
import { SERVICES } from '../service-process.ts';
import { visible } from '../text.ts';

const CHECKS: Readonly<Record<Group, Check>> = {
  configuration: checkConfiguration,
  processes: checkProcesses,
  server: checkServer,
  issuer: checkIssuer,
  log: checkLog,
  kafka: checkKafka,
  disk: checkDisk,
  clock: checkClock,
  versions: checkVersions,
};

/** With `--pre`: what can be known before the service runs. */
const BEFORE_START: ReadonlySet<Group> = new Set(['configuration', 'issuer', 'log', 'kafka', 'disk']);

interface DoctorFlags {
  readonly only?: readonly Group[];
  readonly pre?: boolean;
  readonly envFile?: string;
  readonly service: string;
}

/** What a group requires that is not there by default. */
const NEEDS: Readonly<Partial<Record<Group, string>>> = {
  configuration: '--env-file',
  issuer: 'RESCIND_ISSUER',
  log: 'RESCIND_ISSUER and RESCIND_FEED_CLIENT_ID with its secret',
  kafka: 'KAFKA_BROKERS',
  disk: '--env-file with the paths of its files',
};

interface Skipped {
  readonly group: Group;
  readonly needs: string;
}

interface Report {
  readonly findings: readonly Finding[];
  /** Groups that had nothing to look at. */
  readonly skipped: readonly Skipped[];
}

const describeSkipped = (skipped: readonly Skipped[]) =>
  skipped.map(({ group, needs }) => `${group} (requires ${needs})`).join(', ');

/** @throws CliError if there is nothing to examine: that would look as if all were well */
async function examine(context: Context, { only, pre, envFile, service }: DoctorFlags): Promise<Report> {
  const environment = envFile === undefined ? undefined : readEnvironment(envFile);
  const examination: Examination = { context, environment, service };
  const isChosen = (group: Group) =>
    (only === undefined || only.includes(group)) && (pre !== true || BEFORE_START.has(group));
  const findings: Finding[] = [];
  const skipped: Skipped[] = [];
  // One after the other: a question for a secret is asked once.
  for (const group of GROUPS.filter(isChosen)) {
    const found = await CHECKS[group](examination);
    findings.push(...found);
    const needs = NEEDS[group];
    if (found.length === 0 && needs !== undefined) skipped.push({ group, needs });
  }
  if (findings.length === 0) throw usage(`Nothing was examined: ${describeSkipped(skipped)}`);
  return { findings, skipped };
}

const SIGNS = { pass: '✓', warn: '!', fail: '✗' } as const;
const COLORS = { pass: 'green', warn: 'yellow', fail: 'red' } as const;

const COLUMNS = columnsOfFindings('group', 'status', 'code', 'evidence', 'cure');

function write({ output, host }: Context, { findings, skipped }: Report, well: boolean): void {
  if (skipped.length > 0 && !output.isJson) output.note(`# not examined: ${describeSkipped(skipped)}`);
  if (output.isJson || output.isSelective || !output.isTerminal) {
    output.table({ columns: COLUMNS, items: findings }, { well, items: findings, skipped });
    return;
  }
  for (const group of GROUPS) {
    const own = findings.filter((one) => one.group === group);
    if (own.length > 0) host.stdout.write(`${group}\n`);
    for (const { code, status, evidence, cure } of own) {
      host.stdout.write(`  ${output.colored(SIGNS[status], COLORS[status])} ${visible(`${code}: ${evidence}`)}\n`);
      if (cure !== undefined) host.stdout.write(`      ${visible(cure)}\n`);
    }
  }
}

/** `rescind doctor`. */
export const registerDoctor: Register = (program, run) => {
  const collectGroup = (value: string, before: readonly string[] | undefined) => [...(before ?? []), value];
  withColumns(program.command('doctor'), COLUMNS)
    .description('look at running processes, or at a configuration, and name what is wrong')
    .addOption(
      new Option('--only <group>', 'checks of one group; may be repeated')
        .choices(GROUPS)
        .argParser(withChoices(GROUPS, collectGroup)),
    )
    .option('--pre', 'before the start: configuration, issuer, log, Kafka and disk only')
    .option('--env-file <file>', 'the environment of a service, as lines NAME=value')
    .addOption(new Option('--service <name>', 'the service of --env-file').choices(SERVICES).default('user-management'))
    .action(
      run(async (context, flags: DoctorFlags): Promise<Exit | undefined> => {
        const report = await examine(context, flags);
        const well = report.findings.every(({ status }) => status !== 'fail');
        write(context, report, well);
        return well ? undefined : 'not_well';
      }),
    );
};

/** commander checks choices in the parser that a parser of our own replaces. */
function withChoices<T>(choices: readonly string[], parse: (value: string, before: T) => T) {
  return (value: string, before: T): T => {
    if (choices.includes(value)) return parse(value, before);
    throw new InvalidArgumentError(`must be one of ${choices.join(', ')}`);
  };
}
