import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './directory.ts';
import { waitFor } from './wait.ts';

/** Whether system calls of a running process can be made to fail. */
export const mayInject = process.platform === 'linux' && spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;

export interface InjectedError {
  /** Only for these files. */
  readonly files: readonly string[];
  /** Default: `pwrite64`, with which SQLite writes. */
  readonly call?: 'pwrite64' | 'pread64' | 'fsync,fdatasync' | 'ftruncate';
  readonly error: 'EIO' | 'ENOSPC' | 'EROFS';
  /** Which of the calls fail, as strace writes it: `3` the third, `3+` all from the third on. */
  readonly when: string;
}

/**
 * Makes system calls of a process fail until `stop` is called, by strace. Resolves when every thread is traced. `stop` resolves
 * with the number of calls that failed.
 */
export async function injectError(
  pid: number | undefined,
  { files, call = 'pwrite64', error, when }: InjectedError,
): Promise<{ stop(): Promise<number> }> {
  const report = join(temporaryDirectory(), 'report');
  const paths = files.flatMap((file) => ['-P', file]);
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:error=${error}:when=${when}`];
  const tracer = spawn('strace', ['-f', '-qq', '-o', report, ...paths, ...inject, '-p', String(pid)]);
  const ended = new Promise((resolve) => tracer.once('exit', resolve));
  const stop = async () => {
    tracer.kill('SIGINT');
    await ended;
    return readFileSync(report, 'utf8').split('(INJECTED)').length - 1;
  };
  onTestFinished(async () => void (await stop()));
  await waitFor('the process is traced', () => isTraced(pid));
  return { stop };
}

function isTraced(pid: number | undefined): boolean {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).every(
    (task) => !/^TracerPid:\s0$/m.test(readFileSync(join(tasks, task, 'status'), 'utf8')),
  );
}

/** Makes the process that has a database open read its pages from the file again, as after a commit of another process. */
export function emptyPageCache(path: string): void {
  const database = new Database(path);
  database.pragma('wal_checkpoint(TRUNCATE)');
  database.pragma(`user_version = ${database.pragma('user_version', { simple: true })}`);
  database.close();
}

/** An ext4 file system of its own that becomes read-only under the processes that use it, as after an error of its disk. */
export interface BreakableDisk {
  readonly path: string;
  /** Every later write fails with EROFS, by processes that have files open too. */
  becomeReadOnly(): void;
  /** Repairs it and mounts it again. No file on it may be open. */
  repair(): void;
}

/** Whether this process may mount an ext4 file system and let it fail. */
export const mayBreak = tryToBreak();

/** Only where `mayBreak`. Unmounted when the test has finished. */
export function breakableDisk(): BreakableDisk {
  const disk = openDisk(temporaryDirectory());
  onTestFinished(disk.close);
  return disk;
}

function openDisk(directory: string): BreakableDisk & { close(): void } {
  const image = join(directory, 'image');
  const path = join(directory, 'mounted');
  const run = (command: string, ...rest: string[]) =>
    execFileSync(command, rest, { stdio: ['ignore', 'pipe', 'ignore'] });
  writeFileSync(image, '');
  truncateSync(image, 32 << 20);
  run('mkfs.ext4', '-q', image);
  run('mkdir', path);
  const mount = () => run('mount', '-o', 'loop,errors=remount-ro', image, path);
  mount();
  return {
    path,
    becomeReadOnly() {
      const device = basename(String(run('findmnt', '-no', 'SOURCE', path)).trim());
      writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, '1');
    },
    repair() {
      run('umount', path);
      // 1: errors were corrected.
      const { status } = spawnSync('e2fsck', ['-fy', image], { stdio: 'ignore' });
      if (status !== 0 && status !== 1) throw new Error(`e2fsck ended with ${status}`);
      mount();
    },
    close: () => void spawnSync('umount', ['-l', path], { stdio: 'ignore' }),
  };
}

function tryToBreak(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const directory = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  try {
    const disk = openDisk(directory);
    try {
      disk.becomeReadOnly();
      return spawnSync('touch', [join(disk.path, 'file')], { stdio: 'ignore' }).status !== 0;
    } finally {
      disk.close();
    }
  } catch {
    return false;
  } finally {
    spawnSync('rm', ['-rf', directory]);
  }
}
