import { statSync } from 'node:fs';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { storageCodeOf, storageFailureOf } from '@rescind/revocation/storage';
import type { Database } from 'better-sqlite3';
import type { Digests } from './digest.ts';
import { inspectAgain } from './inspect.ts';
import { PAGE_BYTES } from './pages.ts';
import type { Changes } from './table.ts';

/** Reads and writes of the file. Each converts errors of SQLite into coded ones, and none trusts a damaged file. */
export interface FileAccess {
  /** @throws RescindError `denylist_unreadable` */
  read<T>(work: () => T): T;
  /**
   * Runs `work` in a transaction, with the digests in it.
   * @throws RescindError `denylist_unwritable`; nothing of the change is in the file then
   */
  write(work: () => Changes): Changes;
  /**
   * Compares the whole file with its digests.
   * @throws RescindError `denylist_unreadable` where they differ
   */
  compare(): void;
  /** To be called every second: compares a file that is not trusted again, with pauses of up to a minute. Throws nothing. */
  retry(): void;
  /** The codes of the last failures; empty after the next success. */
  readonly failure: { readonly read: string; readonly write: string };
}

export interface FileAccessParts {
  readonly database: Database;
  /** A descriptor of the same file, to read its pages. */
  readonly file: number;
  readonly digests: Digests;
  readonly watch: FileWatch;
  /** Reloads the content of the file into memory, after a transaction that was rolled back. */
  rolledBack(): void;
}

/** In calls of `retry`. A comparison takes 0.5 s for a million rows. */
const MAX_PAUSE = 60;

export function createFileAccess({ database, file, digests, watch, rolledBack }: FileAccessParts): FileAccess {
  const failure = { read: '', write: '' };
  /** Whether the reload after a rolled back transaction has failed. */
  let isBehind = false;
  /** The pause between two comparisons of an untrusted file, and the rest of it, in calls of `retry`. */
  let pause = 1;
  let left = 0;
  const inTransaction = database.transaction((work: () => Changes) => {
    const changes = work();
    digests.save();
    return changes;
  });

  /** Without a reload the table would report that it has no rows. */
  function requireTrusted(): void {
    const fault = watch.fault();
    if (fault !== undefined && !watch.isTrusted()) throw new FileFaultError(fault);
    if (!isBehind) return;
    rolledBack();
    isBehind = false;
  }

  function reread(): void {
    try {
      rolledBack();
      isBehind = false;
    } catch (error) {
      watch.note(error);
      isBehind = true;
    }
  }

  function read<T>(work: () => T): T {
    try {
      requireTrusted();
      const answer = work();
      failure.read = '';
      return answer;
    } catch (cause) {
      watch.note(cause);
      failure.read = sqliteCodeOf(cause);
      throw new RescindError('denylist_unreadable', { detail: `${database.name}: ${failure.read}`, cause });
    }
  }

  return {
    failure,
    read,
    write(work) {
      try {
        requireTrusted();
        const changes = inTransaction.immediate(work);
        failure.write = '';
        digests.committed();
        return changes;
      } catch (cause) {
        watch.note(cause);
        failure.write = sqliteCodeOf(cause);
        digests.rolledBack();
        if (database.open) reread();
        throw new RescindError('denylist_unwritable', { detail: `${database.name}: ${failure.write}`, cause });
      }
    },
    compare: () =>
      read(() => {
        if (inspectAgain(database, file) === undefined) return;
        watch.damaged();
        requireTrusted();
      }),
    retry() {
      if (watch.isTrusted()) {
        pause = 1;
        left = 0;
        return;
      }
      left -= 1;
      if (left > 0 || !database.open || database.inTransaction) return;
      left = pause;
      pause = Math.min(2 * pause, MAX_PAUSE);
      try {
        if (inspectAgain(database, file) !== undefined) return;
      } catch {
        // An unreadable disk does not show whether the file is damaged.
        return;
      }
      watch.recovered();
      isBehind = true;
    },
  };
}

/** The file cannot be trusted. Its code is that of the fault. */
class FileFaultError extends Error {
  readonly code: string;

  constructor(fault: string) {
    super(`the file is ${fault}`);
    this.code = `file_${fault}`;
  }
}

/** SQLite's code of an error; never the values of the statement. */
export function sqliteCodeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.message : String(error);
}

/**
 * What has happened to the file of a denylist that is open. `removed`, `replaced`: the open file has no name any more; it
 * answers, and a restart does not find it. `truncated`, `damaged`: what it holds cannot be trusted.
 */
type FileFault = 'removed' | 'replaced' | 'truncated' | 'damaged';

/**
 * Looks after the file of an open denylist. A fault stays until the next start, which reads the log again; one of a file that
 * cannot be trusted until the whole file has been found to be what was written.
 */
export interface FileWatch {
  /** To be called every second: a `stat` of two files. Throws nothing. */
  check(): void;
  /** Records an error of SQLite, as a fault if only damage explains it. Never throws. */
  note(error: unknown): void;
  /** Notes that the content of the file differs from what was written. */
  damaged(): void;
  /** Notes that the whole file equals what was written. */
  recovered(): void;
  fault(): FileFault | undefined;
  /** Whether the content of the file can be trusted. */
  isTrusted(): boolean;
}

export function createFileWatch(database: Database, telemetry: Telemetry): FileWatch {
  const paths = [database.name, `${database.name}-wal`];
  const opened = paths.map((path) => findFile(path)?.identity);
  let fault: FileFault | undefined;
  let bytes = statSync(database.name).size;

  function found(what: FileFault): void {
    if (fault !== undefined && isOfTrusted(fault) === isOfTrusted(what)) return;
    fault = what;
    telemetry.count('rescind_denylist_file_faults_total', { fault: what });
    telemetry.log('error', 'denylist_file_fault', { path: database.name, fault: what });
  }

  /** Whether the file was truncated. After a `VACUUM` of another process it is shorter, but not shorter than SQLite's count of its pages. */
  function isTruncated(now: number): boolean {
    const before = bytes;
    bytes = now;
    return bytes < before && bytes < pagesOf(database) * PAGE_BYTES;
  }

  function check(): void {
    if (!database.open || database.inTransaction || fault !== undefined) return;
    try {
      const [file, log] = paths.map(findFile);
      if (file === undefined || log === undefined) found('removed');
      else if ([file, log].some(({ identity }, at) => identity !== opened[at])) found('replaced');
      else if (isTruncated(file.bytes)) found('truncated');
    } catch (error) {
      note(error);
    }
  }

  function note(error: unknown): void {
    if (isDamage(error)) found('damaged');
  }

  return {
    check,
    note,
    damaged: () => found('damaged'),
    recovered() {
      telemetry.log('info', 'denylist_file_recovered', { path: database.name, fault });
      fault = undefined;
    },
    fault: () => fault,
    isTrusted: () => fault === undefined || isOfTrusted(fault),
  };
}

const isOfTrusted = (fault: FileFault) => fault === 'removed' || fault === 'replaced';

const pagesOf = (database: Database) => Number(database.pragma('page_count', { simple: true }));

/** Device and inode of a file, and its size; undefined: there is none. */
function findFile(path: string): { readonly identity: string; readonly bytes: number } | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && { identity: `${found.dev}:${found.ino}`, bytes: Number(found.size) };
}

function isDamage(error: unknown): boolean {
  return storageFailureOf(error) === 'damaged' || storageCodeOf(error) === 'SQLITE_IOERR_SHORT_READ';
}
