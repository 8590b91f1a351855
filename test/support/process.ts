import { spawn } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { waitFor } from './wait.ts';

/** A line of a service's log. */
interface LogLine {
  readonly event: string;
  readonly level: string;
  readonly [field: string]: unknown;
}

/** A service as a child process. */
export interface ServiceProcess {
  readonly lines: LogLine[];
  /** Its output so far, standard error included. */
  output(): string;
  /** Waits for a line with this event. */
  line(event: string): Promise<LogLine>;
  kill(signal: NodeJS.Signals): void;
  /** Its exit status, when it has ended. */
  readonly exit: Promise<number | null>;
}

/** What a process needs to be found, and to start fast. */
export const inherited = () => ({
  PATH: process.env.PATH ?? '',
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
});

/** Starts `node <file> <arguments>` with this environment alone; killed when the test has finished. */
export function startProcess(
  file: string,
  environment: Record<string, string>,
  parameters: string[] = [],
): ServiceProcess {
  const child = spawn(process.execPath, [file, ...parameters], {
    env: { ...inherited(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const lines: LogLine[] = [];
  let partial = '';
  const take = (chunk: Buffer) => {
    text += chunk;
    const parts = (partial + chunk).split('\n');
    partial = parts.pop() ?? '';
    for (const part of parts) if (part.startsWith('{')) lines.push(JSON.parse(part));
  };
  child.stdout.on('data', take);
  child.stderr.on('data', (chunk) => {
    text += chunk;
  });
  const exit = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return {
    lines,
    output: () => text,
    line: (event) => waitFor(`the line ${event} in ${text}`, () => lines.find((line) => line.event === event), 30_000),
    kill: (signal) => void child.kill(signal),
    exit,
  };
}
