import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A process of the bench beside the one that measures. It ends when its standard input does. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** The next line it prints. */
  line(): Promise<string>;
  send(line: string): void;
}

/** @param file one of `processes/` @param core where it is pinned to, if anywhere */
export function startChild(file: string, args: readonly string[], core?: number): Child {
  const script = fileURLToPath(new URL(`../processes/${file}`, import.meta.url));
  const node = [process.execPath, script, ...args];
  const [command = '', ...rest] = core === undefined ? node : ['taskset', '-c', String(core), ...node];
  const child: ChildProcess = spawn(command, rest, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  if (child.stdout === null || child.pid === undefined) throw new Error(`${file} did not start`);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    pid: child.pid,
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${file} ended with ${child.exitCode}`);
      return value;
    },
    send: (line) => void child.stdin?.write(`${line}\n`),
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.stdin?.end();
      const late = setTimeout(() => child.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(late);
    },
  };
}
