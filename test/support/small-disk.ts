import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from './directory.ts';

/** A file system of its own, which can be filled, emptied and made read-only. */
export interface SmallDisk {
  readonly path: string;
  /** Leaves no free byte. */
  fill(): void;
  free(): void;
  /** Fails while a file on it is open for writing. */
  remount(mode: 'ro' | 'rw'): void;
}

/** Whether this process may mount: as root, where the system allows it. */
export const mayMount = tryMount();

/** Whether the size of files can be limited for a running process. */
export const mayLimit = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;

/** Limits the size of the files of a process: further writes fail with EFBIG. Requires no privileges. @param bytes or `unlimited` */
export function limitFileSize(pid: number | undefined, bytes: number | 'unlimited'): void {
  execFileSync('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`]);
}

function tryMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const path = mkdtempSync(join(tmpdir(), 'rescind-mount-'));
  try {
    mount(path, '1m');
    execFileSync('umount', [path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

function mount(path: string, size: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0700`, 'tmpfs', path], { stdio: 'ignore' });
}

/** Mounts a file system in memory; unmounted when the test has finished. Only where `mayMount`. @param size such as `4m` */
export function smallDisk(size: string): SmallDisk {
  const path = temporaryDirectory();
  mount(path, size);
  // Lazily: a service that the test opened may still be closing its files.
  onTestFinished(() => void execFileSync('umount', ['-l', path], { stdio: 'ignore' }));
  const filler = join(path, 'filler');
  return {
    path,
    fill() {
      for (let bytes = 1 << 20; bytes >= 1; bytes >>= 1) {
        try {
          for (;;) writeFileSync(filler, Buffer.alloc(bytes), { flag: 'a' });
        } catch {
          // There is no space for a chunk of this size.
        }
      }
    },
    free: () => rmSync(filler, { force: true }),
    remount: (mode) => void execFileSync('mount', ['-o', `remount,${mode}`, path], { stdio: 'ignore' }),
  };
}
