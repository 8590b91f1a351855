import { changedClaims } from '@rescind/accounts';
import { RequestRefused } from '@rescind/revocation/errors';
import { describe, expect, test } from 'vitest';

describe('claims of an account', () => {
  test('are set and removed by name; the others stay', () => {
    const claims = { roles: ['admin'], tenant: 'acme' };
    expect(changedClaims(claims, { tenant: 'other', level: 3 })).toEqual({
      roles: ['admin'],
      tenant: 'other',
      level: 3,
    });
    expect(changedClaims(claims, { tenant: null })).toEqual({ roles: ['admin'] });
    expect(claims).toEqual({ roles: ['admin'], tenant: 'acme' });
  });

  test.each(['iss', 'sub', 'sid', 'exp', 'iat_ms', 'scope', 'amr', 'acr', 'auth_time', '__proto__', 'a b', '', '1st'])(
    'may not be named %j',
    (name) => {
      const changes = Object.fromEntries([[name, 'x']]);
      expect(() => changedClaims({}, changes)).toThrow(RequestRefused);
      expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    },
  );

  test.each([['', 'x'.repeat(257), Number.NaN, Number.POSITIVE_INFINITY, [''], Array(65).fill('x'), '\ud800']].flat())(
    'may not be %j',
    (value) => {
      expect(() => changedClaims({}, { group: value })).toThrow(RequestRefused);
    },
  );

  test('leave space in the token for other claims', () => {
    const wide = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [`c${index}`, 'x'.repeat(250)]));
    expect(() => changedClaims({}, wide)).toThrow(/3072 bytes/);
  });
});
