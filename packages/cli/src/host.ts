import type { Readable, Writable } from 'node:stream';

/** A stream of a terminal, or of a pipe. */
type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** What a command uses of its process: `process` itself, or a test's own. */
export interface CliHost {
  /** The environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Input of a person or of a pipe. */
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(on: boolean): unknown };
  /** For the results of a command. */
  readonly stdout: Output;
  /** For notes, progress and errors. */
  readonly stderr: Output;
  /** Registers a listener for SIGINT, which ends a command with 130. */
  once(signal: 'SIGINT', listener: () => void): unknown;
}
