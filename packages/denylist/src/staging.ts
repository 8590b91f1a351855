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
 * `cutoff`, and each page is 4 kB written to the log and 4 kB copied into the file. So rows wait in a few tables, by the
 * beginning of their value. The longest of these moves into its part of `cutoff` as a whole, in order: several rows a page.
 * A row is in one table, never in two.
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
   * Moves the longest table while too many rows are staged.
   * @param anyway moves one in any case, if a row is staged
   */
  move(anyway: boolean): void;
  moveAll(): void;
  waiting(): Iterable<WaitingKey>;
  countRows(): Iterable<StoredRowCount>;
  /** Reloads the staged rows after a failed transaction: memory must not have what the file has not. */
  reload(): void;
}

/**
 * The greatest number of staged rows: some 8 MB of memory. The longest table has some 8 000 of them then, which move in 15 ms; with
 * a million rows in `cutoff` that is eight rows for each page that is written.
 */
const MAX_STAGED = 65_536;
/** As many tables as there are values of four bits; each is made as `cutoff` is, without its order. */
export const TABLES = 16;

/** The table of a value, by the first bits of the order of `cutoff`: those of an id are random. */
function tableOf(stored: StoredText): number {
  if (typeof stored === 'string') return stored.charCodeAt(0) % TABLES || 0;
  // With an odd length the first byte is the kind.
  return (stored[stored.length % 2] ?? 0) >> 4;
}

export function createStaging(database: Database): Staging {
  const tables = Array.from({ length: TABLES }, (_, number) => new WaitingTable(database, `staged_${number}`));
  const of = (stored: StoredText) => tables[tableOf(stored)] as WaitingTable;
  const rows = () => tables.reduce((sum, table) => sum + table.rows, 0);
  const longest = () => tables.reduce((most, table) => (table.rows > most.rows ? table : most));

  function move(anyway: boolean): void {
    if (anyway && rows() > 0) longest().move();
    while (rows() > MAX_STAGED) longest().move();
  }

  return {
    read: (iss, claim, stored, value) => of(stored).read(iss, claim, value),
    add: (value, row) => of(row[2]).add(value, row),
    replace: (value, row) => of(row[2]).replace(value, row),
    move,
    moveAll() {
      for (const table of tables) if (table.rows > 0) table.move();
    },
    *waiting() {
      for (const table of tables) yield* table.keys();
    },
    *countRows() {
      for (const table of tables) yield* table.countRows();
    },
    reload() {
      for (const table of tables) table.reload();
    },
  };
}

/** By value, of one issuer and claim: the id of the row. */
type RowIds = Map<string, number>;

/** One of the tables, with an index of it in memory. */
class WaitingTable {
  rows = 0;
  /** By the number of the issuer, then that of the claim. */
  #places: (RowIds | undefined)[][] = [];
  readonly #put;
  readonly #select;
  readonly #all;
  readonly #move;
  readonly #empty;

  constructor(database: Database, name: string) {
    this.#put = database.prepare<[number, ...StoredCutoff]>(
      `INSERT OR REPLACE INTO ${name} (id, ${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#select = database.prepare<[number], StoredRow>(
      `SELECT issued_until, expires_at, session_until, txn, origin, seq FROM ${name} WHERE id = ?`,
    );
    this.#all = database.prepare<[], [id: number, ...StoredKey]>(`SELECT id, iss, claim, value FROM ${name}`).raw();
    this.#move = database.prepare<[]>(
      `INSERT INTO cutoff (${COLUMNS}) SELECT ${COLUMNS} FROM ${name} ORDER BY iss, claim, value`,
    );
    this.#empty = database.prepare<[]>(`DELETE FROM ${name}`);
    this.reload();
  }

  read(iss: number, claim: number, value: string): StoredRow | undefined {
    const rowId = this.#places[iss]?.[claim]?.get(value);
    return rowId === undefined ? undefined : this.#select.get(rowId);
  }

  add(value: string, row: StoredCutoff): boolean {
    const rowIds = this.#placesOf(row[0], row[1]);
    if (rowIds.has(value)) return false;
    this.rows += 1;
    this.#put.run(this.rows, ...row);
    rowIds.set(value, this.rows);
    return true;
  }

  replace(value: string, row: StoredCutoff): boolean {
    const rowId = this.#places[row[0]]?.[row[1]]?.get(value);
    if (rowId === undefined) return false;
    this.#put.run(rowId, ...row);
    return true;
  }

  move(): void {
    this.#move.run();
    this.#empty.run();
    this.#forget();
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

  reload(): void {
    this.#forget();
    for (const [rowId, iss, claim, stored] of this.#all.iterate()) {
      this.#placesOf(iss, claim).set(restoreText(stored), rowId);
      this.rows += 1;
    }
  }

  #forget(): void {
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
