import { RescindError } from '@rescind/revocation';
import type { Database } from 'better-sqlite3';
import SQLite from 'better-sqlite3';
import { openDigests, writeDigests } from './digest.ts';
import { PAGE_BYTES } from './pages.ts';
import { scan } from './scan.ts';
import { COLUMNS } from './staging.ts';
import type { StoredText } from './stored-text.ts';
import { restoreFirstText, storeText } from './stored-text.ts';

/** "RDNY": marks a file as a denylist, so that no other program's database is taken for one. */
export const APPLICATION_ID = 0x52444e59;

/** The tables for the rows of a catch-up: see `staging.ts`. */
const STAGED = Array.from({ length: 16 }, (_, number) => `staged_${number}`);

const WORD = `CREATE TABLE word (id INTEGER PRIMARY KEY, text ANY NOT NULL UNIQUE) STRICT`;
const SMALL_TABLES = `CREATE TABLE log (log TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID;
   CREATE TABLE quarantine (
     log TEXT NOT NULL, epoch TEXT NOT NULL, seq INTEGER NOT NULL, jws TEXT NOT NULL, why TEXT NOT NULL,
     PRIMARY KEY (log, epoch, seq)
   ) STRICT;
   CREATE TABLE document (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT`;
const DIGEST = `CREATE TABLE digest (name TEXT PRIMARY KEY, sums BLOB NOT NULL, entries INTEGER NOT NULL) STRICT, WITHOUT ROWID`;
const ORIGIN = `CREATE TABLE origin (
     id INTEGER PRIMARY KEY, reason INTEGER NOT NULL, epoch INTEGER NOT NULL, UNIQUE (reason, epoch)
   ) STRICT`;
const CUTOFF = `CREATE TABLE cutoff (
     iss INTEGER NOT NULL, claim INTEGER NOT NULL, value ANY NOT NULL,
     issued_until INTEGER, expires_at INTEGER, session_until INTEGER,
     txn ANY NOT NULL, origin INTEGER NOT NULL, seq INTEGER NOT NULL,
     PRIMARY KEY (iss, claim, value)
   ) STRICT, WITHOUT ROWID`;
const stagedTable = (table: string) => `CREATE TABLE ${table} (
     id INTEGER PRIMARY KEY, iss INTEGER NOT NULL, claim INTEGER NOT NULL, value ANY NOT NULL,
     issued_until INTEGER, expires_at INTEGER, session_until INTEGER,
     txn ANY NOT NULL, origin INTEGER NOT NULL, seq INTEGER NOT NULL
   ) STRICT`;

/** The tables of this version, as the steps leave them: a new file starts with them, instead of with the steps. */
const CURRENT = [WORD, SMALL_TABLES, DIGEST, ORIGIN, CUTOFF, ...STAGED.map(stagedTable)].join(';');

/** Copies the rows of a table of version 5 into one of version 6, in an order. */
const copyWithOrigins = (from: string, to: string, order: string) => `
  INSERT INTO ${to} (iss, claim, value, issued_until, expires_at, session_until, txn, origin, seq)
    SELECT iss, claim, value, issued_until, expires_at, session_until, txn,
        (SELECT id FROM origin WHERE reason = row.reason AND epoch = row.epoch), seq
      FROM ${from} AS row ORDER BY ${order};
  DROP TABLE ${from}`;

/**
 * Each step leads from the version of its index to the next; a file's version is its `user_version`. Steps are only
 * ever added.
 *
 * Repeated strings (issuers, claim names, reasons, epochs) are stored once, and so is each pair of a reason and an
 * epoch (`origin`). In `cutoff`, the greatest
 * time there is (`UNBOUNDED`, `NEVER`) is NULL, which takes no room and which no comparison with a time removes.
 */
const STEPS: readonly string[] = [
  `${WORD};
   CREATE TABLE cutoff (
     iss INTEGER NOT NULL, claim INTEGER NOT NULL, value ANY NOT NULL,
     issued_until INTEGER, expires_at INTEGER, session_until INTEGER,
     txn ANY NOT NULL, reason INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
     PRIMARY KEY (iss, claim, value)
   ) STRICT, WITHOUT ROWID;
   ${SMALL_TABLES}`,
  `CREATE INDEX cutoff_expiry ON cutoff (iss, expires_at) WHERE expires_at IS NOT NULL`,
  // Ids take the bytes they stand for, and what has expired is found without an index (`table.ts`).
  `DROP INDEX cutoff_expiry;
   UPDATE word SET text = stored_anew(text);
   ALTER TABLE cutoff RENAME TO cutoff_before;
   CREATE TABLE cutoff (
     iss INTEGER NOT NULL, claim INTEGER NOT NULL, value ANY NOT NULL,
     issued_until INTEGER, expires_at INTEGER, session_until INTEGER,
     txn ANY NOT NULL, reason INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
     PRIMARY KEY (iss, claim, value)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO cutoff
     SELECT iss, claim, stored_anew(value), issued_until, expires_at, session_until, stored_anew(txn), reason, epoch, seq
       FROM cutoff_before;
   DROP TABLE cutoff_before`,
  // Rows of a catch-up, in the order in which they came (`staging.ts`).
  STAGED.map(
    (table) => `CREATE TABLE ${table} (
     id INTEGER PRIMARY KEY, iss INTEGER NOT NULL, claim INTEGER NOT NULL, value ANY NOT NULL,
     issued_until INTEGER, expires_at INTEGER, session_until INTEGER,
     txn ANY NOT NULL, reason INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL
   ) STRICT`,
  ).join(';'),
  // The digests of the rows, and of the states, quarantine and documents: four sums of 32 bits, little-endian (`digest.ts`).
  DIGEST,
  // One number for the reason and the epoch of a row takes two bytes less of each. The content of a row is unchanged, and so is its digest.
  [
    `${ORIGIN};
   INSERT INTO origin (reason, epoch)
     ${['cutoff', ...STAGED].map((table) => `SELECT reason, epoch FROM ${table}`).join(' UNION ')};
   ALTER TABLE cutoff RENAME TO cutoff_before;
   ${CUTOFF}`,
    copyWithOrigins('cutoff_before', 'cutoff', 'iss, claim, value'),
    ...STAGED.map(
      (table) => `ALTER TABLE ${table} RENAME TO staged_before;
   ${stagedTable(table)};
   ${copyWithOrigins('staged_before', table, 'id')}`,
    ),
  ].join(';'),
  // The id of a staged row states its part (`staging.ts`), so none is staged now.
  STAGED.map(
    (table) => `INSERT INTO cutoff (${COLUMNS}) SELECT ${COLUMNS} FROM ${table} ORDER BY iss, claim, value;
   DELETE FROM ${table}`,
  ).join(';'),
];

/** The upper pages of a tree of ten million rows, through which every new row goes. */
const CACHE_KIB = 12_288;
/**
 * How large the write-ahead log becomes before a commit copies it into the file: 16 MB, which is a pause of some 50 ms. During a
 * catch-up the denylist copies 4 MB at a time, between two commits.
 */
const CHECKPOINT_PAGES = 4_000;
/** The largest write-ahead log: one transaction beyond a checkpoint, with a margin. */
export const MAX_WAL_BYTES = 2 * CHECKPOINT_PAGES * PAGE_BYTES;

export const VERSION = STEPS.length;
/** From this version on a file has digests, and its version beside them. */
export const FIRST_WITH_DIGESTS = 5;

function runSteps(database: Database, from: number, to: number): void {
  database.function('stored_anew', (stored) => storeText(restoreFirstText(stored as StoredText)));
  if (from === 0 && to === VERSION) database.exec(CURRENT);
  else for (const step of STEPS.slice(from, to)) database.exec(step);
}

/** The schema of a database, or of a version of the file: one line for each table and index. */
export function schemaOf(of: Database | number): string[] {
  if (typeof of !== 'number') {
    const rows = of.prepare<[], { type: string; name: string; sql: string | null }>(
      'SELECT type, name, sql FROM sqlite_schema',
    );
    return rows.all().map(({ type, name, sql }) => `${type} ${name} ${sql?.replaceAll(/\s+/g, ' ')}`);
  }
  const empty = new SQLite(':memory:');
  try {
    runSteps(empty, 0, of);
    return schemaOf(empty);
  } finally {
    empty.close();
  }
}

/** Ends the transaction of a migration: the rows are not those of the digests. */
class DigestMismatch extends Error {
  override readonly name = 'Differs';
}

/**
 * Brings the file to this version, rows and all, in one transaction. It computes the digests of a file that had none, and compares
 * the file with those that it has.
 * @returns the version it had (0: it was empty); `differs`: it differs from its digests, and nothing was changed
 */
export function migrate(database: Database): number | 'differs' {
  const version = Number(database.pragma('user_version', { simple: true }));
  if (version === VERSION) return version;
  const run = database.transaction(() => {
    runSteps(database, version, VERSION);
    const digests = version < FIRST_WITH_DIGESTS ? undefined : openDigests(database);
    const scanned = scan(database);
    if (digests?.matches(scanned) === false) throw new DigestMismatch();
    writeDigests(database, scanned, VERSION);
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma(`user_version = ${VERSION}`);
  });
  try {
    run.immediate();
  } catch (error) {
    if (error instanceof DigestMismatch) return 'differs';
    throw error;
  }
  return version;
}

/**
 * A write-ahead log, so that look-ups never wait for a commit. Nothing is synced before `syncAtCheckpoints` if the file is new: a power
 * cut then leaves a file that is empty or damaged, which the next start replaces.
 * @throws RescindError `configuration_invalid` where the file system cannot do it
 */
export function configureConnection(database: Database, path: string, isNew: boolean): void {
  if (isNew) database.pragma('synchronous = OFF');
  database.pragma('journal_mode = WAL');
  database.pragma(`cache_size = -${CACHE_KIB}`);
  database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  database.pragma(`journal_size_limit = ${CHECKPOINT_PAGES * PAGE_BYTES}`);
  const mode = database.pragma('journal_mode', { simple: true });
  if (mode !== 'wal') {
    const detail = `${path} needs a local file system (journal_mode is ${mode})`;
    throw new RescindError('configuration_invalid', { detail });
  }
  if (!isNew) syncAtCheckpoints(database);
}

/** From here on a power cut takes only the last commits, rows and position together, which the log gives again. */
export function syncAtCheckpoints(database: Database): void {
  database.pragma('synchronous = NORMAL');
}
