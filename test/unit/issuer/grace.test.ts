import { describe, expect, it } from 'vitest';
import { isWithinGrace } from '../../../packages/issuer/src/session/presented.ts';

const USED = 1_800_000_000_000;

describe('a token used again', () => {
  it.each([
    [0, true],
    [10_000, true],
    [10_001, false],
  ])('%i ms after its first use is a retry: %s', (after, expected) => {
    expect(isWithinGrace(USED, USED + after, 10_000)).toBe(expected);
  });

  it.each([1, 10_000, 3_600_000])('%i ms before its first use, by a clock that was set back, is no retry', (before) => {
    expect(isWithinGrace(USED, USED - before, 10_000)).toBe(false);
  });
});
