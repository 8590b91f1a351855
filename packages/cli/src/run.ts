import { readFileSync } from 'node:fs';
import { RescindError } from '@rescind/revocation';
import type { Command } from 'commander';
import { CommanderError } from 'commander';
import { createAdmin } from './admin.ts';
import type { Context, Run } from './context.ts';
import type { Exit } from './errors.ts';
import { CliError, EXIT, usage } from './errors.ts';
import type { CliHost } from './host.ts';
import { findCommand, requireColumns } from './options.ts';
import { CONTRACT, createOutput } from './output.ts';
import type { GlobalFlags } from './program.ts';
import { allCommands, createProgram } from './program.ts';
import { createPrompt } from './prompt.ts';
import { readSettings } from './settings.ts';
import { toJsonLine, visibleLines } from './text.ts';

/** A JWS, or the beginning of one: base64url of `{"`. */
const TOKEN = /(^|[=:])eyJ[\w-]{10,}/;
const ALIVE_MS = 60_000;
/** Names that people try; there is no option that takes a secret. */
const SECRET_OPTION = /^--(token|secret|password|operator-secret|client-secret)(=|$)/;

/**
 * Runs one command.
 * @param args the arguments after the name of the program
 * @param host the streams and the environment of the process
 * @returns the exit code, see docs/cli.md
 */
export async function runCli(args: readonly string[], host: CliHost): Promise<number> {
  // Before the options are parsed, so that a wrong option is reported in the requested format too.
  const isJson = args.includes('--json');
  const interrupted = new AbortController();
  let exit: Exit = 'done';
  /** Set by what ended the command before its action did. */
  let ended: Exit | undefined;
  const interruption = new Promise<void>((resolve) => {
    host.once('SIGINT', () => {
      ended = 'interrupted';
      interrupted.abort();
      resolve();
    });
  });
  const outputEnded = new Promise<void>((resolve, reject) => {
    host.stdout.on('error', (error: Error & { readonly code?: string }) => {
      if (error.code !== 'EPIPE') reject(new CliError('failed', 'output_failed', error.message, { cause: error }));
      // A reader that has seen enough, such as `head`, ends the command without an error.
      ended ??= 'done';
      interrupted.abort();
      resolve();
    });
  });
  outputEnded.catch(() => undefined);
  // Without a reader of the remarks the result is written nevertheless.
  host.stderr.on('error', () => undefined);
  const run: Run =
    (action) =>
    async (...args) => {
      // commander passes the command itself as the last argument.
      const command = args.at(-1) as Command;
      const flags = command.optsWithGlobals<GlobalFlags>();
      if (flags.fields !== undefined) requireColumns(command, flags.fields);
      if (flags.stream === true && flags.json !== true) throw usage('--stream requires --json');
      exit = (await action(contextOf(host, flags, interrupted.signal), ...args)) ?? 'done';
    };
  // Timers of the packages keep no process alive; a command that waits for one does.
  const alive = setInterval(() => undefined, ALIVE_MS);
  try {
    refuseSecrets(args);
    refuseEmpty(args);
    const program = createProgram(run, version());
    for (const command of allCommands(program)) {
      command
        .allowExcessArguments()
        .exitOverride()
        .configureOutput({
          writeOut: (text) => void host.stdout.write(text),
          // The message is written once, by `report`.
          writeErr: () => undefined,
        });
    }
    requireKnownCommand(args, program);
    const running = program.parseAsync(withIdsLast(args, program), { from: 'user' }).then(() => undefined);
    await Promise.race([running, interruption, outputEnded]);
    return EXIT[ended ?? exit].code;
  } catch (error) {
    return report(error, host, isJson);
  } finally {
    clearInterval(alive);
  }
}

function contextOf(host: CliHost, flags: GlobalFlags, interrupted: AbortSignal): Context {
  const now = () => Date.now();
  const output = createOutput(host, { json: flags.json === true, stream: flags.stream, fields: flags.fields, now });
  const prompt = createPrompt(host);
  let settings: ReturnType<typeof readSettings> | undefined;
  let admin: ReturnType<typeof createAdmin> | undefined;
  const readOnce = () => {
    settings ??= readSettings(host.env, flags);
    return settings;
  };
  return {
    host,
    output,
    prompt,
    interrupted,
    settings: readOnce,
    admin() {
      admin ??= createAdmin(readOnce(), prompt);
      return admin;
    },
    now,
  };
}

/** Other users of a machine read the arguments of a process; histories and CI logs keep them. Nothing of them is repeated. */
function refuseSecrets(args: readonly string[]): void {
  if (!args.some((argument) => TOKEN.test(argument) || SECRET_OPTION.test(argument))) return;
  throw new CliError(
    'usage',
    'secret_in_arguments',
    'A token or a secret must not be an argument: others can read it there',
    {
      next: 'a file (--token-file, RESCIND_OPERATOR_SECRET_FILE, RESCIND_TOKEN_FILE), standard input (--token-file -), or the environment',
    },
  );
}

/** A shell puts an empty argument where a variable has no value. Nothing has an empty name. */
function refuseEmpty(args: readonly string[]): void {
  const at = args.findIndex((argument) => argument === '' || /^--[\w-]+=$/.test(argument));
  if (at < 0) return;
  const place = args[at] || (at === 0 ? 'the first one' : `the one after ${args[at - 1]}`);
  throw usage(`An argument is empty: ${place}`, 'look for a variable of the shell that has no value');
}

const optionsOf = (program: Command) => allCommands(program).flatMap((command) => command.options);

/** Whether what follows an argument is the value of an option. */
function valuesOf(program: Command): (before: string | undefined) => boolean {
  const options = optionsOf(program);
  return (before) => options.some(({ long, required }) => required && long === before);
}

/** commander would report `sessions shwo ID` as too many arguments, and `sessions shwo --why text` as an unknown option. */
function requireKnownCommand(args: readonly string[], program: Command): void {
  const isValue = valuesOf(program);
  const options = optionsOf(program);
  let command = program;
  for (const [at, word] of args.entries()) {
    // commander reports an option that does not exist.
    const isUnknown = word.startsWith('-') && !options.some(({ long }) => long === word.replace(/=.*/s, ''));
    if (isUnknown || command.commands.length === 0) return;
    if (word.startsWith('-') || isValue(args[at - 1])) continue;
    if (word === 'help') return;
    command = findCommand(command, word);
  }
}

/** Ids are base64url, so one in 64 begins with a hyphen. No option of one hyphen is as long. */
const HYPHEN_ID = /^-[\w][\w-]{6,}$/;

/** The arguments with such ids behind `--`, where none is taken for an option. The value of an option stays where it is. */
function withIdsLast(args: readonly string[], program: Command): string[] {
  if (args.includes('--')) return [...args];
  const isValue = valuesOf(program);
  const isId = (argument: string, at: number) => HYPHEN_ID.test(argument) && !isValue(args[at - 1]);
  const ids = args.filter(isId);
  return ids.length === 0 ? [...args] : [...args.filter((argument, at) => !isId(argument, at)), '--', ...ids];
}

function version(): string {
  return String(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version);
}

/** Writes what went wrong to standard error, as one JSON document or as text. */
function report(thrown: unknown, { stderr }: CliHost, isJson: boolean): number {
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return EXIT.done.code;
  const error = toCliError(thrown);
  const { exit, code, message, next, requestId } = error;
  if (isJson) {
    stderr.write(toJsonLine({ contract: CONTRACT, code, message, next, requestId }));
    return EXIT[exit].code;
  }
  const lines = [
    `rescind: ${message} [${code}]`,
    ...(next === undefined ? [] : [`next: ${next}`]),
    ...(requestId === undefined ? [] : [`request: ${requestId}`]),
  ];
  stderr.write(`${visibleLines(lines.join('\n'))}\n`);
  return EXIT[exit].code;
}

function toCliError(thrown: unknown): CliError {
  if (thrown instanceof CliError) return thrown;
  if (thrown instanceof CommanderError) {
    if (thrown.code === 'commander.help') return usage('A command is required', 'rescind --help');
    const [message = '', suggestion] = thrown.message.replace(/^error: /, '').split('\n');
    return usage(message, suggestion?.replace(/^\(|\)$/g, '') || undefined);
  }
  if (thrown instanceof RescindError) return new CliError('failed', thrown.code, thrown.message, { cause: thrown });
  const message = thrown instanceof Error ? thrown.message : 'an unknown failure';
  return new CliError('failed', 'internal', message, { cause: thrown });
}
