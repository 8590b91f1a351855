import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Whether system calls of a running process can be made to fail. */
export const canFailDisk =
  process.platform === 'linux' && spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

/** Writes that fail; `stop` ends that, and resolves with how many have failed. */
export interface FailingDisk {
  stop(): Promise<number>;
}

/**
 * Makes writes of a running process to a SQLite file fail, by strace: with ENOSPC (full), or with EROFS (read-only).
 * @param report a file for the report of strace
 */
export async function failDisk(
  pid: number,
  database: string,
  error: 'ENOSPC' | 'EROFS',
  report: string,
): Promise<FailingDisk> {
  const paths = ['', '-wal', '-journal'].flatMap((suffix) => ['-P', database + suffix]);
  const calls = 'pwrite64,ftruncate,fallocate';
  const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:error=${error}`];
  const tracer = spawn('strace', ['-f', '-qq', '-o', report, ...paths, ...inject, '-p', String(pid)], {
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => tracer.once('exit', resolve));
  const end = performance.now() + 3_000;
  while (performance.now() < end && tracer.exitCode === null && !isTraced(pid)) await delay(10);
  return {
    async stop() {
      tracer.kill('SIGINT');
      await ended;
      return existsSync(report) ? readFileSync(report, 'utf8').split('(INJECTED)').length - 1 : 0;
    },
  };
}

function isTraced(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks).every((task) => {
      const status = readFileSync(join(tasks, task, 'status'), 'utf8');
      return !/^TracerPid:\s0$/m.test(status);
    });
  } catch {
    // The process has ended.
    return false;
  }
}
