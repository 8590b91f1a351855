import { createManualClock } from '@rescind/revocation';
import { createMinuteLimit } from '@rescind/user-management';
import { describe, expect, test } from 'vitest';

const MINUTE_MS = 60_000;
const MINUTE = { each: 3, all: 5 };

function started() {
  const clock = createManualClock(1_800_000_000_000);
  const limit = createMinuteLimit({ ...MINUTE, clock });
  const take = (key: string, times: number) => Array.from({ length: times }, () => limit.take(key));
  return { clock, take };
}

describe('the limit of audited refusals', () => {
  test('permits each key its number in a minute, and no more', () => {
    const { take } = started();
    expect(take('a', 5)).toEqual([true, true, true, false, false]);
    expect(take('b', 1)).toEqual([true]);
  });

  test('permits all keys together their number', () => {
    const { take } = started();
    const keys = Array.from({ length: 8 }, (_, index) => `key ${index}`);
    expect(keys.flatMap((key) => take(key, 1))).toEqual([true, true, true, true, true, false, false, false]);
  });

  test('does not count refused events', () => {
    const { take } = started();
    expect(take('a', 10).filter(Boolean)).toHaveLength(3);
    expect(take('b', 2)).toEqual([true, true]);
    expect(take('c', 1)).toEqual([false]);
  });

  test('permits again after a minute, not before', () => {
    const { clock, take } = started();
    take('a', 5);
    clock.advance(MINUTE_MS - 1);
    expect(take('a', 1)).toEqual([false]);
    clock.advance(1);
    expect(take('a', 4)).toEqual([true, true, true, false]);
    expect(take('b', 3)).toEqual([true, true, false]);
  });
});
