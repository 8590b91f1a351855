import { readFileSync } from 'node:fs';
import { RescindError } from '@rescind/revocation';
import type { Command } from 'commander';
import { CommanderError } from 'commander';
import { createAdmin } from './admin.ts';
import type { Context, Run } from './context.ts';
import type { Exit } from './errors.ts';
import { CliError, EXIT, usage } from './errors.ts';
import type { CliHost } from './host.ts';
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
  const run: Run =
    (action) =>
    async (...args) => {
      exit = (await action(contextOf(host, flagsOf(args), interrupted.signal), ...args)) ?? 'done';
    };
  // Timers of the packages keep no process alive; a command that waits for one does.
  const alive = setInterval(() => undefined, ALIVE_MS);
  try {
    refuseSecrets(args);
    const program = createProgram(run, version());
    for (const command of allCommands(program)) {
      command.exitOverride().configureOutput({
        writeOut: (text) => void host.stdout.write(text),
        // The message is written once, by `report`.
        writeErr: () => undefined,
      });
    }
    const running = program.parseAsync(withIdsLast(args, program), { from: 'user' }).then(() => undefined);
    await Promise.race([running, interruption, outputEnded]);
    return EXIT[ended ?? exit].code;
  } catch (error) {
    return report(error, host, isJson);
  } finally {
    clearInterval(alive);
  }
}

interface WithGlobals {
  optsWithGlobals(): GlobalFlags;
}

/** commander passes the command itself as the last argument. */
function flagsOf(args: readonly unknown[]): GlobalFlags {
  const command = args.at(-1);
  return typeof command === 'object' && command !== null && 'optsWithGlobals' in command
    ? (command as WithGlobals).optsWithGlobals()
    : {};
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

/** Ids are base64url, so one in 64 begins with a hyphen. No option of one hyphen is as long. */
const HYPHEN_ID = /^-[\w][\w-]{6,}$/;

/** The arguments with such ids behind `--`, where none is taken for an option. The value of an option stays where it is. */
function withIdsLast(args: readonly string[], program: Command): string[] {
  if (args.includes('--')) return [...args];
  const options = allCommands(program).flatMap((command) => command.options);
  const hasValue = (argument = '') => options.some(({ long, required }) => required && long === argument);
  const isId = (argument: string, at: number) => HYPHEN_ID.test(argument) && !hasValue(args[at - 1]);
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
