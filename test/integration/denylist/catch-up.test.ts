import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { mergeRows } from '@rescind/revocation/cut-off';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import { cutoff, freshPath, LOG, leftByKill, open, REFUSED, refuseRows, stateAt } from './support.ts';

// Rows of a change with a hundred or more are staged in a table and move into the main table later. No reader may notice, whatever happens
// in between.

/** The numbers of rows in the tables of a file, which may be in use. */
function tablesOf(path: string) {
  const file = new DatabaseSync(path, { readOnly: true });
  const number = (sql: string) => Number(Object.values(file.prepare(sql).get() ?? {})[0]);
  const tables = Array.from({ length: 16 }, (_, table) => `staged_${table}`);
  const sum = (sqlOf: (table: string) => string) => tables.reduce((all, table) => all + number(sqlOf(table)), 0);
  const held = {
    waiting: sum((table) => `SELECT count(*) FROM ${table}`),
    moved: number('SELECT count(*) FROM cutoff'),
    inBoth: sum((table) => `SELECT count(*) FROM ${table} JOIN cutoff USING (iss, claim, value)`),
  };
  file.close();
  return held;
}

/** Prunes until a call removes nothing, at most a thousand times. */
function pruneAll(denylist: Denylist, ...how: Parameters<Denylist['prune']>): void {
  for (let call = 0; call < 1_000; call += 1) if (denylist.prune(...how) === 0) return;
  throw new Error('there is always something to prune');
}

const bytes = (number: number) => Buffer.from(String(number).padStart(16, '0'));
/** Ids of each form that the file stores differently, texts with equal beginnings, and an empty one. */
const KINDS: readonly ((number: number) => string)[] = [
  (number) => bytes(number).reverse().toString('base64url'),
  (number) => Buffer.concat([bytes(number), bytes(number)]).toString('base64url'),
  (number) =>
    bytes(number)
      .toString('hex')
      .replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
  (number) => `user-${number}`,
  (number) => `${String.fromCharCode(0xd800 + (number % 3))}${number}`,
  (number) => (number === 0 ? '' : `é${number}`),
];
const ISSUERS = [LOG, 'https://other.example'];
const CLAIMS = ['sid', 'sub', 'tenant'];

const keys = fc.record({
  iss: fc.constantFrom(...ISSUERS),
  claim: fc.constantFrom(...CLAIMS),
  kind: fc.nat(KINDS.length - 1),
  number: fc.nat(40),
});
const rows = keys.chain(({ iss, claim, kind, number }) =>
  fc
    .record({
      issuedUntil: fc.nat(5_000),
      expiresAt: fc.nat(5_000),
      endsSession: fc.boolean(),
      seq: fc.integer({ min: 1, max: 40 }),
    })
    .map(({ seq, ...denial }) =>
      cutoff({ iss, claim, value: (KINDS[kind] as (typeof KINDS)[0])(number), ...denial }, seq),
    ),
);

const many = fc.array(rows, { minLength: 100, maxLength: 160 });

const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('many' as const), rows: many }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('few' as const), rows: fc.array(rows, { maxLength: 5 }) }) },
    { weight: 3, arbitrary: fc.constant({ kind: 'beat' as const }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('fails' as const), rows: many }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('open' as const), most: fc.constantFrom(0, 60, 10_000) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'killed' as const }) },
  ),
  { maxLength: 14 },
);

const keyOf = ({ iss, claim, value }: CutOffRow) => JSON.stringify([iss, claim, value]);

class Model {
  readonly rows = new Map<string, CutOffRow>();
  commit(cutoffs: readonly CutOffRow[]): void {
    for (const row of cutoffs) {
      const held = this.rows.get(keyOf(row));
      this.rows.set(keyOf(row), held === undefined ? row : mergeRows(held, row));
    }
  }
  /** @param pending whether some of the rows are pending */
  check(denylist: Denylist, { pending = false } = {}): void {
    for (const row of this.rows.values()) expect(denylist.row(row.iss, row.claim, row.value)).toEqual(row);
    if (!pending) expect(denylist.count()).toBe(this.rows.size);
    for (const iss of ISSUERS) {
      const names = new Set([...this.rows.values()].filter((row) => row.iss === iss).map(({ claim }) => claim));
      expect(new Set(denylist.names(iss))).toEqual(names);
      expect(denylist.row(iss, 'sid', 'nobody')).toBeUndefined();
    }
  }
}

test('staged and moved rows are one table through commits, failures, restarts, a kill and the memory limit', () => {
  const directory = temporaryDirectory();
  let files = 0;
  const nextPath = () => join(directory, `${++files}.db`);
  fc.assert(
    fc.property(steps, (sequence) => {
      const model = new Model();
      let path = nextPath();
      let seq = 0;
      let denylist = openDenylist({ path });
      const commit = (cutoffs: readonly CutOffRow[]) => denylist.commit({ state: stateAt(++seq), cutoffs });
      for (const step of sequence) {
        if (step.kind === 'many' || step.kind === 'few') {
          commit(step.rows);
          model.commit(step.rows);
        } else if (step.kind === 'beat') commit([]);
        else if (step.kind === 'fails') {
          const accept = refuseRows(path);
          const failing = [...step.rows, cutoff({ value: `${REFUSED}-${seq}`, expiresAt: 9_000 })];
          expect(() => commit(failing)).toThrow();
          accept();
          model.commit(failing);
          model.check(denylist, { pending: true });
          denylist.flush();
        } else if (step.kind === 'open') {
          denylist.close();
          denylist = openDenylist({ path, maxMemoryEntries: step.most });
        } else {
          const copy = nextPath();
          leftByKill(path, copy);
          denylist.close();
          path = copy;
          denylist = openDenylist({ path });
        }
        model.check(denylist);
        expect(tablesOf(path).inBoth).toBe(0);
      }
      for (let beat = 0; beat < 64; beat += 1) commit([]);
      model.check(denylist);
      expect(tablesOf(path)).toEqual({ waiting: 0, moved: model.rows.size, inBoth: 0 });
      pruneAll(denylist, ISSUERS, 2_500, 100);
      for (const [key, row] of model.rows) if (row.expiresAt < 2_500) model.rows.delete(key);
      model.check(denylist);
      denylist.close();
    }),
    { numRuns: 60 },
  );
});

const MAKE = [() => randomBytes(16).toString('base64url'), () => randomUUID(), (index: number) => `session-${index}`];

test.each(MAKE)(
  'some of a hundred thousand rows stay staged, few at a time, until the denylist is idle (%#)',
  (make) => {
    const path = freshPath();
    const denylist = open(path);
    const values = Array.from({ length: 100_000 }, (_, index) => make(index));
    let most = 0;
    for (let from = 0; from < values.length; from += 500) {
      const cutoffs = values.slice(from, from + 500).map((value, at) => cutoff({ value }, from + at + 1));
      denylist.commit({ state: stateAt(from + 500), cutoffs });
      // A failed commit leaves staged rows where they were.
      if (from % 2_500 === 0) {
        const accept = refuseRows(path);
        const failing = [...cutoffs, cutoff({ value: `${REFUSED}-${from}` })];
        expect(() => denylist.commit({ state: stateAt(from), cutoffs: failing })).toThrow();
        accept();
        denylist.flush();
      }
      if (from % 10_000 === 0) most = Math.max(most, tablesOf(path).waiting);
    }
    expect(most).toBeGreaterThan(5_000);
    expect(most).toBeLessThanOrEqual(65_536 + 500);
    expect(tablesOf(path)).toMatchObject({ inBoth: 0 });
    const missing = (which: Denylist) => values.filter((value, at) => which.row(LOG, 'sid', value)?.seq !== at + 1);
    expect(missing(denylist)).toEqual([]);
    // A change of one row moves nothing; a heartbeat moves a part.
    const { waiting } = tablesOf(path);
    denylist.commit({ state: stateAt(100_001), cutoffs: [cutoff({ value: 'one' })] });
    expect(tablesOf(path).waiting).toBe(waiting);
    for (let beat = 0; beat < 64; beat += 1) denylist.commit({ state: stateAt(100_002 + beat), cutoffs: [] });
    expect(tablesOf(path)).toEqual({ waiting: 0, moved: 100_041, inBoth: 0 });
    expect(missing(denylist)).toEqual([]);
  },
);

test('staged rows of a killed process are counted and found after the next open', () => {
  const path = freshPath();
  const first = open(path);
  const cutoffs = Array.from({ length: 200 }, (_, index) => cutoff({ value: `session-${index}` }));
  first.commit({ state: stateAt(200), cutoffs });
  const left = leftByKill(path, freshPath());
  const again = open(left);
  expect(tablesOf(left)).toEqual({ waiting: 200, moved: 0, inBoth: 0 });
  expect([again.count(), again.countByClaim()]).toEqual([200, { sid: 200 }]);
  expect(again.row(LOG, 'sid', 'session-7')?.value).toBe('session-7');
  again.commit({ state: stateAt(201), cutoffs: [] });
  expect(tablesOf(left)).toEqual({ waiting: 0, moved: 200, inBoth: 0 });
});

test('a closed file has all rows in order', () => {
  const path = freshPath();
  const first = openDenylist({ path });
  const cutoffs = Array.from({ length: 2_000 }, (_, index) => cutoff({ value: KINDS[index % 4]?.(index) ?? '' }));
  first.commit({ state: stateAt(200), cutoffs });
  expect(tablesOf(path)).toEqual({ waiting: 2_000, moved: 0, inBoth: 0 });
  first.close();
  expect(tablesOf(path)).toEqual({ waiting: 0, moved: 2_000, inBoth: 0 });
});

test('no row is moved while a large file is read into memory, and staged rows are known afterwards', async () => {
  const filled = freshPath();
  const first = openDenylist({ path: filled });
  const values = Array.from({ length: 100_000 }, () => randomBytes(16).toString('base64url'));
  for (let from = 0; from < values.length; from += 1_000) {
    const cutoffs = values.slice(from, from + 1_000).map((value) => cutoff({ value }));
    first.commit({ state: stateAt(from), cutoffs });
  }
  const path = leftByKill(filled, freshPath());
  first.close();
  const { waiting } = tablesOf(path);
  expect(waiting).toBeGreaterThan(30_000);
  const again = open(path);
  expect(again.health()[0]?.lookups).toBe('filling');
  again.commit({ state: stateAt(100_001), cutoffs: [] });
  again.prune([LOG], 1);
  expect(tablesOf(path).waiting).toBe(waiting);
  const isFilled = () => again.health()[0]?.lookups === 'memory';
  await waitFor('memory is filled', isFilled, 20_000);
  expect(values.filter((value) => again.row(LOG, 'sid', value) === undefined)).toEqual([]);
  expect(again.count()).toBe(100_000);
  // Pruning removes each row once, from memory too: the count is 0 then.
  for (let beat = 0; beat < 64; beat += 1) again.commit({ state: stateAt(100_002), cutoffs: [] });
  pruneAll(again, [LOG], 2_001);
  expect(again.count()).toBe(0);
});

test('refilled memory knows the staged rows', async () => {
  const path = freshPath();
  const denylist = openDenylist({ path, maxMemoryEntries: 1_000 });
  onTestFinished(() => denylist.close());
  const values = Array.from({ length: 800 }, () => randomBytes(16).toString('base64url'));
  const lasting = values.map((value) => cutoff({ value, expiresAt: 9_000 }));
  denylist.commit({ state: stateAt(1), cutoffs: lasting });
  for (let from = 0; from < 300; from += 50) {
    const passing = Array.from({ length: 50 }, (_, index) => cutoff({ value: `session-${from + index}` }));
    denylist.commit({ state: stateAt(2), cutoffs: passing });
  }
  expect([denylist.health()[0]?.lookups, tablesOf(path).waiting]).toEqual(['file', 800]);
  denylist.prune([LOG], 2_001);
  expect(tablesOf(path).waiting).toBeGreaterThan(500);
  await waitFor('memory is filled again', () => denylist.health()[0]?.lookups === 'memory', 20_000);
  expect(values.filter((value) => denylist.row(LOG, 'sid', value) === undefined)).toEqual([]);
  expect(tablesOf(path).inBoth).toBe(0);
});

test('pruning removes staged rows', () => {
  const denylist = open(freshPath());
  const cutoffs = Array.from({ length: 2_000 }, (_, index) => cutoff({ value: KINDS[index % 4]?.(index) ?? '' }));
  denylist.commit({ state: stateAt(2_000), cutoffs });
  let removed = 0;
  for (let call = 0; call < 64; call += 1) removed += denylist.prune([LOG], 2_001);
  expect([removed, denylist.count()]).toEqual([2_000, 0]);
});
