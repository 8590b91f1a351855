import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { mergeRows, NEVER } from '@rescind/revocation/cut-off';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { cutoffs, everything, stateAt } from './support.ts';

const RUNS = { numRuns: 60 };

let files = 0;

/** A new denylist into which these batches went, one commit each. */
function filled(directory: string, batches: readonly (readonly CutOffRow[])[]) {
  const path = join(directory, `${++files}.db`);
  const denylist = openDenylist({ path });
  batches.forEach((batch, index) => {
    denylist.commit({ state: stateAt(index + 1), cutoffs: batch });
  });
  return { path, denylist };
}

test('any order, any duplication and any split into batches give the same table, and so does opening it again', () => {
  const directory = temporaryDirectory();
  const shuffled = cutoffs.chain((rows) =>
    fc.record({
      rows: fc.constant(rows),
      again: fc.shuffledSubarray([...rows, ...rows], { minLength: rows.length }),
      order: fc.shuffledSubarray(rows, { minLength: rows.length }),
      cuts: fc.array(fc.nat(rows.length * 2), { maxLength: 4 }),
    }),
  );
  fc.assert(
    fc.property(shuffled, ({ rows, again, order, cuts }) => {
      const once = filled(directory, [rows]);
      const sequence = [...again, ...order];
      const marks = [0, ...cuts.sort((a, b) => a - b), sequence.length];
      const other = filled(
        directory,
        marks.slice(1).map((end, index) => sequence.slice(marks[index], end)),
      );
      const expected = everything(once.denylist);
      expect(everything(other.denylist)).toEqual(expected);
      once.denylist.close();
      other.denylist.close();
      const reopened = openDenylist({ path: other.path });
      expect(everything(reopened)).toEqual(expected);
      reopened.close();
    }),
    RUNS,
  );
});

test('the table equals the merge of its rows, and its counts are those of the rows', () => {
  const directory = temporaryDirectory();
  fc.assert(
    fc.property(cutoffs, (rows) => {
      const byHand = new Map<string, CutOffRow>();
      for (const row of rows) {
        const key = JSON.stringify([row.iss, row.claim, row.value]);
        const held = byHand.get(key);
        byHand.set(key, held === undefined ? row : mergeRows(held, row));
      }
      const { denylist } = filled(directory, [rows]);
      for (const row of byHand.values()) expect(denylist.row(row.iss, row.claim, row.value)).toEqual(row);
      const said = everything(denylist);
      expect(said.rows).toHaveLength(byHand.size);
      expect(said.count).toBe(byHand.size);
      for (const [claim, count] of Object.entries(said.byClaim)) {
        expect([...byHand.values()].filter((row) => row.claim === claim)).toHaveLength(count);
      }
      denylist.close();
    }),
    RUNS,
  );
});

test('pruning removes what expired before the time, of these issuers, and never a live entry', () => {
  const directory = temporaryDirectory();
  const before = fc.integer({ min: 0, max: 6_000 });
  const issuers = fc.subarray(['https://login.example', 'https://other.example', 'https://unheard.example']);
  fc.assert(
    fc.property(cutoffs, before, issuers, fc.integer({ min: 1, max: 50 }), (rows, at, of, most) => {
      const { denylist } = filled(directory, [rows]);
      const expected = everything(denylist).rows.filter((row) => !(of.includes(row.iss) && row.expiresAt < at));
      const total = denylist.count();
      let removed = 0;
      for (let last = most; last === most; removed += last) {
        last = denylist.prune(of, at, most);
        expect(last).toBeLessThanOrEqual(most);
      }
      const left = everything(denylist);
      expect(left.rows).toEqual(expected);
      expect(left.count).toBe(expected.length);
      expect(removed).toBe(total - expected.length);
      for (const row of left.rows) expect(denylist.names(row.iss)).toContain(row.claim);
      denylist.close();
    }),
    RUNS,
  );
});

test('the row of a revoked key outlives every time', () => {
  const directory = temporaryDirectory();
  const kid = { ...stateRow(), claim: 'kid', value: 'key-1', expiresAt: NEVER };
  const { denylist } = filled(directory, [[kid]]);
  expect(denylist.prune([kid.iss], Number.MAX_SAFE_INTEGER)).toBe(0);
  expect(denylist.row(kid.iss, 'kid', 'key-1')).toEqual(kid);
  denylist.close();
});

function stateRow(): CutOffRow {
  return {
    iss: 'https://login.example',
    claim: 'sid',
    value: 's',
    issuedUntil: 10,
    expiresAt: 20,
    sessionUntil: -1,
    txn: 't',
    reason: 'key_compromised',
    epoch: '0001-a',
    seq: 1,
  };
}
