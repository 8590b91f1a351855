import { RescindError } from '@rescind/revocation';
import { createOwnFile, databasePath, refuseSecondName, restrictToOwner } from '@rescind/revocation/storage';
import Database from 'better-sqlite3';
import { migrate } from './schema.ts';
import { CHECKPOINT_PAGES, WAL_BYTES } from './write-ahead-log.ts';

/** The connections of the one process that may write. */
export interface Connection {
  /** Used by transactions only. */
  readonly writer: Database.Database;
  /** Read-only: reads committed rows. */
  readonly reader: Database.Database;
  close(): void;
}

/** SQLite blocks the process while it waits: long enough for a checkpoint of a backup tool, no longer. */
const BUSY_TIMEOUT_MS = 2_000;
/** Sessions are looked up by random ids, so pages that do not fit into the cache are read from the file repeatedly. */
const CACHE_KIB = 32_768;
/** `PRAGMA synchronous`: 2 is FULL. */
const SYNCHRONOUS_FULL = 2;

/**
 * Opens the file as its only writer.
 * @throws RescindError `database_locked`, `database_newer`
 */
export function openConnection(path: string): Connection {
  const resolvedPath = databasePath(path);
  const lock = takeLock(`${resolvedPath}.lock`, path);
  try {
    const writer = openDurably(resolvedPath);
    const reader = openReader(resolvedPath, writer);
    return {
      writer,
      reader,
      close() {
        reader.close();
        // The last connection to close copies the write-ahead log into the file and removes it.
        writer.close();
        lock.close();
      },
    };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/**
 * A database of its own, held in an exclusive transaction for as long as the process lives: the operating system gives
 * it back on any end, kill -9 included. The real database stays open to backups and to readers.
 */
export function takeLock(lockPath: string, path: string): Database.Database {
  createOwnFile(lockPath);
  restrictToOwner(lockPath);
  const lock = new Database(lockPath, { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock.close();
    if (isBusy(error)) throw new RescindError('database_locked', { detail: path, cause: error });
    throw error;
  }
}

function openReader(path: string, writer: Database.Database): Database.Database {
  try {
    const reader = new Database(path, { readonly: true, timeout: BUSY_TIMEOUT_MS });
    reader.pragma(`cache_size = -${CACHE_KIB}`);
    return reader;
  } catch (error) {
    writer.close();
    throw error;
  }
}

export function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

/**
 * Writes the header again. SQLite silently opens a file that it cannot write as read-only, and keeps it so
 * when its file system becomes writable. A failed start is better than one whose every write fails.
 */
function requireWritable(database: Database.Database): void {
  const version = Number(database.pragma('user_version', { simple: true }));
  database.transaction(() => database.pragma(`user_version = ${version}`)).immediate();
}

function openDurably(path: string): Database.Database {
  createOwnFile(path);
  refuseSecondName(path, 'database_locked');
  const database = new Database(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    const mode = database.pragma('journal_mode = WAL', { simple: true });
    if (mode !== 'wal') throw new Error(`${path}: journal_mode is ${String(mode)}, this file system cannot keep a WAL`);
    // An acknowledged logout must survive a power cut. WAL defaults to NORMAL.
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    database.pragma(`cache_size = -${CACHE_KIB}`);
    database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    // A reader that prevents a checkpoint lets the write-ahead log grow beyond this; the next checkpoint truncates it.
    database.pragma(`journal_size_limit = ${WAL_BYTES}`);
    migrate(database, path);
    if (database.pragma('synchronous', { simple: true }) !== SYNCHRONOUS_FULL) {
      throw new Error(`${path}: synchronous is not FULL`);
    }
    requireWritable(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
