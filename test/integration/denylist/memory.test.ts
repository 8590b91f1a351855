import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Denylist } from '@rescind/denylist';
import { openDenylist } from '@rescind/denylist';
import type { Telemetry } from '@rescind/revocation';
import { silentTelemetry } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { mergeRows } from '@rescind/revocation/cut-off';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import { cutoff, cutoffs, everything, freshPath, LOG, open, REFUSED, refuseRows, stateAt } from './support.ts';

const lookupsOf = (denylist: Denylist) => denylist.health()[0]?.lookups;

const untilInMemory = (denylist: Denylist) =>
  waitFor('look-ups are answered from memory', () => lookupsOf(denylist) === 'memory', 20_000);

/** More rows than are read from a file at once. */
const MANY = 60_000;

function sessions(count: number, from = 0, expiresAt = 2_000): CutOffRow[] {
  return Array.from({ length: count }, (_, index) => cutoff({ value: `session-${from + index}`, expiresAt }));
}

test('memory and file agree through commits, pruning, reopening, and the memory limit crossed in both directions', async () => {
  const directory = temporaryDirectory();
  let files = 0;
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('commit' as const), rows: cutoffs }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('prune' as const), before: fc.nat(6_000) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('open' as const), most: fc.constantFrom(0, 5, 20, 1_000) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('turn' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.constantFrom(5, 20, 1_000), async (steps, most) => {
      const path = join(directory, `${++files}.db`);
      const issuers = [LOG, 'https://other.example'];
      const rows = new Map<string, CutOffRow>();
      let denylist = openDenylist({ path, maxMemoryEntries: most });
      let seq = 0;
      for (const now of steps) {
        if (now.kind === 'commit') {
          denylist.commit({ state: stateAt(++seq), cutoffs: now.rows });
          for (const row of now.rows) {
            const key = JSON.stringify([row.iss, row.claim, row.value]);
            const held = rows.get(key);
            rows.set(key, held === undefined ? row : mergeRows(held, row));
          }
        } else if (now.kind === 'prune') {
          denylist.prune(issuers, now.before);
          for (const [key, row] of rows) if (row.expiresAt < now.before) rows.delete(key);
        } else if (now.kind === 'open') {
          denylist.close();
          denylist = openDenylist({ path, maxMemoryEntries: now.most });
        } else await new Promise((resolve) => setImmediate(resolve));
        for (const row of rows.values()) expect(denylist.row(row.iss, row.claim, row.value)).toEqual(row);
        const said = everything(denylist);
        expect(said.rows).toHaveLength(rows.size);
        expect(said.count).toBe(rows.size);
      }
      denylist.close();
    }),
    { numRuns: 60 },
  );
});

test('a large file is read between turns of the event loop, and changes made meanwhile are known', async () => {
  const path = freshPath();
  const first = openDenylist({ path });
  first.commit({ state: stateAt(1), cutoffs: sessions(MANY) });
  first.close();

  const denylist = open(path);
  expect(lookupsOf(denylist)).toBe('filling');
  const added = ['a first', 'session-1x', 'zz last'].map((value) => cutoff({ value }, 2));
  const late = cutoff({ claim: 'aud', value: 'reads' }, 3);
  denylist.commit({ state: stateAt(2), cutoffs: [...added, cutoff({ value: 'session-7', expiresAt: 3_000 }, 2)] });
  expect(denylist.row(LOG, 'sid', 'session-59999')).toBeDefined();
  expect(denylist.row(LOG, 'sid', 'session-60000')).toBeUndefined();
  await new Promise((resolve) => setImmediate(resolve));
  denylist.commit({ state: stateAt(3), cutoffs: [late] });
  let removed = denylist.prune([LOG], 2_500, 1_000);
  await untilInMemory(denylist);

  for (const row of added) expect(denylist.row(LOG, 'sid', row.value) !== undefined || removed > 0).toBe(true);
  while (denylist.count() > 1) removed += denylist.prune([LOG], 2_500);
  expect(removed).toBe(MANY + 3);
  expect(denylist.row(LOG, 'sid', 'session-7')?.expiresAt).toBe(3_000);
  for (let index = 0; index < MANY; index += 997) {
    expect(denylist.row(LOG, 'sid', `session-${index}`) === undefined).toBe(index !== 7);
  }
  expect(denylist.row(LOG, 'aud', 'reads')).toBeUndefined();
});

test('a hundred thousand ids of every kind are found, and a hundred thousand others are not', async () => {
  const path = freshPath();
  const kinds = [
    () => randomBytes(16).toString('base64url'),
    () => randomUUID(),
    () => randomBytes(32).toString('base64url'),
    () => `user ${randomBytes(3).toString('hex')} ${randomBytes(9).toString('latin1')}`,
    () => `пользователь-${randomBytes(6).toString('hex')}`,
  ];
  const make = (index: number) => (kinds[index % kinds.length] as () => string)();
  const held = Array.from({ length: 100_000 }, (_, index) => make(index));
  const first = openDenylist({ path });
  for (let from = 0; from < held.length; from += 1_000) {
    const rows = held.slice(from, from + 1_000).map((value) => cutoff({ value }));
    first.commit({ state: stateAt(from), cutoffs: rows });
  }
  expect(lookupsOf(first)).toBe('memory');
  const missing = (denylist: Denylist) => held.filter((value) => denylist.row(LOG, 'sid', value)?.value !== value);
  expect(missing(first)).toEqual([]);
  first.close();

  const denylist = open(path);
  await untilInMemory(denylist);
  expect(missing(denylist)).toEqual([]);
  for (let index = 0; index < 100_000; index++) expect(denylist.row(LOG, 'sid', make(index))).toBeUndefined();
});

test('above the memory limit the file answers, reports it, and memory answers again after rows are removed', async () => {
  const gauges: Record<string, number> = {};
  const telemetry: Telemetry = {
    ...silentTelemetry,
    gauge: (metric, value) => {
      gauges[metric] = value;
    },
  };
  const denylist = openDenylist({ path: freshPath(), telemetry, maxMemoryEntries: 1_000 });
  onTestFinished(() => denylist.close());
  denylist.commit({ state: stateAt(1), cutoffs: sessions(1_000) });
  expect([lookupsOf(denylist), gauges.rescind_denylist_in_memory]).toEqual(['memory', 1]);
  denylist.commit({ state: stateAt(2), cutoffs: sessions(1, 1_000, 9_000) });
  expect([lookupsOf(denylist), gauges.rescind_denylist_in_memory]).toEqual(['file', 0]);
  expect(denylist.health()[0]?.status).toBe('pass');
  for (const index of [0, 999, 1_000]) expect(denylist.row(LOG, 'sid', `session-${index}`)).toBeDefined();
  expect(denylist.row(LOG, 'sid', 'session-1001')).toBeUndefined();

  denylist.prune([LOG], 2_001, 100);
  expect(lookupsOf(denylist)).toBe('file');
  denylist.prune([LOG], 2_001, 100);
  await untilInMemory(denylist);
  expect(gauges.rescind_denylist_in_memory).toBe(1);
  denylist.prune([LOG], 2_001);
  expect(denylist.row(LOG, 'sid', 'session-0')).toBeUndefined();
  expect(denylist.row(LOG, 'sid', 'session-1000')?.expiresAt).toBe(9_000);
});

test('a cached row is never older than the file', () => {
  const denylist = open(freshPath());
  denylist.commit({ state: stateAt(1), cutoffs: [cutoff({ claim: 'sub', value: 'u', issuedUntil: 1_000 })] });
  const rowOf = () => denylist.row(LOG, 'sub', 'u');
  expect(rowOf()).toBe(rowOf());
  denylist.commit({ state: stateAt(2), cutoffs: [cutoff({ claim: 'sub', value: 'u', issuedUntil: 1_500 }, 2)] });
  expect(rowOf()?.issuedUntil).toBe(1_500);
  expect(denylist.row(LOG, 'sid', 'u')).toBeUndefined();
  denylist.commit({ state: stateAt(3), cutoffs: [cutoff({ value: 'u' }, 3)] });
  expect([denylist.row(LOG, 'sid', 'u')?.claim, rowOf()?.claim]).toEqual(['sid', 'sub']);
  denylist.prune([LOG], 3_000);
  expect(rowOf()).toBeUndefined();
});

test('a row of a failed change is written as a new one by the next', () => {
  const path = freshPath();
  const denylist = open(path);
  denylist.commit({ state: stateAt(1), cutoffs: [cutoff()] });
  const accept = refuseRows(path);
  const change = { state: stateAt(2), cutoffs: [cutoff({ value: 's2' }, 2), cutoff({ value: REFUSED }, 2)] };
  expect(() => denylist.commit(change)).toThrow();
  accept();
  denylist.flush();
  expect([denylist.pendingRows(), denylist.count()]).toEqual([0, 3]);
  expect(denylist.row(LOG, 'sid', 's2')).toEqual(cutoff({ value: 's2' }, 2));
});

test('pruning a large table reaches every row, one range at a time', () => {
  const denylist = open(freshPath());
  // Every 50th of them has expired.
  for (let from = 0; from < 250_000; from += 5_000) {
    const cutoffs = sessions(5_000, from, 9_000).map((row, at) => (at % 50 === 0 ? { ...row, expiresAt: 1_000 } : row));
    denylist.commit({ state: stateAt(from), cutoffs });
  }
  for (let beat = 0; beat < 16; beat += 1) denylist.commit({ state: stateAt(250_000), cutoffs: [] });
  const removed: number[] = [];
  for (let call = 0; call < 3; call++) removed.push(denylist.prune([LOG], 2_000));
  expect(removed.every((rows) => rows > 0 && rows < 2_500)).toBe(true);
  expect(denylist.count()).toBe(245_000);
  expect(denylist.prune([LOG], 2_000)).toBe(0);
});

test('the names of claims are returned without an allocation', () => {
  const denylist = open(freshPath());
  expect(denylist.names('https://nobody.example')).toBe(denylist.names('https://nobody.example'));
  denylist.commit({ state: stateAt(1), cutoffs: [cutoff(), cutoff({ claim: 'sub', value: 'u', issuedUntil: 1 })] });
  expect(denylist.names(LOG)).toBe(denylist.names(LOG));
});

test('a memory limit that is no number of rows is refused', () => {
  for (const maxMemoryEntries of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => openDenylist({ path: freshPath(), maxMemoryEntries })).toThrow(/maxMemoryEntries/);
  }
});
