import { createRevocationId, revokedAt } from '@rescind/revocation/cut-off';
import { expect, it } from 'vitest';

const AT = Date.UTC(2026, 10, 23, 12, 0, 0, 123);

it('contains its time, sorts by it, and is unique', () => {
  const ids = Array.from({ length: 200 }, (_, index) => createRevocationId(AT + index));
  expect(ids.map(revokedAt)).toEqual(ids.map((_, index) => AT + index));
  const bits = ids.map((id) => Buffer.from(id, 'base64url').toString('hex'));
  expect(bits.toSorted()).toEqual(bits);
  expect(new Set(Array.from({ length: 200 }, () => createRevocationId(AT))).size).toBe(200);
  for (const id of ids) expect(id).toMatch(/^[\w-]{21}[AQgw]$/);
});

it('reads a time from a UUID of version 7 only', () => {
  expect(revokedAt('019ab0c5-2c7b-7000-8000-000000000000')).toBe(0x019ab0c52c7b);
  const timeless = [
    '019ab0c5-2c7b-4000-8000-000000000000',
    '019ab0c5-2c7b-7000-0000-000000000000',
    'ffffffff-ffff-7000-8000-000000000000',
    '00000000-0000-7000-8000-000000000000',
    'AAAAAAAAAAAAAAAAAAAAAA',
    'logout-1',
    '',
  ];
  for (const txn of timeless) expect(revokedAt(txn), txn).toBeUndefined();
});
