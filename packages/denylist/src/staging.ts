import type { Database } from 'better-sqlite3';
import type { StoredText } from './stored-text.ts';
import { restoreText } from './stored-text.ts';

/** The columns of `cutoff` and of the staging tables. */
export const COLUMNS = 'iss, claim, value, issued_until, expires_at, session_until, txn, origin, seq';

/** The columns of a row beside its key, as the file has them. */
export interface StoredRow {
  readonly issued_until: number | null;
  readonly expires_at: number | null;
  readonly session_until: number | null;
  readonly txn: StoredText;
  readonly origin: number;
  readonly seq: number;
}

export type StoredKey = [iss: number, claim: number, value: StoredText];

/** In the order of `COLUMNS`. */
export type StoredCutoff = [
  ...StoredKey,
  issuedUntil: number | null,
  expiresAt: number | null,
  sessionUntil: number | null,
  txn: StoredText,
  origin: number,
  seq: number,
];

/** How many rows there are of one issuer and claim, named by their numbers. */
export interface StoredRowCount {
  readonly iss: number;
  readonly claim: number;
  readonly rows: number;
}

/** The key of a staged row: the numbers of its issuer and claim, and its value. */
type WaitingKey = readonly [iss: number, claim: number, value: string];

/**
 * Rows of a catch-up, still in the order in which they came. Of random ids nearly every row belongs to another page of
 * `cutoff`, and each page is 4 kB written to the log and 4 kB copied into the file. So rows wait in a few tables, each in four parts, by
 * the beginning of their value. The longest part moves into its place in `cutoff` as a whole, in order: several rows a page. With a
 * table for each part a commit would write to four times as many pages. A row is in one table, never in two.
 *
 * All of it runs inside the caller's transaction.
 */
export interface Staging {
  /** The staged row of this key. */
  read(iss: number, claim: number, stored: StoredText, value: string): StoredRow | undefined;
  /** Stages a row of a key that `cutoff` does not have. False: one is staged already. */
  add(value: string, row: StoredCutoff): boolean;
  /** Replaces the staged row of a key. False: none is staged. */
  replace(value: string, row: StoredCutoff): boolean;
  /**
   * Moves the longest part while too many rows are staged.
   * @param anyway moves one in any case, if a row is staged
   * @returns whether it has moved rows
   */
  move(anyway: boolean): boolean;
  moveAll(): void;
  waiting(): Iterable<WaitingKey>;
  countRows(): Iterable<StoredRowCount>;
  /** Reloads the staged rows after a failed transaction: memory must not have what the file has not. */
  reload(): void;
}

/**
 * The greatest number of staged rows: some 8 MB of memory. The longest part has some 2 000 of them then, which move in 4 ms; with
 * a million rows in `cutoff` that is eight rows for each page that is written.
 */
const MAX_STAGED = 65_536;
/** As many tables as there are values of four bits; each is made as `cutoff` is, without its order. */
export const TABLES = 16;

/** The parts of a table. The id of a row, modulo this, is its part. */
const PARTS = 4;

/** The number of a value's part, by the first bits of the order of `cutoff`: those of an id are random. */
function partOf(stored: StoredText): number {
  if (typeof stored === 'string') return stored.charCodeAt(0) % (TABLES * PARTS) || 0;
  // With an odd length the first byte is the kind.
  return (stored[stored.length % 2] ?? 0) >> 2;
}

export function createStaging(database: Database): Staging {
  const tables = Array.from({ length: TABLES }, (_, number) => prepareTable(database, `staged_${number}`));
  const parts = tables.flatMap((table) => Array.from({ length: PARTS }, (_, part) => new StagedPart(table, part)));
  const of = (stored: StoredText) => parts[partOf(stored)] as StagedPart;
  reload();
  const rows = () => parts.reduce((sum, part) => sum + part.rows, 0);
  const longest = () => parts.reduce((most, part) => (part.rows > most.rows ? part : most));

  function move(anyway: boolean): boolean {
    const before = rows();
    if (anyway && before > 0) longest().move();
    while (rows() > MAX_STAGED) longest().move();
    return rows() < before;
  }

  function reload(): void {
    for (const part of parts) part.forget();
    for (const [number, table] of tables.entries()) {
      for (const [rowId, ...key] of table.all().iterate()) parts[number * PARTS + (rowId % PARTS)]?.restore(rowId, key);
    }
  }

  return {
    read: (iss, claim, stored, value) => of(stored).read(iss, claim, value),
    add: (value, row) => of(row[2]).add(value, row),
    replace: (value, row) => of(row[2]).replace(value, row),
    move,
    moveAll() {
      for (const part of parts) if (part.rows > 0) part.move();
    },
    *waiting() {
      for (const part of parts) yield* part.keys();
    },
    *countRows() {
      for (const part of parts) yield* part.countRows();
    },
    reload,
  };
}

/** By value, of one issuer and claim: the id of the row. */
type RowIds = Map<string, number>;

type StagedTable = ReturnType<typeof prepareTable>;

/** The greatest id of a table divided by `PARTS`, and its statements, each prepared at its first use: most processes stage no row. */
function prepareTable(database: Database, name: string) {
  const ofPart = `FROM ${name} WHERE id % ${PARTS} = ?`;
  return {
    put: atFirstUse(() =>
      database.prepare<[number, ...StoredCutoff]>(
        `INSERT OR REPLACE INTO ${name} (id, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
    ),
    select: atFirstUse(() =>
      database.prepare<[number], StoredRow>(
        `SELECT issued_until, expires_at, session_until, txn, origin, seq FROM ${name} WHERE id = ?`,
      ),
    ),
    // Not kept: all rows are read when the file is opened, and after a failed transaction.
    all: () => database.prepare<[], [id: number, ...StoredKey]>(`SELECT id, iss, claim, value FROM ${name}`).raw(),
    move: atFirstUse(() =>
      database.prepare<[number]>(
        `INSERT INTO cutoff (${COLUMNS}) SELECT ${COLUMNS} ${ofPart} ORDER BY iss, claim, value`,
      ),
    ),
    empty: atFirstUse(() => database.prepare<[number]>(`DELETE ${ofPart}`)),
    last: 0,
  };
}

function atFirstUse<T>(prepare: () => T): () => T {
  let prepared: T | undefined;
  return () => {
    prepared ??= prepare();
    return prepared;
  };
}

/** One part of a table, with an index of it in memory. */
class StagedPart {
  rows = 0;
  /** By the number of the issuer, then that of the claim. */
  #places: (RowIds | undefined)[][] = [];
  readonly #table: StagedTable;
  readonly #part: number;

  constructor(table: StagedTable, part: number) {
    this.#table = table;
    this.#part = part;
  }

  read(iss: number, claim: number, value: string): StoredRow | undefined {
    const rowId = this.#places[iss]?.[claim]?.get(value);
    return rowId === undefined ? undefined : this.#table.select().get(rowId);
  }

  add(value: string, row: StoredCutoff): boolean {
    const rowIds = this.#placesOf(row[0], row[1]);
    if (rowIds.has(value)) return false;
    this.#table.last += 1;
    const rowId = this.#table.last * PARTS + this.#part;
    this.#table.put().run(rowId, ...row);
    this.rows += 1;
    rowIds.set(value, rowId);
    return true;
  }

  replace(value: string, row: StoredCutoff): boolean {
    const rowId = this.#places[row[0]]?.[row[1]]?.get(value);
    if (rowId === undefined) return false;
    this.#table.put().run(rowId, ...row);
    return true;
  }

  move(): void {
    this.#table.move().run(this.#part);
    this.#table.empty().run(this.#part);
    this.forget();
  }

  *keys(): Generator<WaitingKey> {
    for (const { iss, claim, rowIds } of this.#kinds()) for (const value of rowIds.keys()) yield [iss, claim, value];
  }

  *countRows(): Generator<StoredRowCount> {
    for (const { iss, claim, rowIds } of this.#kinds()) yield { iss, claim, rows: rowIds.size };
  }

  *#kinds() {
    for (const [iss, ofIssuer] of this.#places.entries()) {
      for (const [claim, rowIds] of ofIssuer?.entries() ?? []) if (rowIds !== undefined) yield { iss, claim, rowIds };
    }
  }

  /** Adds a row of the table to the index. */
  restore(rowId: number, [iss, claim, stored]: StoredKey): void {
    this.#placesOf(iss, claim).set(restoreText(stored), rowId);
    this.#table.last = Math.max(this.#table.last, Math.floor(rowId / PARTS));
    this.rows += 1;
  }

  forget(): void {
    this.rows = 0;
    this.#places = [];
  }

  #placesOf(iss: number, claim: number): RowIds {
    const ofIssuer = this.#places[iss] ?? [];
    const ofClaim = ofIssuer[claim] ?? new Map<string, number>();
    this.#places[iss] = ofIssuer;
    ofIssuer[claim] = ofClaim;
    return ofClaim;
  }
}
