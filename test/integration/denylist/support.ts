import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Denylist, DenylistOptions } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { toRow } from '@rescind/revocation/cut-off';
import type { LogState } from '@rescind/revocation/log-state';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { onTestFinished } from 'vitest';
import type { CutOffEntry } from '../../support/cut-offs.ts';
import { toCutOff } from '../../support/cut-offs.ts';
import { temporaryDirectory } from '../../support/directory.ts';

export const LOG = 'https://login.example';

export function freshPath(): string {
  return join(temporaryDirectory(), 'denylist.db');
}

/** Opens a denylist that is closed when the test has finished. */
export function open(path: string): Denylist {
  const denylist = openDenylist({ path });
  onTestFinished(() => denylist.close());
  return denylist;
}

/** Copies the file and its write-ahead log while they are in use, as a kill leaves them. */
export function leftByKill(path: string, copy: string): string {
  for (const part of ['', '-wal']) cpSync(path + part, copy + part);
  return copy;
}

/** The beginning of the values of rows that `refuseRows` refuses. */
export const REFUSED = 'refused';

/**
 * Makes SQLite refuse new rows whose value begins with `REFUSED`, and so the transaction they are in, however much was done before.
 * @returns a function that ends this
 */
export function refuseRows(path: string): () => void {
  const tables = ['cutoff', ...Array.from({ length: 16 }, (_, table) => `staged_${table}`)];
  const fail = `WHEN new.value GLOB '${REFUSED}*' BEGIN SELECT raise(ABORT, 'the disk is full'); END`;
  // By the library that has the file open: closing a file in another one would end the locks of this process on it.
  const run = (sql: (table: string) => string) => {
    const file = new Database(path);
    file.exec(`BEGIN IMMEDIATE; ${tables.map(sql).join('; ')}; COMMIT`);
    file.close();
  };
  run((table) => `CREATE TRIGGER refuse_${table} BEFORE INSERT ON ${table} ${fail}`);
  return () => run((table) => `DROP TRIGGER refuse_${table}`);
}

export function stateAt(seq: number, more: Partial<LogState> = {}): LogState {
  return {
    log: LOG,
    epoch: '0001-a',
    seq,
    id: `event-${seq}`,
    head: seq,
    floor: 1,
    logTime: 0,
    wholeAt: 0,
    savedAt: 0,
    suspect: null,
    proof: null,
    hint: null,
    ...more,
  };
}

export function cutoff(more: Partial<CutOffEntry> = {}, seq = 1): CutOffRow {
  const denial = { iss: LOG, claim: 'sid', value: 's1', expiresAt: 2_000, endsSession: true, ...more };
  return toRow(toCutOff(denial), { txn: `txn-${seq}`, reason: 'logout', epoch: '0001-a', seq });
}

const ISSUERS = [LOG, 'https://other.example'];
const CLAIMS = ['jti', 'sid', 'sub', 'client_id', 'kid', 'iss', 'tenant', '__proto__'];
// Spellings of one UUID, numbers as text, texts that UTF-8 or C strings would fold into one: all different values.
const VALUES = [
  '0190c2d4-7a5e-7abc-8def-0123456789ab',
  '0190C2D4-7A5E-7ABC-8DEF-0123456789AB',
  '0190c2d47a5e7abc8def0123456789ab',
  '1',
  '1.0',
  '',
  'a\u0000b',
  'a',
  '\ud800',
  '\ud801',
  '\ufffd',
  'café',
  'cafe\u0301',
];

const time = fc.integer({ min: 0, max: 5_000 });

/** Rows that often share a key, so that they are merged. */
export const cutoffs = fc.array(
  fc
    .record({
      iss: fc.constantFrom(...ISSUERS),
      claim: fc.constantFrom(...CLAIMS),
      value: fc.constantFrom(...VALUES),
      issuedUntil: fc.option(time, { nil: undefined }),
      expiresAt: time,
      endsSession: fc.boolean(),
      seq: fc.integer({ min: 1, max: 40 }),
      epoch: fc.constantFrom('0001-a', '0002-b'),
    })
    .map(({ issuedUntil, epoch, seq, ...denial }) =>
      toRow(toCutOff({ ...denial, issuedUntil }), {
        // Rows with the same position in the log are of the same event, with one revocation and one reason.
        txn: `txn-${epoch}-${seq}`,
        reason: seq % 2 === 0 ? 'logout' : 'password_changed',
        epoch,
        seq,
      }),
    ),
  { maxLength: 40 },
);

/** Everything that the methods of the denylist return: each row, the names of claims, the counts. */
export function everything(denylist: Denylist) {
  const rows: CutOffRow[] = [];
  for (const iss of ISSUERS) {
    for (const claim of CLAIMS) {
      for (const value of VALUES) {
        const row = denylist.row(iss, claim, value);
        if (row !== undefined) rows.push(row);
      }
    }
  }
  const names = ISSUERS.map((iss) => [...denylist.names(iss)].sort());
  return {
    rows,
    names,
    count: denylist.count(),
    byClaim: denylist.countByClaim(),
    pendingRows: denylist.pendingRows(),
  };
}

export type Open = (options: DenylistOptions) => Denylist;

const root = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * `openDenylist` of a copy of the source with one change.
 * @param from a text that occurs in the source once
 */
export async function mutated(file: string, from: string, to: string): Promise<Open> {
  const directory = temporaryDirectory();
  cpSync(join(root, 'packages/denylist'), join(directory, 'denylist'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  const path = join(directory, 'denylist/src', file);
  const source = readFileSync(path, 'utf8');
  if (source.split(from).length !== 2) throw new Error(`${file} has not once: ${from}`);
  writeFileSync(path, source.replace(from, to));
  const module: { openDenylist: Open } = await import(pathToFileURL(join(directory, 'denylist/src/index.ts')).href);
  return module.openDenylist;
}
