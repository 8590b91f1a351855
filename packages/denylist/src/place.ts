import { chmodSync, closeSync, existsSync, mkdirSync, openSync, realpathSync, renameSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

/**
 * The one name of a denylist, whichever way leads to it: the lock lies beside it. Makes its directory.
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
function makeDirectory(path: string): void {
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

/** Only a file can be a denylist. SQLite waits for ever for the other end of a pipe. */
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
 * Makes an empty file that only its owner reads, where there is none. A file that is there is not even opened: closing
 * it again would drop the locks this process holds on it (fcntl locks belong to the process, not to the descriptor).
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
 * A file with two names has two write-ahead logs, and neither lock nor SQLite sees that they are of one file.
 * @throws RescindError `denylist_locked`
 */
export function refuseSecondName(path: string): void {
  const file = statSync(path);
  if (file.nlink > 1) {
    throw new RescindError('denylist_locked', { detail: `${path} has ${file.nlink} names (hard links): copy it` });
  }
}

/** Moves a file and its write-ahead log out of the way and says its new name. */
export function setAside(path: string, at: EpochMillis): string {
  const stamp = new Date(at).toISOString().replaceAll(/[-:.]/g, '');
  let name = `${path}.damaged-${stamp}`;
  for (let again = 2; existsSync(name); again++) name = `${path}.damaged-${stamp}-${again}`;
  for (const part of ['-wal', '-shm', '']) {
    if (existsSync(path + part)) renameSync(path + part, name + part);
  }
  return name;
}
