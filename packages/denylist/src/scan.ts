import type { Database } from 'better-sqlite3';
import type { Print, Sums } from './digest.ts';
import {
  addTo,
  createRowPrints,
  createRowWords,
  createSums,
  mix,
  printOf,
  putRest,
  putTimeAndSeq,
  TXN,
  VALUE,
} from './digest.ts';
import type { StoredCutoff } from './staging.ts';
import { COLUMNS, TABLES } from './staging.ts';
import type { StoredText } from './text.ts';
import { createOrigins, createWords } from './words.ts';

/** What the digests of a file must be, by everything that is in it. */
export interface Scanned {
  readonly rows: Sums;
  readonly logs: Sums;
}

/** So many rows at once: some 270 kB. */
const CHUNK = 4_096;
/** Less than 15 digits. */
const EXPIRES_BITS = 49;
const ORIGIN_BITS = 24;

/**
 * Rows whose value and `txn` are ids of 16 bytes, without a T, which is nearly all there are. SQLite gives a few thousand of them
 * as one blob, because to make JavaScript values of ten columns takes five times as long as all the rest. All numbers have so
 * few bits that a double holds what is packed. (A blob sorts after every number and every text.)
 */
const PLAIN = `(value >= x'' AND length(value) = 16 AND txn >= x'' AND length(txn) = 16
  AND issued_until IS NULL AND ifnull(session_until, -1) = -1
  AND (expires_at >> ${EXPIRES_BITS}) = 0 AND (seq >> 28) = 0 AND (origin >> ${ORIGIN_BITS}) = 0)`;
/** 65 bytes: two ids, and two numbers of 16 and of 17 digits, the first of which is a 1. */
const PACKED = `value || txn || (expires_at + ${10 ** 15})
  || (((seq << ${ORIGIN_BITS + 1}) | ((session_until IS NULL) << ${ORIGIN_BITS}) | origin) + ${10 ** 16})`;
const PACKED_BYTES = 65;

/** Above every value: of one kind of id SQLite sorts numbers below texts, texts below blobs. */
const FIRST = -1;

/** Reads everything once: 0.4 s for a million rows. */
export function scan(database: Database): Scanned {
  return { rows: scanRows(database), logs: scanLogs(database) };
}

function scanRows(database: Database): Sums {
  const sums = createSums();
  const addAll = createAdder(database, sums);
  const next = database
    .prepare<[number, number], [number, number]>(
      'SELECT iss, claim FROM cutoff WHERE (iss, claim) > (?, ?) ORDER BY iss, claim LIMIT 1',
    )
    .raw();
  const range = 'iss = ? AND claim = ? AND value > ?';
  const end = database
    .prepare<[number, number, StoredText | number, number], StoredText>(
      `SELECT value FROM cutoff WHERE ${range} ORDER BY value LIMIT 1 OFFSET ?`,
    )
    .pluck();
  const chunk = (upTo: string) => ({
    plain: database
      .prepare<unknown[], [count: number, blob: Buffer | null]>(
        `SELECT count(*), CAST(group_concat(${PACKED}, '') AS BLOB) FROM cutoff WHERE ${range} ${upTo} AND ${PLAIN}`,
      )
      .raw(),
    others: database
      .prepare<unknown[], StoredCutoff>(`SELECT ${COLUMNS} FROM cutoff WHERE ${range} ${upTo} AND ${PLAIN} IS NOT TRUE`)
      .raw(),
  });
  const within = chunk('AND value <= ?');
  const toTheEnd = chunk('');

  for (let pair = next.get(-1, -1); pair !== undefined; pair = next.get(...pair)) {
    let from: StoredText | number = FIRST;
    for (;;) {
      const last: StoredText | undefined = end.get(...pair, from, CHUNK - 1);
      const read = last === undefined ? toTheEnd : within;
      const place = last === undefined ? [...pair, from] : [...pair, from, last];
      const [count, blob] = read.plain.get(...place) ?? [0, null];
      if (blob !== null) addAll.plain(blob, ...pair);
      if (last === undefined || count < CHUNK) for (const row of read.others.iterate(...place)) addAll.row(row);
      if (last === undefined) break;
      from = last;
    }
  }
  for (let table = 0; table < TABLES; table += 1) {
    const staged = database.prepare<[], StoredCutoff>(`SELECT ${COLUMNS} FROM staged_${table}`).raw();
    for (const row of staged.iterate()) addAll.row(row);
  }
  return sums;
}

const ZERO = 0x30;

/** A number in decimal digits. */
function digitsIn(blob: Buffer, from: number, to: number): number {
  let number = 0;
  for (let at = from; at < to; at += 1) number = number * 10 + ((blob[at] as number) - ZERO);
  return number;
}

function createAdder(database: Database, sums: Sums) {
  const words = createWords(database);
  const prints = { word: words.print, origin: createOrigins(database, words).prints };
  const print = createRowPrints(prints);
  const parts = createRowWords();
  const mixed = mix(parts);

  /** One row of `PACKED` after the other. */
  function plain(blob: Buffer, iss: number, claim: number): void {
    let known = -1;
    for (let at = 0; at < blob.length; at += PACKED_BYTES) {
      for (let word = 0; word < 4; word += 1) {
        parts[VALUE + word] = blob.readInt32LE(at + word * 4);
        parts[TXN + word] = blob.readInt32LE(at + 16 + word * 4);
      }
      const expiresAt = digitsIn(blob, at + 33, at + 48);
      const packed = digitsIn(blob, at + 49, at + PACKED_BYTES);
      const low = packed % 2 ** (ORIGIN_BITS + 1);
      const seq = (packed - low) / 2 ** (ORIGIN_BITS + 1);
      if (low !== known) {
        // The session and the origin are mostly those of the row before.
        const sessionUntil = low >>> ORIGIN_BITS === 1 ? null : -1;
        putRest(parts, [iss, claim, '', null, expiresAt, sessionUntil, '', low % 2 ** ORIGIN_BITS, seq], prints);
        known = low;
      } else putTimeAndSeq(parts, expiresAt, seq);
      addTo(sums, mix(parts, mixed));
    }
  }

  return { plain, row: (row: StoredCutoff) => addTo(sums, print(row)) };
}

function scanLogs(database: Database): Sums {
  const sums = createSums();
  for (const [sql, print] of LOG_TABLES) {
    for (const row of database.prepare<[], (string | number)[]>(sql).raw().iterate()) addTo(sums, print(...row));
  }
  return sums;
}

const LOG_TABLES: readonly (readonly [sql: string, print: (...row: (string | number)[]) => Print])[] = [
  ['SELECT log, state FROM log', (...row) => printOf('log', ...row)],
  ['SELECT name, text FROM document', (...row) => printOf('document', ...row)],
  ['SELECT log, epoch, seq, jws, why FROM quarantine', (...row) => printOf('quarantine', ...row)],
];
