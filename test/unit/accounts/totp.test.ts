import { findTotpStep, totpCode, totpUri } from '@rescind/accounts';
import { TOTP, URI } from 'otpauth';
import { describe, expect, test } from 'vitest';

/** RFC 6238 appendix B, the last six of its eight digits. */
const RFC_SECRET = Buffer.from('12345678901234567890');
const RFC_CODES: readonly [seconds: number, code: string][] = [
  [59, '287082'],
  [1_111_111_109, '081804'],
  [1_111_111_111, '050471'],
  [1_234_567_890, '005924'],
  [2_000_000_000, '279037'],
  [20_000_000_000, '353130'],
];

describe('one-time codes', () => {
  test.each(RFC_CODES)('of RFC 6238 appendix B at %i s', (seconds, code) => {
    expect(totpCode(RFC_SECRET, Math.floor(seconds / 30))).toBe(code);
  });

  test('equal those of another library that reads the same URI', () => {
    const secret = Buffer.from('48656c6c6f21deadbeef48656c6c6f21deadbeef', 'hex');
    const read = URI.parse(totpUri(secret, 'login.example:3000', 'ada@example.org'));
    expect(read).toBeInstanceOf(TOTP);
    expect([read.issuer, read.label]).toEqual(['login.example 3000', 'ada@example.org']);
    const timestamp = 1_700_000_000_000;
    expect((read as TOTP).generate({ timestamp })).toBe(totpCode(secret, Math.floor(timestamp / 30_000)));
  });

  test('of the step before and after are accepted, of no other, and of a used or earlier step never again', () => {
    const now = 1_000 * 30_000 + 17;
    const find = (step: number, last = 0) => findTotpStep(RFC_SECRET, totpCode(RFC_SECRET, step), now, last);
    expect([998, 999, 1_000, 1_001, 1_002].map((step) => find(step))).toEqual([
      undefined,
      999,
      1_000,
      1_001,
      undefined,
    ]);
    expect(find(1_000, 1_000)).toBeUndefined();
    expect(find(999, 1_000)).toBeUndefined();
    expect(find(1_001, 1_000)).toBe(1_001);
  });

  test.each(['', '28708', '2870822', '28708２', 'abcdef'])('%j is not a code', (code) => {
    expect(findTotpStep(RFC_SECRET, code, 59_000, 0)).toBeUndefined();
  });
});
