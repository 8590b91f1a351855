import { closeSync, existsSync, openSync, renameSync } from 'node:fs';
import { basename } from 'node:path';
import type { Clock, EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError, standardErrorTelemetry, systemClock } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import {
  createOwnFile,
  databasePath,
  refuseSecondName,
  restrictToOwner,
  storageCodeOf,
  storageFailureOf,
} from '@rescind/revocation/storage';
import Database from 'better-sqlite3';
import type { Denylist, DenylistParts } from './denylist.ts';
import { createDenylist } from './denylist.ts';
import { openDigests } from './digest.ts';
import type { Damage } from './inspect.ts';
import { compare, damageIn, inspect, readHeader } from './inspect.ts';
import { configureConnection, migrate, syncAtCheckpoints, VERSION } from './schema.ts';

/** The options of `openDenylist`. */
export interface DenylistOptions {
  /** The SQLite file, on a local file system; it and its directory are made if need be. One process a file. */
  readonly path: string;
  /**
   * The most rows of which memory knows the keys, at 12 to 24 bytes each. With more, look-ups go to the file: correct,
   * some 50 times slower, and reported by `health()` and the gauge `rescind_denylist_in_memory`. 0: never in memory.
   * Default 16 million.
   */
  readonly maxMemoryEntries?: number;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Default: warnings and errors are written to standard error. */
  readonly telemetry?: Telemetry;
}

const checkOptions = optionsOf<DenylistOptions>('openDenylist', {
  path: required(option.filePath('the path of the denylist file, such as /data/denylist.db', [':memory:'])),
  maxMemoryEntries: option.count(),
  clock: option.clock,
  telemetry: option.telemetry,
});

/** How long a look-up or a commit waits for another process that reads the file, in ms. */
const BUSY_TIMEOUT_MS = 2_000;

/** 300 MB of memory; a fleet that revokes two hundred tokens a second, each valid for a day. */
const MAX_MEMORY_ENTRIES = 16_000_000;

/**
 * Opens the denylist of this process, or creates an empty one. A damaged file is renamed (counted, logged, seen in `health()`) and
 * replaced by an empty one, which the log fills again.
 *
 * @throws RescindError `denylist_locked` when another owner has it, `denylist_newer` when a newer version wrote it,
 *   `configuration_invalid` when it is no file, another program's, or its file system is unsuitable, `denylist_unwritable` when it may
 *   only be read, `denylist_unreadable` when the file cannot be opened at all
 */
export function openDenylist(options: DenylistOptions): Denylist {
  const {
    path,
    maxMemoryEntries = MAX_MEMORY_ENTRIES,
    clock = systemClock,
    telemetry = standardErrorTelemetry,
  } = checkOptions(options);
  try {
    return openAt(databasePath(path), { clock, telemetry, maxMemoryEntries });
  } catch (cause) {
    if (cause instanceof RescindError) throw cause;
    if (storageFailureOf(cause) === 'read_only') {
      throw new RescindError('denylist_unwritable', { detail: `${path}: ${storageCodeOf(cause)}`, cause });
    }
    throw new RescindError('denylist_unreadable', { detail: `${path}: ${codeOf(cause)}`, cause });
  }
}

const codeOf = (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'unknown error');

type DenylistSettings = Required<Omit<DenylistOptions, 'path'>>;

function openAt(path: string, { clock, telemetry, maxMemoryEntries }: DenylistSettings): Denylist {
  const lock = acquireLock(path);
  let opened: OpenedFile | undefined;
  try {
    opened = openFile(path, clock, telemetry);
    const { file } = opened;
    return createDenylist({
      ...opened,
      telemetry,
      maxMemoryEntries,
      release() {
        closeSync(file);
        lock.release();
      },
    });
  } catch (error) {
    if (opened !== undefined) close(opened);
    lock.release();
    throw error;
  }
}

/** Its descriptor is closed after the database: to close it before would end the locks that SQLite has on the file. */
type OpenedFile = Pick<DenylistParts, 'database' | 'file' | 'digests' | 'damaged'>;

type Found = (Omit<OpenedFile, 'damaged'> & { readonly isMigrated: boolean }) | { readonly damage: Damage };

function openFile(path: string, clock: Clock, telemetry: Telemetry): OpenedFile {
  const found = tryFile(path);
  if (!('damage' in found)) {
    if (found.isMigrated) shrink(found.database, telemetry);
    return { ...found, damaged: null };
  }
  const name = basename(replaceFile(path, clock.now()));
  telemetry.count('rescind_denylist_replaced_total');
  telemetry.log('error', 'denylist_replaced', { path: path, name, damage: found.damage });
  const started = tryFile(path);
  if ('damage' in started) {
    throw new Error(`${path}: an empty database was found damaged (${started.damage}): the disk cannot be trusted`);
  }
  return { ...started, damaged: name };
}

/**
 * Writes the header again. SQLite opens a file that cannot be written as read-only, without an error, and keeps it so when the file
 * system becomes writable: the start then fails, since an instance that stores nothing is worse. A full disk does not fail the
 * start: it will have space again.
 */
function requireWritable(database: Database.Database): void {
  const version = Number(database.pragma('user_version', { simple: true }));
  try {
    database.transaction(() => database.pragma(`user_version = ${version}`)).immediate();
  } catch (error) {
    if (storageFailureOf(error) === 'read_only') throw error;
  }
}

/** Returns the pages that a migration has left free. If that fails, later rows use them. */
function shrink(database: Database.Database, telemetry: Telemetry): void {
  try {
    database.exec('VACUUM');
  } catch (error) {
    telemetry.log('warn', 'denylist_not_shrunk', { error: codeOf(error) });
  }
}

/** Compares the whole file with its digests before anything of it is used. */
function tryFile(path: string): Found {
  createOwnFile(path);
  refuseSecondName(path, 'denylist_locked');
  const { file, header, database } = openConnection(path);
  try {
    let isMigrated = false;
    let damage = inspect(database, path, header);
    if (damage === undefined) {
      configureConnection(database, path, header.length === 0);
      damage = damageIn(() => {
        const version = migrate(database);
        isMigrated = version !== VERSION && version !== 0;
        if (version === 'differs') return 'content';
        return version === VERSION ? compare(database, file) : undefined;
      });
    }
    const digests = damage === undefined ? openDigests(database) : undefined;
    if (digests !== undefined) {
      requireWritable(database);
      syncAtCheckpoints(database);
      return { database, file, digests, isMigrated };
    }
    close({ database, file });
    return { damage: damage ?? 'content' };
  } catch (error) {
    close({ database, file });
    throw error;
  }
}

function openConnection(path: string) {
  const file = openSync(path, 'r');
  try {
    const header = readHeader(file);
    return { file, header, database: new Database(path, { timeout: BUSY_TIMEOUT_MS }) };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function close({ database, file }: Pick<OpenedFile, 'database' | 'file'>): void {
  database.close();
  closeSync(file);
}

/** Renames a file and its write-ahead log, and returns the new name. */
function replaceFile(path: string, at: EpochMillis): string {
  const stamp = new Date(at).toISOString().replaceAll(/[-:.]/g, '');
  let name = `${path}.damaged-${stamp}`;
  for (let again = 2; existsSync(name); again++) name = `${path}.damaged-${stamp}-${again}`;
  for (const part of ['-wal', '-shm', '']) {
    if (existsSync(path + part)) renameSync(path + part, name + part);
  }
  return name;
}

/** Held as long as the denylist is open. */
interface Lock {
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
function acquireLock(denylistPath: string): Lock {
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
