import { fstatSync, readSync } from 'node:fs';

// Tables WITHOUT ROWID as they lie in a file: https://sqlite.org/fileformat2.html, sections 1.6 (b-tree pages) and 2.1 (records).

/** In bytes, as the header of a denylist file has it. */
export const PAGE_BYTES = 4_096;
/** A longer record continues on other pages. */
const MAX_RECORD_BYTES = 1_002;
/** More levels than 2³² pages can have. */
const MAX_LEVELS = 20;
const LEAF = 10;
const INTERIOR = 2;

/**
 * Visits all records of a table WITHOUT ROWID, in order, without SQLite, which takes ten times as long to make JavaScript values of
 * a row as to find it. The file must hold everything that was committed: its write-ahead log is empty.
 * @param file a descriptor. Whoever opens one while SQLite has the file must not close it before SQLite does: on POSIX systems
 *   that would end SQLite's locks.
 * @param root the number of the table's first page
 * @param visit is called with a page, which is used again afterwards, and where in it a record begins
 * @throws Error if anything is other than expected: damage, or a record that continues on another page
 */
export function visitRecords(file: number, root: number, visit: (page: Buffer, at: number) => void): void {
  const pages: Buffer[] = [];
  let left = fstatSync(file).size / PAGE_BYTES;

  function visitCell(page: Buffer, at: number): void {
    const first = page.readUInt8(at);
    const isShort = first < 128;
    const bytes = isShort ? first : ((first & 127) << 7) | page.readUInt8(at + 1);
    const start = at + (isShort ? 1 : 2);
    if (bytes > MAX_RECORD_BYTES || start + bytes > PAGE_BYTES) throw new RangeError('a record of several pages');
    visit(page, start);
  }

  function visitPage(number: number, level: number): void {
    pages[level] ??= Buffer.allocUnsafe(PAGE_BYTES);
    const page = pages[level];
    left -= 1;
    if (left < 0 || level > MAX_LEVELS) throw new RangeError('pages that lead to each other');
    if (readSync(file, page, 0, PAGE_BYTES, (number - 1) * PAGE_BYTES) < PAGE_BYTES)
      throw new RangeError('no such page');
    const isLeaf = page[0] === LEAF;
    if (!isLeaf && page[0] !== INTERIOR) throw new RangeError('a page of another kind');
    const cells = page.readUInt16BE(3);
    for (let cell = 0; cell < cells; cell += 1) {
      const at = page.readUInt16BE((isLeaf ? 8 : 12) + 2 * cell);
      if (!isLeaf) visitPage(page.readUInt32BE(at), level + 1);
      visitCell(page, isLeaf ? at : at + 4);
    }
    if (!isLeaf) visitPage(page.readUInt32BE(8), level + 1);
  }

  visitPage(root, 0);
}

/** Bytes of a number, by its serial type; of 0 there is none (NULL), 8 and 9 are the numbers 0 and 1. */
export const NUMBER_BYTES: readonly number[] = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];

/** @throws RangeError for a type that is no whole number's */
export function readNumber(page: Buffer, at: number, type: number): number | null {
  switch (type) {
    case 0:
      return null;
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
      return page.readIntBE(at, NUMBER_BYTES[type] as number);
    case 6:
      return Number(page.readBigInt64BE(at));
    case 8:
      return 0;
    case 9:
      return 1;
    default:
      throw new RangeError('no whole number');
  }
}

/**
 * The values of a record.
 * @throws RangeError if one of them is a floating-point number, or goes beyond the page
 */
export function readRecord(page: Buffer, at: number): (number | string | Buffer | null)[] {
  const values: (number | string | Buffer | null)[] = [];
  let header = at + 1;
  const end = at + page.readUInt8(at);
  let body = end;
  while (header < end) {
    let type = 0;
    for (let more = true; more; header += 1) {
      const byte = page.readUInt8(header);
      type = type * 128 + (byte & 127);
      more = byte > 127;
    }
    const bytes = type < 12 ? (NUMBER_BYTES[type] ?? 0) : (type - (type % 2) - 12) / 2;
    if (body + bytes > PAGE_BYTES) throw new RangeError('a record of several pages');
    if (type < 12) values.push(readNumber(page, body, type));
    else {
      const content = page.subarray(body, body + bytes);
      values.push(type % 2 === 0 ? content : content.toString('utf8'));
    }
    body += bytes;
  }
  return values;
}
