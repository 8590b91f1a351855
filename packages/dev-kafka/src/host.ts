import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ephemeral ports of Linux (32768 and up). The port of a stopped broker stays free, and a client that connects to it does
 * not connect to itself.
 */
const LOWEST = 20_000;
const HIGHEST = 32_000;
const ATTEMPTS = 1_000;

/** Finds different TCP ports without a listener at 127.0.0.1. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  for (let attempt = 0; found.size < count && attempt < ATTEMPTS; attempt += 1) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (!found.has(port) && (await isFree(port))) found.add(port);
  }
  if (found.size < count) throw new Error(`found no ${count} free ports between ${LOWEST} and ${HIGHEST}`);
  return [...found];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Runs a clean-up command when this process ends, also by SIGKILL. */
export interface Watchdog {
  /** Sets the shell command, which replaces the earlier one. */
  set(command: string): void;
  /** Runs the command now. Resolves when it has ended. */
  close(): Promise<void>;
}

/** Reads commands line by line. Its input ends with the parent process; then it runs the last command. */
const SCRIPT = 'command=; while IFS= read -r line; do command=$line; done; eval "$command"';

export function openWatchdog(): Watchdog {
  // In a session of its own: Ctrl-C in the terminal must not end it.
  const shell = spawn('sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  const ended = once(shell, 'exit');
  shell.unref();
  shell.stdin.on('error', () => undefined);
  (shell.stdin as typeof shell.stdin & { unref?: () => void }).unref?.();
  return {
    set: (command) => void shell.stdin.write(`${command.replaceAll('\n', ' ')}\n`),
    async close() {
      shell.ref();
      shell.stdin.end();
      await ended;
    },
  };
}

/** Quotes a word for a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
