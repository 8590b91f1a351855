import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Cleans up when this process ends in whatever way, SIGKILL included. */
export interface Watchdog {
  /** Shell words that clean up, in place of those set before. */
  set(command: string): void;
  /** Cleans up now, by the command last set. */
  close(): Promise<void>;
}

/** Reads commands line by line; at the end of its input, which comes with the end of the parent, runs the last one. */
const SCRIPT = 'command=; while IFS= read -r line; do command=$line; done; eval "$command"';

export function openWatchdog(): Watchdog {
  // A session of its own: Ctrl-C in the terminal is for the parent.
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

/** A word for a POSIX shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
