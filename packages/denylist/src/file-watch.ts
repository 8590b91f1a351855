import { statSync } from 'node:fs';
import type { Telemetry } from '@rescind/revocation';
import { storageCodeOf, storageFailureOf } from '@rescind/revocation';
import type { Database } from 'better-sqlite3';
import { PAGE_BYTES } from './pages.ts';

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
  /** Takes note of an error of SQLite: one that only damage explains is a fault. Never throws. */
  note(error: unknown): void;
  /** Says that the file does not hold what was written to it. */
  damaged(): void;
  /** Says that the whole file was found to hold what was written to it. */
  recovered(): void;
  fault(): FileFault | undefined;
  /** Whether what the file says can be trusted. */
  isTrusted(): boolean;
}

export function createFileWatch(database: Database, telemetry: Telemetry): FileWatch {
  const paths = [database.name, `${database.name}-wal`];
  const opened = paths.map(identityOf);
  let fault: FileFault | undefined;
  let bytes = statSync(database.name).size;

  function found(what: FileFault): void {
    if (fault !== undefined && isOfTrusted(fault) === isOfTrusted(what)) return;
    fault = what;
    telemetry.count('rescind_denylist_file_faults_total', { fault: what });
    telemetry.log('error', 'denylist_file_fault', { path: database.name, fault: what });
  }

  /** Shorter than it was is right after a `VACUUM` of another process; shorter than SQLite knows it to be is not. */
  function isTruncated(): boolean {
    const before = bytes;
    bytes = statSync(database.name).size;
    return bytes < before && bytes < pagesOf(database) * PAGE_BYTES;
  }

  function check(): void {
    if (!database.open || database.inTransaction || fault !== undefined) return;
    try {
      const now = paths.map(identityOf);
      if (now.includes(undefined)) found('removed');
      else if (now.some((identity, at) => identity !== opened[at])) found('replaced');
      else if (isTruncated()) found('truncated');
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

/** Device and inode of a file; undefined: there is none. */
function identityOf(path: string): string | undefined {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}

function isDamage(error: unknown): boolean {
  return storageFailureOf(error) === 'damaged' || storageCodeOf(error) === 'SQLITE_IOERR_SHORT_READ';
}
