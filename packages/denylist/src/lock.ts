import { createOwnFile, RescindError, restrictToOwner } from '@rescind/revocation';
import Database from 'better-sqlite3';

/** Held as long as the denylist is open. */
export interface Lock {
  release(): void;
}

/**
 * Refuses a second owner of a denylist, in this process or another. An empty SQLite file beside the denylist is held
 * in an exclusive transaction: a lock of the operating system, so it ends with its process, however that ends, and
 * SQLite keeps it apart within one process too. The file stays when the lock is released: removing it would let two
 * owners hold two files of one name.
 *
 * @throws RescindError `denylist_locked`
 */
export function acquireLock(denylistPath: string): Lock {
  const path = `${denylistPath}.lock`;
  createOwnFile(path);
  restrictToOwner(path);
  const database = new Database(path, { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    const isHeld = cause instanceof Database.SqliteError && cause.code === 'SQLITE_BUSY';
    throw isHeld ? new RescindError('denylist_locked', { detail: denylistPath, cause }) : cause;
  }
  return { release: () => void database.close() };
}
