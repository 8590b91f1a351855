import { chmodSync, closeSync, existsSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { ErrorCode } from './errors.ts';
import { RescindError } from './errors.ts';

const OTHERS = 0o077;

/**
 * The one name of a database file, whichever links lead to it: its lock lies beside it. Makes its directory, for its owner
 * only.
 * @throws RescindError `configuration_invalid` for a directory, a device, a pipe or a socket
 */
export function databasePath(path: string): string {
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
    if (!hasCode(error, 'EEXIST')) throw error;
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
 * that is there is not opened: closing it again would drop the locks that this process holds on it (fcntl locks belong
 * to the process, not to the descriptor).
 */
export function createOwnFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

/** Takes a lock file of an earlier version, which others could open and hold, away from them. */
export function restrictToOwner(path: string): void {
  if ((statSync(path).mode & OTHERS) === 0) return;
  try {
    chmodSync(path, 0o600);
  } catch (error) {
    // The file of another user has the mode that user gives it.
    if (!hasCode(error, 'EPERM')) throw error;
  }
}

/**
 * Refuses a file with two names: it has two write-ahead logs and two locks, and neither SQLite nor the locks see that they
 * are of one file.
 * @param code of the error
 * @throws RescindError `code`
 */
export function refuseSecondName(path: string, code: ErrorCode): void {
  const { nlink } = statSync(path);
  if (nlink > 1) throw new RescindError(code, { detail: `${path} has ${nlink} names (hard links): copy it` });
}

const hasCode = (error: unknown, code: string) => error instanceof Error && 'code' in error && error.code === code;
