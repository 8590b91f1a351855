import type { EpochMillis } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { mergeRows, UNBOUNDED } from '@rescind/revocation/cut-off';
import type { Database } from 'better-sqlite3';
import type { TableDigest } from './digest.ts';
import { createRowDigester } from './digest.ts';
import type { StoredCutoff, StoredKey, StoredRow, StoredRowCount } from './staging.ts';
import { COLUMNS, createStaging } from './staging.ts';
import type { StoredText } from './stored-text.ts';
import { restoreText, storeText } from './stored-text.ts';
import { createOrigins, createStringTable } from './string-table.ts';

/** The key of a row. */
export type RowKey = Pick<CutOffRow, 'iss' | 'claim' | 'value'>;

/** How many rows there are of one (issuer, claim), or how many more. */
export interface RowCount {
  readonly iss: string;
  readonly claim: string;
  readonly rows: number;
}

/** The rows that a transaction inserted, changed and removed. A row is in one of these, once. */
export interface Changes {
  readonly added: readonly RowKey[];
  readonly changed: readonly RowKey[];
  readonly removed: readonly RowKey[];
}

/** A position in the order in which the file has its rows. */
export type RowPosition = readonly [iss: number, claim: number, value: StoredText];

/** The rows in the file. `apply` and `remove` run inside the caller's transaction. */
export interface Table {
  row(iss: string, claim: string, value: string): CutOffRow | undefined;
  /**
   * Merges rows into the stored ones.
   * @param mayHold false only for a key that no committed row has: such a row is inserted without a read
   * @param isBulk whether new rows are staged, to be moved later
   */
  apply(cutoffs: readonly CutOffRow[], mayHold: (key: RowKey) => boolean, isBulk: boolean): Changes;
  /**
   * Moves some staged rows if there are too many.
   * @param anyway moves some in any case
   * @returns whether it has moved rows
   */
  moveSome(anyway: boolean): boolean;
  moveAll(): void;
  /** The keys of all staged rows, each once. */
  waiting(): Iterable<RowKey>;
  /**
   * Removes at most `most` rows of an issuer that expired before a time. Of a large table it examines some `range` rows, and the next
   * call continues there.
   */
  remove(iss: string, before: EpochMillis, most: number, range: number): RowKey[];
  countRows(): RowCount[];
  /** The next rows after a position (undefined: from the first), in the order of the file, without staged ones. */
  after(
    position: RowPosition | undefined,
    most: number,
  ): { readonly keys: readonly RowKey[]; readonly last: RowPosition | undefined };
  /** Whether a key lies at or before a position. */
  isAtMost(key: RowKey, position: RowPosition): boolean;
  /** To be called when a transaction was rolled back. */
  rolledBack(): void;
}

const storeTime = (at: EpochMillis) => (at === UNBOUNDED ? null : at);
const restoreTime = (stored: number | null) => stored ?? UNBOUNDED;

/** @param digest the digest of all rows, staged or not, updated in the transaction that changes a row */
export function createTable(database: Database, digest: TableDigest): Table {
  const strings = createStringTable(database);
  const origins = createOrigins(database, strings);
  const digestOfRow = createRowDigester({ word: strings.digest, origin: origins.digests });
  const sweep = createSweep(database);
  const staging = createStaging(database);
  const select = database.prepare<StoredKey, StoredRow>(
    `SELECT issued_until, expires_at, session_until, txn, origin, seq
       FROM cutoff WHERE iss = ? AND claim = ? AND value = ?`,
  );
  const replace = database.prepare(`INSERT OR REPLACE INTO cutoff (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const insert = database.prepare(
    `INSERT INTO cutoff (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (iss, claim, value) DO NOTHING`,
  );
  const counts = database.prepare<[], StoredRowCount>(
    'SELECT iss, claim, count(*) AS rows FROM cutoff GROUP BY iss, claim',
  );
  const following = database
    .prepare<[number, number, StoredText, number], StoredKey>(
      `SELECT iss, claim, value FROM cutoff WHERE (iss, claim, value) > (?, ?, ?) ORDER BY iss, claim, value LIMIT ? + 0`,
    )
    .raw();
  const within = database.prepare<[...StoredKey, ...StoredKey], number>('SELECT (?, ?, ?) <= (?, ?, ?)').pluck();

  function toStored(cutoff: CutOffRow): StoredCutoff {
    return [
      strings.add(cutoff.iss),
      strings.add(cutoff.claim),
      storeText(cutoff.value),
      storeTime(cutoff.issuedUntil),
      storeTime(cutoff.expiresAt),
      storeTime(cutoff.sessionUntil),
      storeText(cutoff.txn),
      origins.add(cutoff.reason, cutoff.epoch),
      cutoff.seq,
    ];
  }

  function read(iss: number, claim: number, value: string): StoredRow | undefined {
    const stored = storeText(value);
    return staging.read(iss, claim, stored, value) ?? select.get(iss, claim, stored);
  }

  function row(iss: string, claim: string, value: string): CutOffRow | undefined {
    const issId = strings.find(iss);
    const claimId = strings.find(claim);
    if (issId === undefined || claimId === undefined) return undefined;
    const stored = read(issId, claimId, value);
    if (stored === undefined) return undefined;
    return {
      iss,
      claim,
      value,
      issuedUntil: restoreTime(stored.issued_until),
      expiresAt: restoreTime(stored.expires_at),
      sessionUntil: restoreTime(stored.session_until),
      txn: restoreText(stored.txn),
      ...origins.origin(stored.origin),
      seq: stored.seq,
    };
  }

  /** Inserts a row of a key that had none before this change. False: this change has inserted one. */
  function addNew(cutoff: CutOffRow, isBulk: boolean): boolean {
    const row = toStored(cutoff);
    const isNew = isBulk ? staging.add(cutoff.value, row) : insert.run(...row).changes > 0;
    if (isNew) digest.add(digestOfRow(row));
    return isNew;
  }

  function write(cutoff: CutOffRow, existing: CutOffRow | undefined): void {
    const row = toStored(cutoff);
    if (existing !== undefined) digest.subtract(digestOfRow(toStored(existing)));
    digest.add(digestOfRow(row));
    if (!staging.replace(cutoff.value, row)) replace.run(...row);
  }

  function* waiting(): Generator<RowKey> {
    for (const [iss, claim, value] of staging.waiting()) {
      yield { iss: strings.word(iss), claim: strings.word(claim), value };
    }
  }

  const restoreKey = ([iss, claim, value]: RowPosition): RowKey => ({
    iss: strings.word(iss),
    claim: strings.word(claim),
    value: restoreText(value),
  });

  return {
    row,
    apply(cutoffs, mayHold, isBulk) {
      const added: RowKey[] = [];
      const changed: RowKey[] = [];
      for (const cutoff of cutoffs) {
        // The second row of a key that occurs twice in this change is merged with the first.
        if (!mayHold(cutoff) && addNew(cutoff, isBulk)) {
          added.push(cutoff);
          continue;
        }
        const held = row(cutoff.iss, cutoff.claim, cutoff.value);
        const merged = held === undefined ? cutoff : mergeRows(held, cutoff);
        if (held !== undefined && sameRow(held, merged)) continue;
        write(merged, held);
        (held === undefined ? added : changed).push(cutoff);
      }
      return { added, changed, removed: [] };
    },
    remove(iss, before, most, range) {
      const id = strings.find(iss);
      if (id === undefined) return [];
      const removed = sweep.remove(id, before, most, range);
      for (const row of removed) digest.subtract(digestOfRow(row));
      return removed.map(([, claim, value]) => restoreKey([id, claim, value]));
    },
    countRows: () =>
      [...counts.all(), ...staging.countRows()].map(({ iss, claim, rows }) => ({
        iss: strings.word(iss),
        claim: strings.word(claim),
        rows,
      })),
    after(position, most) {
      const [iss, claim, value] = position ?? [-1, -1, ''];
      const stored = following.all(iss, claim, value, most);
      return { keys: stored.map(restoreKey), last: stored.at(-1) };
    },
    isAtMost({ iss, claim, value }, [lastIss, lastClaim, lastValue]) {
      const key: StoredKey = [strings.add(iss), strings.add(claim), storeText(value)];
      return within.get(...key, lastIss, lastClaim, lastValue) === 1;
    },
    moveSome: staging.move,
    moveAll: staging.moveAll,
    waiting,
    rolledBack() {
      strings.reload();
      origins.reload();
      staging.reload();
      sweep.restart();
    },
  };
}

/** Whether two rows of one key are equal: a repeated row is not written again. */
function sameRow(a: CutOffRow, b: CutOffRow): boolean {
  return (
    a.issuedUntil === b.issuedUntil &&
    a.expiresAt === b.expiresAt &&
    a.sessionUntil === b.sessionUntil &&
    a.txn === b.txn &&
    a.reason === b.reason &&
    a.epoch === b.epoch &&
    a.seq === b.seq
  );
}

/** A row of one issuer, in the order of the file. */
type SweepPosition = [claim: number, value: StoredText];

/**
 * Finds expired rows by reading the table, one range at a time. An index by expiry would find them at once, would be half as large as
 * the table itself, and would be a second tree that each new row enters.
 */
interface Sweep {
  /** Examines some `range` rows and removes at most `most`. The next call continues there. */
  remove(iss: number, before: EpochMillis, most: number, range: number): StoredCutoff[];
  restart(): void;
}

const FIRST: SweepPosition = [-1, ''];

const positionOf = (row: StoredCutoff | undefined): SweepPosition | undefined => row && [row[1], row[2]];

function createSweep(database: Database): Sweep {
  const end = database
    .prepare<[number, ...SweepPosition, number], SweepPosition>(
      `SELECT claim, value FROM cutoff WHERE iss = ? AND (claim, value) > (?, ?)
        ORDER BY claim, value LIMIT 1 OFFSET ?`,
    )
    .raw();
  const expired = (limit: string) =>
    `SELECT ${COLUMNS} FROM cutoff WHERE iss = ? AND (claim, value) > (?, ?) ${limit} AND expires_at < ?
      ORDER BY claim, value LIMIT ? + 0`;
  const within = database
    .prepare<[number, ...SweepPosition, ...SweepPosition, number, number], StoredCutoff>(
      expired('AND (claim, value) <= (?, ?)'),
    )
    .raw();
  const toTheEnd = database.prepare<[number, ...SweepPosition, number, number], StoredCutoff>(expired('')).raw();
  const erase = database.prepare<[number, ...SweepPosition]>(
    'DELETE FROM cutoff WHERE iss = ? AND claim = ? AND value = ?',
  );
  /** The next range of an issuer begins after this row. */
  const positions = new Map<number, SweepPosition>();

  return {
    restart: () => positions.clear(),
    remove(iss, before, most, range) {
      if (most <= 0) return [];
      const start = positions.get(iss) ?? FIRST;
      const last = end.get(iss, ...start, range - 1);
      const found =
        last === undefined
          ? toTheEnd.all(iss, ...start, before, most)
          : within.all(iss, ...start, ...last, before, most);
      for (const [, claim, value] of found) erase.run(iss, claim, value);
      const next = found.length === most ? positionOf(found.at(-1)) : last;
      if (next === undefined) positions.delete(iss);
      else positions.set(iss, next);
      return found;
    },
  };
}
