import { chmodSync, closeSync, existsSync, mkdirSync, openSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { ErrorCode } from './errors.ts';
import { RescindError } from './errors.ts';
import type { Telemetry } from './telemetry.ts';

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

/** The part of a better-sqlite3 connection that is used. */
interface WalDatabase {
  readonly name: string;
  readonly open: boolean;
  readonly inTransaction: boolean;
  pragma(source: string, options?: { readonly simple?: boolean }): unknown;
}

/** The options of `createWalLimit`. */
export interface WalLimitOptions {
  /** The only writer of its file, outside a transaction whenever `enforce` is called. */
  readonly database: WalDatabase;
  /** The write-ahead log may have so many bytes; more than what a checkpoint waits for. */
  readonly maxBytes: number;
  /** Set to the size of the write-ahead log in bytes. */
  readonly gauge: 'rescind_database_wal_bytes' | 'rescind_denylist_wal_bytes';
  /** Gets the gauge, and the events `wal_too_large` and `wal_truncated`. */
  readonly telemetry: Telemetry;
}

/**
 * Keeps a write-ahead log within a bound. A reader of another process, such as a backup tool, that holds a snapshot keeps
 * SQLite from starting the log anew (https://sqlite.org/wal.html#avoiding_excessively_large_wal_files); nothing shrinks the
 * file after that until the next write.
 */
export interface WalLimit {
  /**
   * Measures the log, and truncates it when it is beyond the limit. Waits for no lock. To be called every second; costs one
   * `stat` otherwise. Throws nothing.
   */
  enforce(): void;
  /** Its bytes, if it is beyond the bound although truncating was tried. */
  overLimit(): { readonly walBytes: number; readonly walError?: string } | undefined;
}

/**
 * Copies the write-ahead log into the file and truncates it. Waits for no lock.
 * @returns false: a reader of another process is in the way
 * @throws the error of SQLite
 */
export function truncateWal(database: Pick<WalDatabase, 'pragma'>): boolean {
  const waits = Number(database.pragma('busy_timeout', { simple: true }));
  try {
    database.pragma('busy_timeout = 0');
    return database.pragma('wal_checkpoint(TRUNCATE)', { simple: true }) === 0;
  } finally {
    database.pragma(`busy_timeout = ${waits}`);
  }
}

/** Creates the limit of one write-ahead log. */
export function createWalLimit({ database, maxBytes, gauge, telemetry }: WalLimitOptions): WalLimit {
  const path = `${database.name}-wal`;
  let overLimit: { readonly walBytes: number; readonly walError?: string } | undefined;

  /** @returns the code of what SQLite could not do, if it threw; a reader in the way is no error */
  function truncate(): string | undefined {
    try {
      truncateWal(database);
      return undefined;
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    }
  }

  function note(walBytes: number, walError: string | undefined): void {
    const before = overLimit;
    telemetry.gauge(gauge, walBytes);
    overLimit = walBytes > maxBytes ? { walBytes, ...(walError !== undefined && { walError }) } : undefined;
    if (before === undefined && overLimit !== undefined)
      telemetry.log('warn', 'wal_too_large', { path, maxBytes, ...overLimit });
    if (before !== undefined && overLimit === undefined) telemetry.log('info', 'wal_truncated', { path, walBytes });
  }

  return {
    enforce() {
      if (!database.open || database.inTransaction) return;
      const bytes = bytesOf(path);
      if (bytes > maxBytes) {
        const error = truncate();
        note(bytesOf(path), error);
      } else note(bytes, undefined);
    },
    overLimit: () => overLimit,
  };
}

/** 0: there is none, as of a database in memory. */
function bytesOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}

/** Why a file could not be written or read: a word of a bounded set, for labels, health and logs. */
export type StorageFailure = 'full' | 'read_only' | 'io_error' | 'damaged';

/** Error codes of the operating system (errno) and result codes of SQLite (https://sqlite.org/rescode.html), by prefix. */
const CODES: readonly (readonly [prefix: string, failure: StorageFailure])[] = [
  ['SQLITE_FULL', 'full'],
  ['SQLITE_READONLY', 'read_only'],
  ['SQLITE_PERM', 'read_only'],
  ['SQLITE_CORRUPT', 'damaged'],
  ['SQLITE_NOTADB', 'damaged'],
  ['SQLITE_IOERR', 'io_error'],
  ['SQLITE_CANTOPEN', 'io_error'],
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
  ['EFBIG', 'full'],
  ['EROFS', 'read_only'],
  ['EACCES', 'read_only'],
  ['EPERM', 'read_only'],
  ['EIO', 'io_error'],
  ['EMFILE', 'io_error'],
  ['ENFILE', 'io_error'],
];

const RETRY_AFTER_SECONDS = 5;

/** The code of the operating system or of SQLite that an error carries; `undefined`: it is not about storage. */
export function storageCodeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && CODES.some(([prefix]) => code.startsWith(prefix)) ? code : undefined;
}

/** Why a file could not be written or read; `undefined`: the error is not about storage. */
export function storageFailureOf(error: unknown): StorageFailure | undefined {
  const code = storageCodeOf(error);
  return CODES.find(([prefix]) => code?.startsWith(prefix))?.[1];
}

/** The error that callers get instead: 503 with Retry-After. @param detail what was written, and the code */
export function storageUnavailable(cause: unknown, detail = storageCodeOf(cause)): RescindError {
  return new RescindError('storage_unavailable', {
    cause,
    retryAfter: RETRY_AFTER_SECONDS,
    ...(detail === undefined ? {} : { detail }),
  });
}
