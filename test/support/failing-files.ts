import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename } from 'node:path';

/** The steps of an atomic write, in their order; `fsync_directory` comes after the rename. */
export const WRITE_STEPS = ['open', 'write', 'fsync', 'rename', 'fsync_directory'] as const;
/** The steps of a write in place. */
export const OVERWRITE_STEPS = ['open', 'write', 'fsync'] as const;
export type WriteStep = (typeof WRITE_STEPS)[number];

export interface FailingFiles {
  /** How often the step has failed. */
  failures(): number;
  restore(): void;
}

/**
 * Lets one step of each synchronous write fail with EIO, for target files whose name starts with `name`; a `write` leaves
 * half of the text. With `kill` the process ends by SIGKILL at that step instead. Works in this process alone.
 */
export function failFiles(step: WriteStep, name: string, kill = false): FailingFiles {
  const { openSync, writeFileSync, writeSync, fsyncSync, fdatasyncSync, renameSync } = fs;
  const paths = new Map<number, string>();
  let failures = 0;
  let renamed = false;
  const concerns = (path: string | undefined) => path !== undefined && basename(path).startsWith(name);
  const fail = (): never => {
    failures += 1;
    if (kill) process.kill(process.pid, 'SIGKILL');
    throw Object.assign(new Error(`EIO: i/o error, ${step}`), { code: 'EIO' });
  };
  Object.assign(fs, {
    openSync(path: string, ...rest: [fs.OpenMode?, fs.Mode?]) {
      if (step === 'open' && concerns(path) && rest[0] !== 'r') fail();
      const file = openSync(path, ...(rest as [fs.OpenMode, fs.Mode?]));
      paths.set(file, path);
      return file;
    },
    writeFileSync(file: number | string, text: string, options?: fs.WriteFileOptions) {
      const path = typeof file === 'number' ? paths.get(file) : file;
      if (step === 'open' && typeof file === 'string' && concerns(path)) fail();
      const isHalf = step === 'write' && concerns(path);
      writeFileSync(file, isHalf ? text.slice(0, text.length / 2) : text, options);
      if (isHalf || (step === 'fsync' && typeof file === 'string' && concerns(path))) fail();
    },
    writeSync(file: number, text: string, at: number) {
      const isHalf = step === 'write' && concerns(paths.get(file));
      const written = writeSync(file, isHalf ? text.slice(0, text.trimEnd().length / 2) : text, at);
      return isHalf ? fail() : written;
    },
    fdatasyncSync(file: number) {
      if (step === 'fsync' && concerns(paths.get(file))) fail();
      fdatasyncSync(file);
    },
    fsyncSync(file: number) {
      const path = paths.get(file);
      if (step === 'fsync' && concerns(path)) fail();
      if (step === 'fsync_directory' && renamed && !concerns(path)) fail();
      fsyncSync(file);
    },
    renameSync(from: string, to: string) {
      if (step === 'rename' && concerns(to)) fail();
      renameSync(from, to);
      renamed = concerns(to);
    },
  });
  syncBuiltinESMExports();
  return {
    failures: () => failures,
    restore() {
      Object.assign(fs, { openSync, writeFileSync, writeSync, fsyncSync, fdatasyncSync, renameSync });
      syncBuiltinESMExports();
    },
  };
}
