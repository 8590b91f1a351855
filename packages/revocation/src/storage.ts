import { RescindError } from './errors.ts';

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

/** What kept a file from being written or read; `undefined`: the error is not about storage. */
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
