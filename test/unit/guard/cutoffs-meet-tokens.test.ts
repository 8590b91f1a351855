import { openTestKit } from '@rescind/guard/testing';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';

/** The same property of the whole guard, with its cache. test/unit/token covers the spellings of a token's text. */

function open() {
  const kit = openTestKit();
  onTestFinished(() => kit.close());
  const codeOf = (token: string) => {
    const decision = kit.guard.decide(token);
    return decision.accepted ? 'accepted' : decision.error.code;
  };
  return { kit, codeOf };
}

/** Claims that no route and no profile requires: any value is accepted. */
const claims = fc.constantFrom('tenant', 'groups', 'level', 'https://rescind.example/team', 'toString', '');
const scalar = fc.oneof(fc.string({ maxLength: 4 }), fc.integer({ min: -3, max: 3 }), fc.boolean());
const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }));
const odd = fc.constantFrom<unknown>(
  null,
  {},
  { id: 't1' },
  [[]],
  ['t1', ['t2']],
  ['t1', null],
  0.5,
  ['t1', 2 ** 53],
  1e21,
);
/** How often it is used before: not at all, once (its text is known), or in the cache. */
const uses = fc.integer({ min: 0, max: 3 });

describe('a cut-off denies every token with its value', () => {
  it('that is new, was presented once, or is cached', () => {
    fc.assert(
      fc.property(claims, value, uses, fc.boolean(), (claim, held, times, isKnown) => {
        const { kit, codeOf } = open();
        if (isKnown) kit.revoke({ claim, value: 'of before' });
        const token = kit.token({ [claim]: held });
        for (let use = 0; use < times; use += 1) expect(codeOf(token)).toBe('accepted');
        for (const one of [held].flat()) {
          const other = kit.token({ [claim]: one });
          for (let use = 0; use < times; use += 1) expect(codeOf(other)).toBe('accepted');
          kit.revoke({ claim, value: String(one) });
          expect([token, other].map(codeOf)).toEqual(['token_revoked', 'token_revoked']);
          return;
        }
      }),
      { numRuns: 150 },
    );
  });

  it('or that has no unambiguous text', () => {
    fc.assert(
      fc.property(claims, odd, uses, (claim, held, times) => {
        const { kit, codeOf } = open();
        const token = kit.token({ [claim]: held });
        for (let use = 0; use < times; use += 1) expect(codeOf(token)).toBe('accepted');
        kit.revoke({ claim, value: 'unrelated' });
        expect([token, token].map(codeOf)).toEqual(['token_unjudgeable', 'token_unjudgeable']);
      }),
      { numRuns: 100 },
    );
  });
});

it('accepts fractions in times and other claims that no cut-off names', () => {
  const { kit, codeOf } = open();
  const iat = Math.floor(kit.clock.now() / 1000) + 0.25;
  const token = kit.token({ iat, iat_ms: undefined, auth_time: iat, score: 0.87 });
  expect([token, token].map(codeOf)).toEqual(['accepted', 'accepted']);
  kit.revoke({ claim: 'score', value: '0.87' });
  expect(codeOf(token)).toBe('token_unjudgeable');
  expect(kit.guard.explain(token)).toMatchObject({ error: { code: 'token_unjudgeable', detail: 'score' } });
});

it('judges a claim that a profile renames by the name that cut-offs use', () => {
  const kit = openTestKit({ claimNames: { client_id: ['azp', 'appid'] }, requiredClaims: ['sub'] });
  onTestFinished(() => kit.close());
  const codeOf = (token: string) => kit.guard.decide(token).accepted;
  const ofBoth = kit.token({ client_id: undefined, azp: 'web', appid: 'cli' });
  const strange = kit.token({ client_id: undefined, appid: { id: 'cli' } });
  const score = kit.token({ client_id: 'other', appid: 0.5 });
  for (const token of [ofBoth, strange, score]) expect([token, token].map(codeOf)).toEqual([true, true]);
  kit.revoke({ claim: 'client_id', value: 'cli' });
  for (const token of [ofBoth, strange, score]) expect(codeOf(token)).toBe(false);
});

it('refuses every token of a revoked key', () => {
  const { kit, codeOf } = open();
  const token = kit.token();
  const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString());
  expect([token, token].map(codeOf)).toEqual(['accepted', 'accepted']);
  kit.revoke({ claim: 'kid', value: kid });
  expect(codeOf(token)).toBe('token_revoked');
});

describe('a token that is bound to a key of its client', () => {
  it('is refused, whatever its cnf contains', () => {
    const { kit, codeOf } = open();
    for (const cnf of [{ jkt: 'a' }, { 'x5t#S256': 'a' }, { jwk: {} }, {}, null, '', []]) {
      const token = kit.token({ cnf });
      expect([token, token].map(codeOf)).toEqual(['token_sender_constrained', 'token_sender_constrained']);
    }
  });
});
