import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
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
  /**
   * Overwrites a part of a file of `size` bytes, durably. It costs one sync of the disk, `write` two, but a power cut may leave a part of
   * the text.
   * @param at offset, in bytes
   * @returns whether there is a file of this size: otherwise nothing is written
   */
  overwrite(name: string, text: string, at: number, size: number): boolean;
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
    overwrite(name, text, at, size) {
      let file: number;
      try {
        file = openSync(join(path, name), 'r+');
      } catch (error) {
        if (isMissing(error)) return false;
        throw error;
      }
      try {
        if (fstatSync(file).size !== size) return false;
        writeSync(file, text, at);
        fdatasyncSync(file);
        return true;
      } finally {
        closeSync(file);
      }
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
