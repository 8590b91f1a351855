import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { openDenylist } from '@rescind/denylist';
import { silentTelemetry } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { NEVER, NO_SESSION, UNBOUNDED } from '@rescind/revocation/cut-off';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { Open } from './support.ts';
import { cutoff, freshPath, mutated, stateAt } from './support.ts';

// At a start the rows are read from the pages of the file. They are the rows that SQLite finds.

/** A file with these rows, closed. */
function fileWith(cutoffs: readonly CutOffRow[]): string {
  const path = freshPath();
  const denylist = openDenylist({ path });
  denylist.commit({ state: stateAt(cutoffs.length), cutoffs });
  denylist.close();
  return path;
}

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url'));
const text = fc.oneof(id, id, fc.uuid(), fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }));
const time = fc.oneof(fc.nat({ max: 2 ** 31 - 1 }), fc.maxSafeNat(), fc.constantFrom(0, 1, 127, 128, UNBOUNDED));
const row: fc.Arbitrary<CutOffRow> = fc.record({
  iss: fc.constantFrom('https://a.example', 'https://b.example'),
  claim: fc.constantFrom('sid', 'sub', 'jti'),
  value: text,
  issuedUntil: time,
  expiresAt: fc.oneof(time, fc.constant(NEVER)),
  sessionUntil: fc.oneof(time, fc.constant(NO_SESSION)),
  txn: text,
  reason: fc.constantFrom('logout', 'password'),
  epoch: fc.constantFrom('0001-a', '0002-b'),
  seq: fc.maxSafeNat(),
});

/** `openDenylist` that finds no rows where their pages cannot be read, or differ from the digest. */
const byPagesAlone = () => mutated('scan.ts', "?? scanTables(database, ['cutoff'])", '?? createSums()');

function isTrusted(open: Open, path: string): boolean {
  const denylist = open({ path, telemetry: silentTelemetry });
  const [check] = denylist.health();
  denylist.close();
  return check?.replaced === undefined;
}

test('the pages have the values that SQLite reads, of rows of every kind', async () => {
  const open = await byPagesAlone();
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 400 }), (rows) => isTrusted(open, fileWith(rows))),
    { numRuns: 30 },
  );
});

test('the pages of a tree of several levels are read', async () => {
  const path = fileWith(fc.sample(row, { numRuns: 20_000, seed: 1 }));
  expect(isTrusted(await byPagesAlone(), path)).toBe(true);
});

test('a row that continues on another page is read by SQLite', async () => {
  const rows = [cutoff({ value: 'x'.repeat(5_000) }, 1), cutoff({ value: 'y' }, 2)];
  expect(isTrusted(openDenylist, fileWith(rows))).toBe(true);
  expect(isTrusted(await byPagesAlone(), fileWith(rows))).toBe(false);
});

test('SQLite compares a file whose write-ahead log another process holds', () => {
  const path = fileWith([cutoff({ value: 'a' }, 1)]);
  const reader = new Database(path);
  onTestFinished(() => void reader.close());
  const writer = openDenylist({ path });
  writer.commit({ state: stateAt(2), cutoffs: [cutoff({ value: 'b' }, 2)] });
  reader.exec('BEGIN');
  expect(reader.prepare('SELECT count(*) FROM log').pluck().get()).toBe(1);
  writer.commit({ state: stateAt(3), cutoffs: [cutoff({ value: 'c' }, 3)] });
  writer.close();

  const again = openDenylist({ path });
  onTestFinished(() => again.close());
  expect(again.count()).toBe(3);
  expect(again.health()[0]).toMatchObject({ status: 'pass' });
});

test('an open denylist keeps the locks of SQLite: a process that reads its file leaves its write-ahead log', () => {
  const path = fileWith([cutoff({ value: 'a' }, 1)]);
  const denylist = openDenylist({ path });
  onTestFinished(() => denylist.close());
  denylist.commit({ state: stateAt(2), cutoffs: [cutoff({ value: 'b' }, 2)] });
  const look = `const { DatabaseSync } = require('node:sqlite');
    const database = new DatabaseSync(process.argv[1]);
    console.log(database.prepare('SELECT count(*) AS count FROM cutoff').get().count);
    database.close();`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', '-e', look, path], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout.trim()).toMatch(/^\d+$/);
  expect(existsSync(`${path}-wal`)).toBe(true);
  denylist.commit({ state: stateAt(3), cutoffs: [cutoff({ value: 'c' }, 3)] });
  expect(denylist.count()).toBe(3);
});
