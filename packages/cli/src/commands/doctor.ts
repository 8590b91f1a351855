import { InvalidArgumentError, Option } from 'commander';
import type { Context, Register } from '../context.ts';
import { checkConfiguration, checkDisk } from '../doctor/configuration.ts';
import { readEnvironment } from '../doctor/environment.ts';
import type { Check, Examination, Finding, Group } from '../doctor/finding.ts';
import { GROUPS } from '../doctor/finding.ts';
import { checkIssuer, checkLog, checkServer } from '../doctor/issuer.ts';
import { checkKafka } from '../doctor/kafka.ts';
import { checkClock, checkProcesses, checkVersions } from '../doctor/processes.ts';
import type { Exit } from '../errors.ts';
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

async function examine(context: Context, { only, pre, envFile, service }: DoctorFlags): Promise<readonly Finding[]> {
  const environment = envFile === undefined ? undefined : readEnvironment(envFile);
  const examination: Examination = { context, environment, service };
  const isChosen = (group: Group) =>
    (only === undefined || only.includes(group)) && (pre !== true || BEFORE_START.has(group));
  const found: Finding[] = [];
  // One after the other: a question for a secret is asked once.
  for (const group of GROUPS.filter(isChosen)) found.push(...(await CHECKS[group](examination)));
  return found;
}

const SIGNS = { pass: '✓', warn: '!', fail: '✗' } as const;
const COLORS = { pass: 'green', warn: 'yellow', fail: 'red' } as const;

function write({ output, host }: Context, findings: readonly Finding[], well: boolean): void {
  if (output.isJson || !output.isTerminal) {
    const columns = (['group', 'status', 'code', 'evidence', 'cure'] as const).map((name) => ({
      name,
      cell: (one: Finding) => one[name],
    }));
    output.table({ columns, items: findings }, { well, items: findings });
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
  program
    .command('doctor')
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
        const findings = await examine(context, flags);
        const well = findings.every(({ status }) => status !== 'fail');
        write(context, findings, well);
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
