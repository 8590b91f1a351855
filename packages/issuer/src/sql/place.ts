import { chmodSync, closeSync, existsSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { RescindError } from '@rescind/revocation';

/** The one name of a database, whichever way leads to it: the lock lies beside it. Makes its directory. */
export function placeOf(path: string): string {
  const absolute = resolve(path);
  mkdirSync(dirname(absolute), { recursive: true, mode: 0o700 });
  return existsSync(absolute) ? realpathSync(absolute) : join(realpathSync(dirname(absolute)), basename(absolute));
}

/**
 * Makes an empty file for its owner only, where there is none; SQLite gives its -wal and -shm files the same mode. A file
 * that is there is not opened: closing it again would drop the locks that this process may hold on it (fcntl).
 */
export function createOwnFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

/** Takes a lock file of an earlier version, which others could open and hold, away from them. */
export function closeToOthers(path: string): void {
  if ((statSync(path).mode & OTHERS) === 0) return;
  try {
    chmodSync(path, 0o600);
  } catch (error) {
    // The file of another user has the mode that user gives it.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) throw error;
  }
}

const OTHERS = 0o077;

/**
 * A file with two names has two write-ahead logs and two locks, and neither knows of the other.
 * @throws RescindError `database_locked`
 */
export function refuseSecondName(path: string): void {
  const { nlink } = statSync(path);
  if (nlink > 1)
    throw new RescindError('database_locked', { detail: `${path} has ${nlink} names (hard links): copy it` });
}
