import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { RescindError } from '@rescind/revocation';
import { makeDirectory } from '@rescind/revocation/storage';

/** A directory that only its owner can read, of small files that are written atomically. */
export interface PrivateDirectory {
  names(): string[];
  read(name: string): string | undefined;
  /** Durable, and either the old content or the new, whenever the process or the machine ends. */
  write(name: string, text: string): void;
  remove(name: string): void;
}

const OTHERS = 0o077;
const TEMPORARY = '.tmp';
/** Windows has no such bits; its directories are guarded by inheritance. */
const HAS_MODES = process.platform !== 'win32';

/** @throws RescindError `configuration_invalid` when other users may read or write it, or it is no directory */
export function openPrivateDirectory(path: string): PrivateDirectory {
  if (!existsSync(path)) {
    makeDirectory(path);
    chmodSync(path, 0o700);
  }
  if (!statSync(path).isDirectory()) {
    throw new RescindError('configuration_invalid', { detail: `${path} is a file: give the path of a directory` });
  }
  requirePrivate(path, '700');
  const names = () => readdirSync(path).filter((name) => !name.endsWith(TEMPORARY));
  for (const name of readdirSync(path)) if (name.endsWith(TEMPORARY)) rmSync(join(path, name));
  for (const name of names()) if (name.endsWith('.pem')) requirePrivate(join(path, name), '600');

  return {
    names,
    read(name) {
      try {
        return readFileSync(join(path, name), 'utf8');
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    write(name, text) {
      const temporary = join(path, `${name}.${randomBytes(4).toString('hex')}${TEMPORARY}`);
      try {
        writeDurably(temporary, text);
        renameSync(temporary, join(path, name));
      } catch (error) {
        rmSync(temporary, { force: true });
        throw error;
      }
      syncDirectory(path);
    },
    remove(name) {
      rmSync(join(path, name), { force: true });
      syncDirectory(path);
    },
  };
}

function requirePrivate(path: string, wanted: string): void {
  if (!HAS_MODES) return;
  const mode = statSync(path).mode & 0o777;
  if ((mode & OTHERS) === 0) return;
  throw new RescindError('configuration_invalid', {
    detail: `${path} is open to others (mode ${mode.toString(8)}): it holds private keys, so run chmod ${wanted} on it`,
  });
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncDirectory(path: string): void {
  // Windows cannot open a directory; its renames are journalled.
  if (!HAS_MODES) return;
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
