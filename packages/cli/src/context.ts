import type { Command } from 'commander';
import type { Admin } from './admin.ts';
import type { Exit } from './errors.ts';
import type { CliHost } from './host.ts';
import type { Output } from './output.ts';
import type { Prompt } from './prompt.ts';
import type { Settings } from './settings.ts';

/** What the action of a command works with. The settings are read, and credentials asked for, at the first use. */
export interface Context {
  readonly host: CliHost;
  readonly output: Output;
  readonly prompt: Prompt;
  /** Aborts when the command is interrupted. */
  readonly interrupted: AbortSignal;
  settings(): Settings;
  admin(): Admin;
  /** Milliseconds since 1970. */
  now(): number;
}

/** Runs an action with the context of the process. Its result is the exit code; nothing: 0. */
type Action<A extends unknown[]> = (context: Context, ...args: A) => Promise<Exit | undefined>;

/** Makes what commander calls of an action. */
export type Run = <A extends unknown[]>(action: Action<A>) => (...args: A) => Promise<void>;

/** Adds commands to a program. */
export type Register = (program: Command, run: Run) => void;
