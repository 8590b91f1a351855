import { existsSync, mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { RescindError } from '@rescind/revocation';
import { requireYes } from '../confirm.ts';
import type { Context, Register } from '../context.ts';
import { readEnvironment } from '../doctor/environment.ts';
import type { Exit } from '../errors.ts';
import { CliError, usage } from '../errors.ts';
import { createProgress } from '../progress.ts';
import { findMain, runService } from '../service-process.ts';

interface DatabaseFlags {
  readonly database?: string;
  readonly envFile?: string;
}

/** The database that `--database`, or DATABASE_PATH of `--env-file`, names. */
function databaseOf({ database, envFile }: DatabaseFlags): string {
  const path = database ?? (envFile === undefined ? undefined : readEnvironment(envFile).DATABASE_PATH);
  if (path === undefined)
    throw usage('The database was not named', '--database PATH, or --env-file FILE with DATABASE_PATH');
  return path;
}

async function backup({ output, host, now }: Context, directory: string, flags: DatabaseFlags): Promise<undefined> {
  const source = databaseOf(flags);
  if (!existsSync(source)) throw new CliError('not_found', 'database_missing', `There is no database ${source}`);
  const { backupDatabase } = await import('@rescind/issuer-sqlite');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const time = new Date(now()).toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const file = join(directory, `${basename(source, '.sqlite')}-${time}.sqlite`);
  const progress = createProgress(host, output, 'pages');
  try {
    const facts = await backupDatabase(source, file, progress.to);
    const bytes = statSync(file).size;
    const markProblem = await markBackedUp(source, now());
    output.record(
      {
        file,
        bytes,
        issuer: facts.issuer,
        position: `${facts.epoch}:${facts.headSeq}`,
        'open sessions': facts.openSessions,
        verified: 'every page',
      },
      { file, bytes, ...facts },
    );
    if (markProblem !== undefined)
      output.note(`the metric of the last backup does not change, and the alarm BackupOld will fire: ${markProblem}`);
    output.note('the keys are not in it: keep KEYS_PATH apart (docs/operations.md#backups)');
    return undefined;
  } finally {
    progress.end();
  }
}

/**
 * Sets the time of the last backup, which user-management exposes as a metric.
 * @returns why it could not: the backup is complete nevertheless
 */
async function markBackedUp(database: string, at: number): Promise<string | undefined> {
  const { backupMark } = await import('@rescind/service');
  const mark = backupMark(database);
  try {
    writeFileSync(mark, '', { mode: 0o644 });
    utimesSync(mark, at / 1_000, at / 1_000);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The name of a field of the log, as a person reads it. */
const wordsOf = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

interface RestoreFlags extends DatabaseFlags {
  readonly envFile: string;
  readonly replace?: boolean;
  readonly main?: string;
  readonly yes?: boolean;
}

async function restore(context: Context, file: string, flags: RestoreFlags): Promise<Exit | undefined> {
  const { output, now, host } = context;
  const { replaceDatabase, verifyDatabase } = await import('@rescind/issuer-sqlite');
  const environment = readEnvironment(flags.envFile);
  const path = databaseOf(flags);
  const main = findMain('user-management', flags.main);
  const facts = verifyDatabase(file);
  const exists = existsSync(path);
  if (exists && flags.replace !== true)
    throw new CliError('refused', 'database_exists', `${path} exists; nothing was changed`, {
      next: 'repeat it with --replace: the database is kept beside the restored one',
    });
  await requireYes(
    context,
    `restore ${path} from ${file} (${facts.epoch}:${facts.headSeq}, ${facts.openSessions} open sessions)`,
    flags,
  );
  let replaced: string | undefined;
  try {
    replaced = replaceDatabase(file, path, now());
  } catch (error) {
    if (!(error instanceof RescindError) || error.code !== 'database_locked') throw error;
    throw new CliError('refused', error.code, 'user-management is running; nothing was changed', {
      next: 'stop it, then repeat the command',
    });
  }
  output.note('the database is in its place; user-management reads what is later in the log');
  const { exitCode, lines, rest } = await runService(main, ['restore'], {
    PATH: host.env.PATH ?? '',
    ...environment,
    DATABASE_PATH: path,
  });
  const report = lines.find(({ event }) => event === 'restore_done');
  if (exitCode !== 0 || report === undefined) {
    const reason = lines.findLast(({ level }) => level === 'error') ?? {};
    const message = `The log was not read again: ${reason.message ?? reason.problem ?? rest}`;
    throw new CliError('failed', 'restore_incomplete', message, {
      next: 'user-management refuses writes until `restore` has run: correct the cause, then repeat with --replace',
    });
  }
  const { level: _level, time: _time, service: _service, event: _event, ...done } = report;
  if (done.complete !== true)
    output.note(
      'not every event after the backup could be read: every session has ended, and users log in again',
      'red',
    );
  const values = Object.entries(done).map(([name, value]) => [wordsOf(name), value]);
  output.record(
    { database: path, replaced, ...Object.fromEntries(values) },
    { database: path, replaced, restored: done },
  );
  return undefined;
}

/** `rescind backup` and `rescind restore`. */
export const registerBackup: Register = (program, run) => {
  program
    .command('backup')
    .description('copy and verify the database of user-management, which may be running')
    .argument('<directory>', 'where the file is written, named by the time')
    .option('--database <path>', 'the database (DATABASE_PATH)')
    .option('--env-file <file>', 'the environment of user-management, as lines NAME=value')
    .action(run((context, directory: string, flags: DatabaseFlags) => backup(context, directory, flags)));

  program
    .command('restore')
    .description(
      'put a backup in the place of the database, and open a new epoch of the log; user-management is stopped',
    )
    .argument('<file>', 'a file of `rescind backup`')
    .requiredOption('--env-file <file>', 'the environment of user-management, as lines NAME=value')
    .option('--database <path>', 'the database, if it is not DATABASE_PATH of the environment')
    .option('--replace', 'also where a database exists; it is kept beside')
    .option('--main <path>', 'the main file of user-management, where it is not installed beside this command')
    .option('--yes', 'without a question')
    .action(run((context, file: string, flags: RestoreFlags) => restore(context, file, flags)));
};
