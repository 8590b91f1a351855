import { hash } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import type { StoredCutoff } from './staging.ts';
import type { StoredText } from './stored-text.ts';

/** A hash of 128 bits: four words of 32. */
export type RowDigest = Int32Array & { readonly length: 4 };

const WORDS = 4;
const createRowDigest = () => new Int32Array(WORDS) as RowDigest;

/**
 * The digest of a set of rows: four sums, each of one word of the digests of the rows modulo 2³², and the number of rows. Sums and no
 * exclusive-or, under which a row that is there twice would be as one that is not there.
 */
export interface DigestSums {
  readonly words: RowDigest;
  entries: number;
}

export const createSums = (): DigestSums => ({ words: createRowDigest(), entries: 0 });

export function addTo(sums: DigestSums, digest: RowDigest): void {
  for (let at = 0; at < WORDS; at += 1) sums.words[at] = ((sums.words[at] as number) + (digest[at] as number)) | 0;
  sums.entries += 1;
}

/** Adds the rows of another set. */
export function addSums(sums: DigestSums, { words, entries }: DigestSums): void {
  addTo(sums, words);
  sums.entries += entries - 1;
}

function subtractFrom(sums: DigestSums, digest: RowDigest): void {
  for (let at = 0; at < WORDS; at += 1) sums.words[at] = ((sums.words[at] as number) - (digest[at] as number)) | 0;
  sums.entries -= 1;
}

const isSame = (a: DigestSums, b: DigestSums): boolean =>
  a.entries === b.entries && a.words.every((word, at) => word === b.words[at]);

function assign(sums: DigestSums, from: DigestSums): void {
  sums.words.set(from.words);
  sums.entries = from.entries;
}

/** The digest of a text or a list of texts. No two lists have the same encoding. */
export function digestOf(...texts: readonly (string | number)[]): RowDigest {
  return readWords(hash('sha256', JSON.stringify(texts), 'buffer'), createRowDigest());
}

function readWords(bytes: Buffer, into: Int32Array, at = 0): RowDigest {
  for (let word = 0; word < WORDS; word += 1) into[at + word] = bytes.readInt32LE(word * 4);
  return into as RowDigest;
}

/** Writes the bytes of an id as they are, and a hash of any other text. Different texts have different forms in the file. */
function putText(stored: StoredText, into: Int32Array, at: number): void {
  if (typeof stored !== 'string' && stored.length === 16) readWords(stored, into, at);
  else into.set(typeof stored === 'string' ? digestOf(stored) : digestOf(stored.toString('hex'), stored.length), at);
}

/** Above every whole number that a row has. */
const NULL_HIGH = 0x7fffffff;

function putNumber(number: number | null, into: Int32Array, at: number): void {
  into[at] = number ?? -1;
  into[at + 1] = number === null ? NULL_HIGH : Math.floor(number / 0x1_0000_0000);
}

/** The words of a row, in the order in which they are mixed. */
export const VALUE = 0;
export const TXN = 4;
const ISS = 8;
const CLAIM = 12;
const REASON = 16;
const EPOCH = 20;
const ISSUED_UNTIL = 24;
const EXPIRES_AT = 26;
const SESSION_UNTIL = 28;
const SEQ = 30;
const ROW_WORDS = 32;

/** The digests of the texts that the numbers of a row stand for. */
export interface TextDigests {
  /** The digest of a string, by its number. */
  word(id: number): RowDigest;
  /** The digests of a pair of a reason and an epoch, by its number. */
  origin(id: number): { readonly reason: RowDigest; readonly epoch: RowDigest };
}

/** Writes the parts of a row that are strings and numbers; the caller writes `VALUE` and `TXN`. */
export function putRest(
  into: Int32Array,
  [iss, claim, , issuedUntil, expiresAt, sessionUntil, , origin, seq]: StoredCutoff,
  digests: TextDigests,
): void {
  const { reason, epoch } = digests.origin(origin);
  into.set(digests.word(iss), ISS);
  into.set(digests.word(claim), CLAIM);
  into.set(reason, REASON);
  into.set(epoch, EPOCH);
  putNumber(issuedUntil, into, ISSUED_UNTIL);
  putNumber(sessionUntil, into, SESSION_UNTIL);
  putTimeAndSeq(into, expiresAt, seq);
}

export function putTimeAndSeq(into: Int32Array, expiresAt: number | null, seq: number): void {
  putNumber(expiresAt, into, EXPIRES_AT);
  putNumber(seq, into, SEQ);
}

export const createRowWords = () => new Int32Array(ROW_WORDS);

/** The digest of a row: of its content, in whichever table, with the texts that its numbers stand for. */
export function createRowDigester(digests: TextDigests): (row: StoredCutoff) => RowDigest {
  const words = createRowWords();
  const digest = createRowDigest();
  return (row) => {
    putText(row[2], words, VALUE);
    putText(row[6], words, TXN);
    putRest(words, row, digests);
    return mix(words, digest);
  };
}

/**
 * MurmurHash3 (x86, 128 bits) of whole blocks of four words. It has to tell damage, not an enemy: whoever writes into the file
 * writes the sums, too.
 */
export function mix(words: Int32Array, into: RowDigest = createRowDigest()): RowDigest {
  let h1 = 0;
  let h2 = 0;
  let h3 = 0;
  let h4 = 0;
  for (let at = 0; at < words.length; at += WORDS) {
    h1 ^= Math.imul(rotate(Math.imul(words[at] as number, 0x239b961b), 15), 0xab0e9789);
    h1 = (Math.imul((rotate(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotate(Math.imul(words[at + 1] as number, 0xab0e9789), 16), 0x38b34ae5);
    h2 = (Math.imul((rotate(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotate(Math.imul(words[at + 2] as number, 0x38b34ae5), 17), 0xa1e38b93);
    h3 = (Math.imul((rotate(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotate(Math.imul(words[at + 3] as number, 0xa1e38b93), 18), 0x239b961b);
    h4 = (Math.imul((rotate(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  const length = words.length * 4;
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = finish((h2 + h1) | 0);
  h3 = finish((h3 + h1) | 0);
  h4 = finish((h4 + h1) | 0);
  h1 = finish(h1);
  h1 = (h1 + h2 + h3 + h4) | 0;
  into[0] = h1;
  into[1] = (h2 + h1) | 0;
  into[2] = (h3 + h1) | 0;
  into[3] = (h4 + h1) | 0;
  return into;
}

const rotate = (word: number, by: number) => (word << by) | (word >>> (32 - by));

function finish(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

/** The sums to which new rows are added, and from which removed rows are subtracted. */
export interface TableDigest {
  add(digest: RowDigest): void;
  subtract(digest: RowDigest): void;
}

/** Both digests of a file: of its rows, and of its log states, quarantine and documents. */
export interface Digests {
  readonly rows: TableDigest;
  readonly logs: TableDigest;
  /** Whether they equal the sums of the file. */
  matches(scanned: { readonly rows: DigestSums; readonly logs: DigestSums }): boolean;
  /** Writes them, inside the caller's transaction. */
  save(): void;
  /** To be called when a transaction has been committed, or was rolled back. */
  committed(): void;
  rolledBack(): void;
}

/** In the order in which they lie in the file. */
const NAMES = ['logs', 'rows'] as const;

/** The digests as the file has them. Undefined: it does not have both. */
export function openDigests(database: Database): Digests | undefined {
  const read = database.prepare<[string], { sums: Buffer; entries: number }>(
    'SELECT sums, entries FROM digest WHERE name = ?',
  );
  const kept = NAMES.map((name) => ({ name, found: read.get(name), now: createSums(), saved: createSums() }));
  for (const { found, now, saved } of kept) {
    if (found?.sums.length !== WORDS * 4) return undefined;
    readWords(found.sums, now.words);
    now.entries = found.entries;
    assign(saved, now);
  }
  const [logs, rows] = kept.map(({ now }) => now) as [DigestSums, DigestSums];
  const tableDigestOf = (sums: DigestSums): TableDigest => ({
    add: (digest) => addTo(sums, digest),
    subtract: (digest) => subtractFrom(sums, digest),
  });
  const write = createWriter(database);
  return {
    rows: tableDigestOf(rows),
    logs: tableDigestOf(logs),
    matches: (scanned) => isSame(rows, scanned.rows) && isSame(logs, scanned.logs),
    save() {
      for (const { name, now, saved } of kept) if (!isSame(now, saved)) write(name, now);
    },
    committed() {
      for (const { now, saved } of kept) assign(saved, now);
    },
    rolledBack() {
      for (const { now, saved } of kept) assign(now, saved);
    },
  };
}

/** Writes the digests of a file that has none, with the version of the file, inside the caller's transaction. */
export function writeDigests(
  database: Database,
  sums: { readonly rows: DigestSums; readonly logs: DigestSums },
  version: number,
): void {
  const write = createWriter(database);
  for (const name of NAMES) write(name, sums[name]);
  write('version', { ...createSums(), entries: version });
}

/** The version that was written beside the digests; the header of the file has it, too. */
export function storedVersion(database: Database): number | undefined {
  const hasDigest = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'digest'").get() !== undefined;
  if (!hasDigest) return undefined;
  return database.prepare<[], number>("SELECT entries FROM digest WHERE name = 'version'").pluck().get();
}

function createWriter(database: Database) {
  const statement = database.prepare<[string, Buffer, number]>(
    'INSERT OR REPLACE INTO digest (name, sums, entries) VALUES (?, ?, ?)',
  );
  return (name: string, { words, entries }: DigestSums) => {
    const bytes = Buffer.alloc(WORDS * 4);
    for (let at = 0; at < WORDS; at += 1) bytes.writeInt32LE(words[at] as number, at * 4);
    statement.run(name, bytes, entries);
  };
}
