import { readSync } from 'node:fs';
import { RescindError } from '@rescind/revocation';
import { truncateWal } from '@rescind/revocation/storage';
import type { Database } from 'better-sqlite3';
import { openDigests, storedVersion } from './digest.ts';
import { scan } from './scan.ts';
import { APPLICATION_ID, FIRST_WITH_DIGESTS, schemaOf, VERSION } from './schema.ts';

/** The kind of damage of a file, for the log. */
export type Damage = 'unreadable' | 'header' | 'schema' | 'structure' | 'content';

/** The first bytes of a file: https://sqlite.org/fileformat2.html#the_database_header */
const HEADER_BYTES = 100;

export function readHeader(file: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  return bytes.subarray(0, readSync(file, bytes, 0, HEADER_BYTES, 0));
}

/** Whether this project writes such a header. SQLite obeys some other headers, for instance one that forbids writing. */
function isOwnHeader(header: Buffer): boolean {
  if (header.length < HEADER_BYTES) return header.length === 0;
  const areZero = (from: number, to: number) => header.subarray(from, to).every((byte) => byte === 0);
  const formats = header.readUInt16BE(18);
  return (
    header.readUInt16BE(16) === 4096 &&
    (formats === 0x0101 || formats === 0x0202) &&
    header.readUInt32BE(20) === 0x00402020 &&
    // The format of the schema, nothing of vacuums, UTF-8; as long as all tables are in the write-ahead log, neither is there.
    [0, 4].includes(header.readUInt32BE(44)) &&
    areZero(48, 56) &&
    [0, 1].includes(header.readUInt32BE(56)) &&
    areZero(64, 68) &&
    areZero(72, 92)
  );
}

/**
 * Inspects a file before anything is written to it. A file of this project is recognised by its mark, and by its tables where the mark is damaged.
 * @returns what is wrong with it, or undefined
 * @throws RescindError `denylist_newer`, or `configuration_invalid` for another program's database
 */
export function inspect(database: Database, path: string, header: Buffer): Damage | undefined {
  return damageIn(() => {
    const version = Number(database.pragma('user_version', { simple: true }));
    const isEmpty = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
    const isMarked = database.pragma('application_id', { simple: true }) === APPLICATION_ID;
    const secondVersion = storedVersion(database);
    const isOurs = isMarked || (secondVersion === VERSION && hasSchemaOf(database, VERSION));
    if (!isEmpty && !isOurs) {
      throw new RescindError('configuration_invalid', { detail: `${path} is the database of another program` });
    }
    if (version > VERSION && (secondVersion === undefined || secondVersion === version)) {
      throw new RescindError('denylist_newer', { detail: `${path} has version ${version}, known is ${VERSION}` });
    }
    if (!isOwnHeader(header) || (!isEmpty && !isMarked)) return 'header';
    // A file has its version twice from version 5 on.
    const isOneVersion = secondVersion === version || (secondVersion === undefined && version < FIRST_WITH_DIGESTS);
    if (!isEmpty && !(isOneVersion && version > 0 && hasSchemaOf(database, version))) return 'schema';
    return isSound(database) ? undefined : 'structure';
  });
}

/** Checks the structure of the file, and the small tables with their indexes. The rows are compared with their digest elsewhere. */
function isSound(database: Database): boolean {
  const small = ['word', 'origin', 'log', 'quarantine', 'document', 'digest'];
  const checks = ['quick_check(1)', ...small.map((table) => `integrity_check('${table}')`)];
  const there = database.prepare<[string]>(`SELECT 1 FROM sqlite_schema WHERE name = ?`);
  return checks
    .filter((_, at) => at === 0 || there.get(small[at - 1] as string) !== undefined)
    .every((check) => database.pragma(check, { simple: true }) === 'ok');
}

/** Whether a database has the whole schema of a version. Additional tables are ignored. */
function hasSchemaOf(database: Database, version: number): boolean {
  const found = new Set(schemaOf(database));
  return schemaOf(version).every((entry) => found.has(entry));
}

/**
 * Compares everything in the file with its digests. Reads the pages of the file first; only SQLite can detect that they differ.
 * @param file a descriptor that is open for as long as the database is
 * @returns what is wrong with it, or undefined
 */
export function compare(database: Database, file: number): Damage | undefined {
  return damageIn(() => {
    const digests = openDigests(database);
    if (digests === undefined) return 'content';
    const agrees = (emptyLog(database) && digests.matches(scan(database, file))) || digests.matches(scan(database));
    return agrees ? undefined : 'content';
  });
}

/** Empties the write-ahead log. False: a reader of another process, or the disk, prevents it. */
function emptyLog(database: Database): boolean {
  try {
    return truncateWal(database);
  } catch {
    return false;
  }
}

/** As at the start: checks the structure by SQLite, then runs `compare`. */
export function inspectAgain(database: Database, file: number): Damage | undefined {
  return damageIn(() => (isSound(database) ? compare(database, file) : 'structure'));
}

/** SQLite's codes of failures of the system, not of the file. A file that is shorter than its header states is damaged. */
const SYSTEM_ERROR =
  /^SQLITE_(IOERR(?!_SHORT_READ)|FULL|BUSY|LOCKED|CANTOPEN|READONLY|NOMEM|PERM|AUTH|PROTOCOL|NOLFS|INTERRUPT|TOOBIG)/;

/** A file that violates the format is damaged. An unreadable disk does not show whether the file is. */
export function damageIn(check: () => Damage | undefined): Damage | undefined {
  try {
    return check();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (error instanceof RescindError || SYSTEM_ERROR.test(code)) throw error;
    return 'unreadable';
  }
}
