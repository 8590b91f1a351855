import type { CutOffRow } from '@rescind/revocation/cut-off';
import { NEVER } from '@rescind/revocation/cut-off';
import type { Verdict } from '@rescind/revocation/judge';
import { judge } from '@rescind/revocation/judge';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AT, base64url, ec, goodClaims, goodHeader, rawToken, verifierOf } from './raw-tokens.ts';
import { refusal } from './refusals.ts';

/** Property: a cut-off refuses every token with its value, in any JSON form and spelling. */

const verifier = verifierOf();
const HEADER = JSON.stringify(goodHeader(ec));

/** Signs a payload with this JSON text of a claim, which libraries may not write. */
function written(claim: string, json: string): string {
  const { [claim]: _, ...rest } = goodClaims();
  return rawToken(
    HEADER,
    JSON.stringify(rest).replace(/\}$/, () => `,${JSON.stringify(claim)}:${json}}`),
    ec,
  );
}

const about = (claim: string, value: string): CutOffRow => ({
  ...{ iss: 'https://issuer.example', claim, value, txn: 't', reason: 'logout', epoch: '1-a', seq: 1 },
  ...{ issuedUntil: AT, expiresAt: NEVER, sessionUntil: AT },
});

/** The verdict of `judge` with all results of the verifier, as every caller uses it. */
function verdictOf(token: string, row: CutOffRow): Verdict {
  const { header, payload, inexact } = verifier.verify(token, AT);
  const isIt = (claim: string, value: string) => claim === row.claim && value === row.value;
  return judge(
    { kid: header.kid, payload, inexact },
    { names: () => [row.claim], row: (_iss, claim, value) => (isIt(claim, value) ? row : undefined) },
  );
}

const CLAIMS = [
  'tenant',
  'groups',
  'https://rescind.example/team',
  '__defineGetter__',
  'toString',
  'a"b\\/\n\t\b\f\r',
  'é\u0001',
  '',
];
const claims = fc.constantFrom(...CLAIMS);

const text = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 8 }),
    fc.constantFrom(
      '',
      '0',
      '1',
      '-1',
      '1.0',
      '1e2',
      'true',
      'null',
      '[object Object]',
      'é',
      'e\u0301',
      '"',
      '\\',
      '}',
    ),
  )
  .map((value) => ({ json: JSON.stringify(value), named: value }));
/** The same text with each character as an escape. */
const escaped = text.map(({ named }) => ({
  named,
  json: `"${[...Array(named.length).keys()].map((at) => `\\u${named.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`,
}));
const scalar = fc.oneof(
  text,
  escaped,
  fc.maxSafeInteger().map((value) => ({ json: String(value), named: String(value) })),
  fc.boolean().map((value) => ({ json: String(value), named: String(value) })),
);
const space = fc.constantFrom('', ' ', '\n', '\t\r');
const more = fc.array(scalar, { maxLength: 3 });

/** Numbers that JSON parsers convert into different texts. */
const ODD_NUMBERS = [
  ...['1e2', '1E2', '1e+2', '100.0', '1.0', '0.0', '-0', '-0.0', '1e-7', '0.5', '-1.5', '1e400', '0e0'],
  ...['9007199254740992', '9007199254740993', '-9007199254740992', '12345678901234567890', '1e21'],
];
const ODD_SHAPES = ['null', '{}', '{"id":"t1"}', '[[]]', '[["t1"]]', '[{"id":"t1"}]', '[null]', '[1,[2]]'];

describe('a cut-off', () => {
  it('refuses a token with its value, alone or in a list', () => {
    fc.assert(
      fc.property(claims, scalar, more, space, fc.boolean(), (claim, value, others, gap, isList) => {
        const list = [...others.slice(1), value, ...others.slice(0, 1)].map(({ json }) => `${gap}${json}${gap}`);
        const token = written(claim, isList ? `[${list.join(',')}]` : `${gap}${value.json}${gap}`);
        expect(verdictOf(token, about(claim, value.named))).toMatchObject({ denied: true, reason: 'revoked' });
        expect(verdictOf(token, about('absent', value.named)).denied).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('of one value refuses no token with another one', () => {
    fc.assert(
      fc.property(claims, scalar, scalar, (claim, value, other) => {
        fc.pre(value.named !== other.named);
        expect(verdictOf(written(claim, value.json), about(claim, other.named)).denied).toBe(false);
      }),
    );
  });

  it('refuses a token whose claim of that name has no unambiguous text', () => {
    fc.assert(
      fc.property(claims, fc.constantFrom(...ODD_NUMBERS, ...ODD_SHAPES), more, space, (claim, odd, others, gap) => {
        const list = [...others.map(({ json }) => json), `${gap}${odd}${gap}`].join(',');
        for (const token of [written(claim, odd), written(claim, `[${list}]`), written(claim, `{"in":${odd}}`)]) {
          expect(verdictOf(token, about(claim, 'any'))).toEqual({ denied: true, reason: 'unjudgeable', claim });
          expect(verdictOf(token, about('absent', 'any')).denied).toBe(false);
        }
      }),
    );
  });

  it('compares texts exactly, without case folding, normalization or trimming', () => {
    for (const [value, other] of [
      ['é', 'e\u0301'],
      ['\u212b', '\u00c5'],
      ['user', 'User'],
      ['user', ' user'],
      ['user', 'user\u200b'],
      ['1', '01'],
    ] as const) {
      expect(verdictOf(written('tenant', JSON.stringify(value)), about('tenant', value)).denied).toBe(true);
      expect(verdictOf(written('tenant', JSON.stringify(other)), about('tenant', value)).denied).toBe(false);
    }
  });
});

describe('identifying claims', () => {
  const codeOf = (token: string) => refusal(() => verifier.verify(token, AT));

  it.each(['sub', 'sid', 'jti', 'client_id', 'azp', 'iss'])(
    '%s is refused as such a number, cut-off or not',
    (claim) => {
      for (const odd of ODD_NUMBERS) {
        const expected = claim === 'iss' ? 'token_issuer_unknown' : 'token_claim_wrong';
        expect(codeOf(written(claim, odd)), odd).toBe(expected);
        if (claim !== 'iss') expect(codeOf(written(claim, `["x",${odd}]`)), odd).toBe('token_claim_wrong');
      }
      if (claim === 'iss') return;
      for (const exact of ['0', '7', '-7', '9007199254740991', '-9007199254740991']) {
        expect(codeOf(written(claim, exact)), exact).toBe('accepted');
      }
    },
  );

  it('include the required claims of a verifier, except times', () => {
    const requiring = verifierOf({ requiredClaims: ['cid', ['appid', 'auth_time']] });
    const code = (claim: string, json: string) => {
      const { [claim]: _, ...rest } = { ...goodClaims(), cid: 'a', appid: 'b' } as Record<string, unknown>;
      const payload = JSON.stringify(rest).replace(/\}$/, () => `,${JSON.stringify(claim)}:${json}}`);
      return refusal(() => requiring.verify(rawToken(HEADER, payload, ec), AT));
    };
    expect([code('cid', '1.0'), code('appid', '1e2')]).toEqual(['token_claim_wrong', 'token_claim_wrong']);
    expect([code('auth_time', '1893456000.5'), code('cid', '1')]).toEqual(['accepted', 'accepted']);
  });

  it('may be beside other numbers with a fraction', () => {
    const token = written('score', '{"lat":48.2,"list":[1e3,0.5]}');
    expect(verifier.verify(token, AT).inexact).toEqual(['score']);
    expect(verifier.verify(written('exp', '1893456900.25'), AT).inexact).toEqual(['exp']);
  });
});

describe('unusual exact numbers', () => {
  it.each([
    ['"1e2"', undefined],
    ['["-0","1.5","a\\"1.5"]', undefined],
    ['{"a:1.5":1,"b":[true,false,null],"e":2}', undefined],
    ['1234567890123456', undefined],
    ['{"a":[{"b":1.5}]}', ['x']],
  ])('%s', (json, inexact) => {
    expect(verifier.verify(written('x', json), AT).inexact).toEqual(inexact);
    expect(base64url(json)).not.toBe('');
  });

  it('are distinguished from the others by their text', () => {
    const isExact = (json: string) => String(JSON.parse(json)) === json && Number.isSafeInteger(JSON.parse(json));
    const digits = fc.stringMatching(/^-?(?:0|[1-9][0-9]{0,19})(?:\.[0-9]{1,3})?(?:[eE][+-]?[0-9]{1,2})?$/);
    fc.assert(
      fc.property(
        fc.array(fc.oneof(digits, fc.maxSafeInteger().map(String)), { maxLength: 4 }),
        claims,
        (list, name) => {
          const token = written(name, `[${list.join(', ')}]`);
          expect(verifier.verify(token, AT).inexact).toEqual(list.every(isExact) ? undefined : [name]);
        },
      ),
      { numRuns: 300 },
    );
  });
});
