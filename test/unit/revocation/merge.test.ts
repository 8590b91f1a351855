import type { Cutoff } from '@rescind/revocation';
import { mergeCutoffs, NEVER, NO_SESSION, toCutoff, UNBOUNDED, UNBOUNDED_CLAIMS } from '@rescind/revocation';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ISS, row, rowOfOneKey } from './rows.ts';

describe('merging rows of one key', () => {
  test('is idempotent', () => {
    fc.assert(
      fc.property(rowOfOneKey, (a) => {
        expect(mergeCutoffs(a, a)).toEqual(a);
      }),
    );
  });

  test('is commutative', () => {
    fc.assert(
      fc.property(rowOfOneKey, rowOfOneKey, (a, b) => {
        expect(mergeCutoffs(a, b)).toEqual(mergeCutoffs(b, a));
      }),
    );
  });

  test('is associative', () => {
    fc.assert(
      fc.property(rowOfOneKey, rowOfOneKey, rowOfOneKey, (a, b, c) => {
        expect(mergeCutoffs(mergeCutoffs(a, b), c)).toEqual(mergeCutoffs(a, mergeCutoffs(b, c)));
      }),
    );
  });

  test('takes nothing back: no time of either becomes smaller', () => {
    fc.assert(
      fc.property(rowOfOneKey, rowOfOneKey, (a, b) => {
        const merged = mergeCutoffs(a, b);
        for (const one of [a, b]) {
          expect(merged.issuedUntil).toBeGreaterThanOrEqual(one.issuedUntil);
          expect(merged.expiresAt).toBeGreaterThanOrEqual(one.expiresAt);
          expect(merged.sessionUntil).toBeGreaterThanOrEqual(one.sessionUntil);
        }
      }),
    );
  });

  test('keeps a hard cut-off and a later soft one apart, and names the later', () => {
    const hard = row({ claim: 'sub', value: 'u', issuedUntil: 100, endsSession: true }, 1);
    const soft = row({ claim: 'sub', value: 'u', issuedUntil: 200 }, 2);
    expect(mergeCutoffs(hard, soft)).toMatchObject({ issuedUntil: 200, sessionUntil: 100, txn: 'txn-2' });
  });

  test('names, of two equal in time, the one later in the log', () => {
    const early = row({ claim: 'sub', value: 'u', issuedUntil: 100 }, 9);
    const late = { ...row({ claim: 'sub', value: 'u', issuedUntil: 100 }, 3), epoch: '0002-a' };
    expect(mergeCutoffs(early, late)).toMatchObject({ epoch: '0002-a', seq: 3 });
    expect(mergeCutoffs(early, { ...early, seq: 10, txn: 'ten' })).toMatchObject({ seq: 10, txn: 'ten' });
  });
});

describe('the name of the winner', () => {
  const at = (issuedUntil: number, epoch: string, seq: number) => ({
    ...row({ claim: 'sub', value: 'u', issuedUntil }, seq),
    epoch,
  });
  const winner = (a: Cutoff, b: Cutoff) => [mergeCutoffs(a, b), mergeCutoffs(b, a)].map(({ txn }) => txn);

  test('is that of the later time, wherever it stands in the log', () => {
    expect(winner(at(200, '0001-a', 1), at(100, '0002-a', 9))).toEqual(['txn-1', 'txn-1']);
    expect(winner(at(200, '0001-a', 1), at(100, '0001-a', 9))).toEqual(['txn-1', 'txn-1']);
  });

  test('of equal times is that of the later epoch, then of the later seq', () => {
    expect(winner(at(100, '0002-a', 1), at(100, '0001-a', 9))).toEqual(['txn-1', 'txn-1']);
    expect(winner(at(100, '0001-a', 1), at(100, '0001-a', 9))).toEqual(['txn-9', 'txn-9']);
  });
});

test('what the values of a table mean', () => {
  expect([...UNBOUNDED_CLAIMS]).toEqual(['jti', 'sid', 'kid']);
  // Before every time of issue, 1970 included.
  expect(NO_SESSION).toBeLessThan(0);
  expect([UNBOUNDED, NEVER]).toEqual([Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
});

describe('the row of one denial', () => {
  const origin = { txn: 't', reason: 'r', epoch: 'e', seq: 1 };

  test('without a time is unbounded', () => {
    const denial = { iss: ISS, claim: 'sid', value: 's', expiresAt: 5, endsSession: true };
    expect(toCutoff(denial, origin)).toMatchObject({ issuedUntil: UNBOUNDED, sessionUntil: UNBOUNDED, expiresAt: 5 });
  });

  test('that is soft ends no session', () => {
    const denial = { iss: ISS, claim: 'sub', value: 'u', issuedUntil: 7, expiresAt: 9, endsSession: false };
    expect(toCutoff(denial, origin)).toMatchObject({ issuedUntil: 7, sessionUntil: NO_SESSION });
  });

  test('of a key is kept for good, whatever its event says', () => {
    const denial = { iss: ISS, claim: 'kid', value: 'k', expiresAt: 9, endsSession: false };
    expect(toCutoff(denial, origin).expiresAt).toBe(NEVER);
  });
});
