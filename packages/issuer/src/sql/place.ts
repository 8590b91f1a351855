import { chmodSync, closeSync, existsSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { RescindError } from '@rescind/revocation';

/**
 * The one name of a database, whichever way leads to it: the lock lies beside it. Makes its directory.
 * @throws RescindError `configuration_invalid` for a directory, a device, a pipe or a socket
 */
export function placeOf(path: string): string {
  const absolute = resolve(path);
  makeDirectory(dirname(absolute));
  refuseOtherKinds(path);
  return existsSync(absolute) ? realpathSync(absolute) : join(realpathSync(dirname(absolute)), basename(absolute));
}

/**
 * Makes a directory for its owner only, and those above it. One by one: below /proc, the `recursive` of Node.js repeats for
 * ever what the operating system answers with ENOENT.
 */
export function makeDirectory(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process was faster.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

/** Only a file can be a database. SQLite waits for ever for the other end of a pipe. */
function refuseOtherKinds(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isFile()) return;
  let kind = 'a device';
  if (found.isDirectory()) kind = 'a directory';
  else if (found.isFIFO()) kind = 'a pipe';
  else if (found.isSocket()) kind = 'a socket';
  throw new RescindError('configuration_invalid', { detail: `${path} is ${kind}: give the path of a file` });
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
