import type { CutOffRow } from '@rescind/revocation/cut-off';
import { mergeRows, NEVER, NO_SESSION, toRow, UNBOUNDED, UNBOUNDED_CLAIMS } from '@rescind/revocation/cut-off';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ISS, row, rowOfOneKey } from './rows.ts';

describe('merging rows of one key', () => {
  test('is idempotent', () => {
    fc.assert(
      fc.property(rowOfOneKey, (a) => {
        expect(mergeRows(a, a)).toEqual(a);
      }),
    );
  });

  test('is commutative', () => {
    fc.assert(
      fc.property(rowOfOneKey, rowOfOneKey, (a, b) => {
        expect(mergeRows(a, b)).toEqual(mergeRows(b, a));
      }),
    );
  });

  test('is associative', () => {
    fc.assert(
      fc.property(rowOfOneKey, rowOfOneKey, rowOfOneKey, (a, b, c) => {
        expect(mergeRows(mergeRows(a, b), c)).toEqual(mergeRows(a, mergeRows(b, c)));
      }),
    );
  });

  test('never decreases a time of either row', () => {
    fc.assert(
      fc.property(rowOfOneKey, rowOfOneKey, (a, b) => {
        const merged = mergeRows(a, b);
        for (const one of [a, b]) {
          expect(merged.issuedUntil).toBeGreaterThanOrEqual(one.issuedUntil);
          expect(merged.expiresAt).toBeGreaterThanOrEqual(one.expiresAt);
          expect(merged.sessionUntil).toBeGreaterThanOrEqual(one.sessionUntil);
        }
      }),
    );
  });

  test('keeps a hard cut-off beside a later soft one, and names the later', () => {
    const hard = row({ claim: 'sub', value: 'u', issuedUntil: 100, endsSession: true }, 1);
    const soft = row({ claim: 'sub', value: 'u', issuedUntil: 200 }, 2);
    expect(mergeRows(hard, soft)).toMatchObject({ issuedUntil: 200, sessionUntil: 100, txn: 'txn-2' });
  });

  test('names the one later in the log, of two equal in time', () => {
    const early = row({ claim: 'sub', value: 'u', issuedUntil: 100 }, 9);
    const late = { ...row({ claim: 'sub', value: 'u', issuedUntil: 100 }, 3), epoch: '0002-a' };
    expect(mergeRows(early, late)).toMatchObject({ epoch: '0002-a', seq: 3 });
    expect(mergeRows(early, { ...early, seq: 10, txn: 'ten' })).toMatchObject({ seq: 10, txn: 'ten' });
  });
});

describe('the event that a merged row names', () => {
  const at = (issuedUntil: number, epoch: string, seq: number) => ({
    ...row({ claim: 'sub', value: 'u', issuedUntil }, seq),
    epoch,
  });
  const winner = (a: CutOffRow, b: CutOffRow) => [mergeRows(a, b), mergeRows(b, a)].map(({ txn }) => txn);

  test('is that of the later time, at any position in the log', () => {
    expect(winner(at(200, '0001-a', 1), at(100, '0002-a', 9))).toEqual(['txn-1', 'txn-1']);
    expect(winner(at(200, '0001-a', 1), at(100, '0001-a', 9))).toEqual(['txn-1', 'txn-1']);
  });

  test('of equal times is that of the later epoch, then of the later seq', () => {
    expect(winner(at(100, '0002-a', 1), at(100, '0001-a', 9))).toEqual(['txn-1', 'txn-1']);
    expect(winner(at(100, '0001-a', 1), at(100, '0001-a', 9))).toEqual(['txn-9', 'txn-9']);
  });
});

test('the special times have their meanings', () => {
  expect([...UNBOUNDED_CLAIMS]).toEqual(['jti', 'sid', 'kid']);
  // Before every time of issue, 1970 included.
  expect(NO_SESSION).toBeLessThan(0);
  expect([UNBOUNDED, NEVER]).toEqual([Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
});

test('the row of one cut-off has its times and its event', () => {
  const cutOff = { iss: ISS, claim: 'sub', value: 'u', issuedUntil: 7, expiresAt: 9, sessionUntil: NO_SESSION };
  const origin = { txn: 't', reason: 'r', epoch: 'e', seq: 1 };
  expect(toRow(cutOff, { ...origin, ...{ jws: 'more' } })).toEqual({ ...cutOff, ...origin });
});
