import type { CutOffRow } from '@rescind/revocation/cut-off';
import type { Find, JudgedToken } from '@rescind/revocation/judge';
import { issuedAt, judge } from '@rescind/revocation/judge';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findIn, ISS, row } from './rows.ts';

const IAT_MS = 1_700_000_000_500;
const IAT = 1_700_000_000;

const token: JudgedToken = {
  kid: 'key-1',
  payload: {
    iss: ISS,
    sub: 'user-1',
    jti: 'token-1',
    sid: 'session-1',
    client_id: 'app-1',
    tenant: 'acme',
    groups: ['staff', 'night', 7, true],
    level: 3,
    beta: false,
    iat: IAT,
    iat_ms: IAT_MS,
  },
};

/** One row for each scope that is about this token. */
const scopes: Record<string, CutOffRow> = {
  token: row({ claim: 'jti', value: 'token-1' }, 1),
  session: row({ claim: 'sid', value: 'session-1', endsSession: true }, 2),
  user: row({ claim: 'sub', value: 'user-1', issuedUntil: IAT_MS, endsSession: true }, 3),
  client: row({ claim: 'client_id', value: 'app-1', issuedUntil: IAT_MS + 1, endsSession: true }, 4),
  key: row({ claim: 'kid', value: 'key-1' }, 5),
  everybody: row({ claim: 'iss', value: ISS, issuedUntil: IAT_MS + 2, endsSession: true }, 6),
  tenant: row({ claim: 'tenant', value: 'acme', issuedUntil: IAT_MS + 3 }, 7),
  'an element of a list': row({ claim: 'groups', value: 'night', issuedUntil: IAT_MS + 4 }, 8),
  'a number in a list': row({ claim: 'groups', value: '7', issuedUntil: IAT_MS + 4 }, 9),
  'a truth value in a list': row({ claim: 'groups', value: 'true', issuedUntil: IAT_MS + 4 }, 10),
  'a number': row({ claim: 'level', value: '3', issuedUntil: IAT_MS + 5 }, 11),
  'a truth value': row({ claim: 'beta', value: 'false', issuedUntil: IAT_MS + 6 }, 12),
};

/** A soft cut-off of the user, as after a change of claims. */
const softUser = row({ claim: 'sub', value: 'user-1', issuedUntil: IAT_MS + 50 }, 13);

const others: readonly CutOffRow[] = [
  row({ claim: 'jti', value: 'token-2' }),
  row({ claim: 'sid', value: 'session-2', endsSession: true }),
  row({ claim: 'sub', value: 'USER-1', issuedUntil: IAT_MS + 9 }),
  row({ claim: 'kid', value: 'key-2' }),
  row({ claim: 'tenant', value: 'acm', issuedUntil: IAT_MS + 9 }),
  row({ claim: 'absent', value: 'undefined', issuedUntil: IAT_MS + 9 }),
  row({ claim: 'toString', value: 'x', issuedUntil: IAT_MS + 9 }),
  row({ claim: 'jti', value: 'token-1', iss: 'https://other.example' }),
  row({ claim: 'iss', value: 'https://other.example', iss: 'https://other.example', issuedUntil: IAT_MS + 9 }),
  row({ claim: 'sub', value: 'user-1', issuedUntil: IAT_MS - 1, endsSession: true }, 20),
];

function strictness(cutoff: CutOffRow): readonly [number, number] {
  return [cutoff.sessionUntil >= IAT_MS ? 1 : 0, cutoff.issuedUntil];
}

function stricter(a: CutOffRow, b: CutOffRow): CutOffRow {
  const [endsA, untilA] = strictness(a);
  const [endsB, untilB] = strictness(b);
  if (endsA !== endsB) return endsA > endsB ? a : b;
  return untilA >= untilB ? a : b;
}

test('a token without a matching row is accepted', () => {
  expect(judge(token, findIn())).toEqual({ denied: false });
  expect(judge(token, findIn(...others))).toEqual({ denied: false });
});

describe('every scope', () => {
  for (const [name, cutoff] of Object.entries(scopes)) {
    test(`${name}: denies alone, whatever else there is`, () => {
      const expected = { denied: true, reason: 'revoked', cutoff, endsSession: cutoff.sessionUntil >= IAT_MS };
      expect(judge(token, findIn(cutoff))).toEqual(expected);
      const rest = others.filter((other) => other.claim !== cutoff.claim || other.value !== cutoff.value);
      expect(judge(token, findIn(...rest, cutoff))).toEqual(expected);
    });
  }

  const all = [...Object.entries(scopes), ['user, softly', softUser] as const];
  for (const [nameA, a] of all) {
    test(`${nameA}: with every other, in both orders, gives the strictest`, () => {
      for (const [, b] of all) {
        if (a === b || (a.claim === b.claim && a.value === b.value)) continue;
        const one = judge(token, findIn(a, b));
        const other = judge(token, findIn(b, a));
        const expected = stricter(a, b);
        for (const verdict of [one, other]) {
          expect(verdict).toMatchObject({ denied: true, endsSession: expected.sessionUntil >= IAT_MS });
          if (!verdict.denied || verdict.reason !== 'revoked') throw new Error('unreachable');
          expect(strictness(verdict.cutoff)).toEqual(strictness(expected));
        }
      }
    });
  }

  test('between a soft and a hard cut-off of one user the token is denied, not the session', () => {
    const find = findIn(
      row({ claim: 'sub', value: 'user-1', issuedUntil: IAT_MS - 1, endsSession: true }, 1),
      softUser,
    );
    expect(judge(token, find)).toMatchObject({ denied: true, endsSession: false });
  });

  test('adding rows never accepts a denied token', () => {
    const known = [...Object.values(scopes), softUser, ...others];
    fc.assert(
      fc.property(fc.subarray(known), fc.subarray(known), (some, more) => {
        if (judge(token, findIn(...some)).denied) expect(judge(token, findIn(...some, ...more)).denied).toBe(true);
      }),
    );
  });
});

describe('the key', () => {
  const find = findIn(row({ claim: 'kid', value: 'key-1' }));

  test('is read from the header, never from the payload', () => {
    expect(judge({ kid: 'key-1', payload: { ...token.payload, kid: 'key-2' } }, find).denied).toBe(true);
    expect(judge({ kid: 'key-2', payload: { ...token.payload, kid: 'key-1' } }, find).denied).toBe(false);
    expect(judge({ payload: { ...token.payload, kid: 'key-1' } }, find).denied).toBe(false);
  });
});

describe('values', () => {
  test('of more elements than the limit are refused, never judged in part', () => {
    const find = findIn(row({ claim: 'groups', value: 'nobody', issuedUntil: 0 }));
    const withGroups = (count: number) => ({ payload: { ...token.payload, groups: Array(count).fill('g') } });
    expect(judge(withGroups(256), find)).toEqual({ denied: false });
    expect(judge(withGroups(257), find)).toEqual({ denied: true, reason: 'unjudgeable', claim: 'groups' });
  });

  test('without an unambiguous text are refused if a cut-off concerns their claim, alone and in a list', () => {
    const find = findIn(row({ claim: 'groups', value: 'nobody', issuedUntil: 0 }));
    const refused = { denied: true, reason: 'unjudgeable', claim: 'groups' };
    const numbers = [2 ** 53, -(2 ** 53), 0.5, -0, 1e21, Number.NaN, Number.POSITIVE_INFINITY];
    for (const value of [{}, { a: 1 }, null, [[]], [['g']], ...numbers]) {
      for (const groups of [value, ['g', value], [value, 'g']]) {
        expect(judge({ payload: { ...token.payload, groups } }, find), JSON.stringify(groups)).toEqual(refused);
        expect(judge({ payload: { ...token.payload, groups } }, findIn(...others)).denied).toBe(false);
      }
    }
    for (const groups of [undefined, [], '', 'g', ['g', ''], 2 ** 53 - 1, [1 - 2 ** 53], true, [false]]) {
      expect(judge({ payload: { ...token.payload, groups } }, find)).toEqual({ denied: false });
    }
  });

  test('that JSON parsers read differently are refused, if the parser reports them', () => {
    const find = findIn(row({ claim: 'level', value: '100', issuedUntil: 0 }));
    const payload = { ...token.payload, level: 100 };
    expect(judge({ payload }, find)).toEqual({ denied: false });
    expect(judge({ payload, inexact: ['other'] }, find)).toEqual({ denied: false });
    expect(judge({ payload, inexact: ['level'] }, find)).toEqual({
      denied: true,
      reason: 'unjudgeable',
      claim: 'level',
    });
  });

  test('are looked up as written, without normalization', () => {
    const asked: string[] = [];
    const find: Find = {
      names: () => ['sub', 'groups', 'missing', 'kid'],
      row: (_iss, _claim, value) => {
        asked.push(value);
        return undefined;
      },
    };
    judge({ payload: { iss: ISS, iat: IAT, sub: '\u00e9', groups: ['e\u0301', '', ' g', 'G', 5, true] } }, find);
    expect(asked).toEqual(['\u00e9', 'e\u0301', '', ' g', 'G', '5', 'true']);
  });

  test('of which two are denied alike: the first one is named', () => {
    const rows = ['sub', 'sid'].map((claim, at) => row({ claim, value: 'v', issuedUntil: IAT_MS }, at + 1));
    const find = findIn(...rows);
    const verdict = judge({ payload: { iss: ISS, iat: IAT, sub: 'v', sid: 'v' } }, find);
    expect(verdict).toMatchObject({ cutoff: { claim: 'sub', txn: 'txn-1' } });
  });

  test('that a payload inherits are ignored', () => {
    const find = findIn(row({ claim: 'sid', value: 'inherited' }));
    const payload = Object.assign(Object.create({ sid: 'inherited' }), { iss: ISS, iat: IAT });
    expect(judge({ payload }, find)).toEqual({ denied: false });
  });
});

describe('the time of issue', () => {
  const cutoffAt = (issuedUntil: number) => findIn(row({ claim: 'sub', value: 'user-1', issuedUntil }));
  const issued = (times: object) => ({ payload: { iss: ISS, sub: 'user-1', ...times } });

  test('counts to the millisecond: denied at the cut-off, accepted one later', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999 }), fc.integer({ min: -2, max: 2 }), (ms, apart) => {
        const at = IAT * 1000 + ms;
        const times = { iat: Math.floor((at + apart) / 1000), iat_ms: at + apart };
        expect(judge(issued(times), cutoffAt(at)).denied).toBe(apart <= 0);
      }),
    );
  });

  test('without iat_ms is the start of its second, so the whole second of another issuer is denied', () => {
    expect(judge(issued({ iat: IAT }), cutoffAt(IAT * 1000)).denied).toBe(true);
    expect(judge(issued({ iat: IAT }), cutoffAt(IAT * 1000 + 999)).denied).toBe(true);
    expect(judge(issued({ iat: IAT + 1 }), cutoffAt(IAT * 1000 + 999)).denied).toBe(false);
    expect(judge(issued({ iat: IAT + 0.9 }), cutoffAt(IAT * 1000)).denied).toBe(true);
  });

  test('ignores an iat_ms outside its second, and one that is no integer', () => {
    for (const iatMs of [IAT * 1000 + 1_000, IAT * 1000 - 1, IAT * 1000 + 0.5, String(IAT_MS), null]) {
      expect(issuedAt({ iat: IAT, iat_ms: iatMs })).toBe(IAT * 1000);
    }
    expect(issuedAt({ iat: IAT, iat_ms: IAT_MS })).toBe(IAT_MS);
  });

  test('is required: a token without a usable iat or iss is refused', () => {
    for (const iat of [undefined, null, String(IAT), Number.NaN, Number.POSITIVE_INFINITY]) {
      const verdict = judge({ payload: { ...token.payload, iat } }, findIn());
      expect(verdict).toEqual({ denied: true, reason: 'unjudgeable', claim: 'iat' });
    }
    const verdict = judge({ payload: { ...token.payload, iss: [ISS] } }, findIn());
    expect(verdict).toEqual({ denied: true, reason: 'unjudgeable', claim: 'iss' });
  });

  test("is earlier by another issuer's skew", () => {
    const at = IAT * 1000;
    const times = issued({ iat: IAT + 2 });
    expect(judge(times, cutoffAt(at), { skewMs: 1_999 }).denied).toBe(false);
    expect(judge(times, cutoffAt(at), { skewMs: 2_000 }).denied).toBe(true);
  });
});
