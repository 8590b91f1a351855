import { closeSync, copyFileSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { RescindError } from '@rescind/revocation';
import { createOwnFile, databasePath, restrictToOwner } from '@rescind/revocation/storage';
import Database from 'better-sqlite3';
import { takeLock } from './connection.ts';

/** What a backup of an issuer's database contains. */
export interface DatabaseFacts {
  /** The version of its schema. */
  readonly schema: number;
  /** The `iss` of its tokens. */
  readonly issuer: string | null;
  /** The epoch of its log. */
  readonly epoch: string | null;
  /** The seq of the last event of its log. */
  readonly headSeq: number;
  /** Sessions that have not ended. */
  readonly openSessions: number;
}

/** Pages of one step: between two steps the process reports its progress. */
const PAGES = 1_000;

/**
 * Copies the database of an issuer, which may be running, by SQLite's online backup, and verifies the copy. The file appears at
 * `destination` when it is complete; it is readable by its owner alone.
 * @param source the database
 * @param destination the file of the backup, which must not exist
 * @param onProgress is called with the number of pages that are copied, and of all pages
 * @throws RescindError `database_damaged`; Error when a file cannot be read or written
 */
export async function backupDatabase(
  source: string,
  destination: string,
  onProgress: (copied: number, all: number) => void = () => undefined,
): Promise<DatabaseFacts> {
  const partial = `${destination}.partial`;
  rmSync(partial, { force: true });
  const database = new Database(source, { readonly: true, fileMustExist: true });
  try {
    createOwnFile(partial);
    await database.backup(partial, {
      progress({ totalPages, remainingPages }) {
        onProgress(totalPages - remainingPages, totalPages);
        return PAGES;
      },
    });
    const facts = verifyDatabase(partial);
    publishFile(partial, destination);
    return facts;
  } finally {
    database.close();
    for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(partial + suffix, { force: true });
  }
}

/** Verifies every page and index of a backup. @throws RescindError `database_damaged` when it is damaged, or no issuer's database */
export function verifyDatabase(path: string): DatabaseFacts {
  try {
    const database = new Database(path, { readonly: true, fileMustExist: true });
    try {
      const found = database.pragma('integrity_check(1)', { simple: true });
      if (found !== 'ok') throw new Error(String(found));
      const meta = database.prepare('SELECT issuer, epoch, head FROM rescind_meta').get() as MetaRow;
      const open = database.prepare('SELECT count(*) AS count FROM rescind_sessions WHERE ended_at IS NULL').get() as {
        count: number;
      };
      const schema = Number(database.pragma('user_version', { simple: true }));
      return { schema, issuer: meta.issuer, epoch: meta.epoch, headSeq: meta.head, openSessions: open.count };
    } finally {
      database.close();
    }
  } catch (error) {
    const detail = `${path}: ${error instanceof Error ? error.message : 'cannot be read'}`;
    throw new RescindError('database_damaged', { detail, cause: error });
  }
}

interface MetaRow {
  readonly issuer: string | null;
  readonly epoch: string | null;
  readonly head: number;
}

/**
 * Puts a backup in the place of an issuer's database, which must not run. The copy is complete and verified before it takes the place in one
 * rename: a crash leaves the one or the other. A database that is replaced is kept beside, as `….replaced-<time>`.
 * @param backup the file of `backupDatabase`
 * @param path the database
 * @param now milliseconds since 1970, for the name of what is replaced
 * @returns the name of the database that was replaced; undefined: there was none
 * @throws RescindError `database_damaged`, `database_locked`
 */
export function replaceDatabase(backup: string, path: string, now: number): string | undefined {
  verifyDatabase(backup);
  const resolvedPath = databasePath(path);
  const lock = takeLock(`${resolvedPath}.lock`, path);
  const partial = `${resolvedPath}.restoring`;
  try {
    copyFileSync(backup, partial);
    restrictToOwner(partial);
    verifyDatabase(partial);
    const replacedPath = existsSync(resolvedPath)
      ? keepReplaced(resolvedPath, `${resolvedPath}.replaced-${now}`)
      : undefined;
    publishFile(partial, resolvedPath);
    return replacedPath;
  } finally {
    for (const suffix of ['', '-wal', '-shm']) rmSync(partial + suffix, { force: true });
    lock.close();
  }
}

/** Gives the database a second name. Its write-ahead log is moved with it: SQLite would apply the log to the file that takes its place. */
function keepReplaced(resolvedPath: string, replacedPath: string): string {
  try {
    const database = new Database(resolvedPath);
    database.pragma('wal_checkpoint(TRUNCATE)');
    database.close();
  } catch {
    // A damaged database cannot be opened: it is kept as it is, with its write-ahead log.
  }
  for (const suffix of ['-wal', '-shm'])
    if (existsSync(resolvedPath + suffix)) renameSync(resolvedPath + suffix, replacedPath + suffix);
  linkSync(resolvedPath, replacedPath);
  return replacedPath;
}

/** Makes a file durable, then gives it its name. */
function publishFile(partial: string, name: string): void {
  sync(partial);
  renameSync(partial, name);
  sync(dirname(name));
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
