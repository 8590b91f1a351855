import { RescindError, silentTelemetry } from '@rescind/revocation';
import type { BulkVerifier } from '@rescind/token';
import { createKeySet, createVerifier, openBulkVerifier } from '@rescind/token';
import { publicJwks } from '@rescind/token/signing';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it, test, vi } from 'vitest';
import { AT, ec, goodClaims, goodHeader, rsa, signedToken, verifierOf } from '../token/raw-tokens.ts';
import { refusal } from '../token/refusals.ts';
import { hostileTokens, otherSignature, weakKey } from './corpus.ts';
import { RFC_7515_A2, RFC_7515_A2_KEY } from './published.ts';

const corpus = hostileTokens({ rsa, ec, claims: goodClaims() });
const verifier = verifierOf();
const options = {
  keys: createKeySet(publicJwks([rsa, ec])),
  issuer: 'https://issuer.example',
  audience: 'prices',
  typ: ['at+jwt'],
  requiredClaims: ['sub', 'jti', 'client_id', 'iat'],
};
const bulk: BulkVerifier = openBulkVerifier({ ...options, telemetry: silentTelemetry });
afterAll(() => bulk.close());
afterEach(() => vi.restoreAllMocks());

test.each(corpus)('security $security: refuses $what', ({ text, code }) => {
  expect(refusal(() => verifier.verify(text, AT))).toBe(code);
  expect(Object.hasOwn(Object.prototype, 'admin')).toBe(false);
});

describe('the bulk verifier', () => {
  it('answers each token as the verifier does', async () => {
    const good = [rsa, ec].map((key) => signedToken(goodHeader(key), goodClaims(), key));
    const texts = corpus.flatMap(({ text }, at) => [text, good[at % 2] as string]);
    const answers = await bulk.verifyAll(texts, AT);
    const codes = answers.map((answer) => (answer instanceof RescindError ? answer.code : 'accepted'));
    expect(codes).toEqual(corpus.flatMap(({ code }) => [code, 'accepted']));
    expect(answers[1]).toEqual(verifier.verify(texts[1] as string, AT));
  });

  it('finishes with the same answers when it is closed meanwhile', async () => {
    const closing = openBulkVerifier({ ...options, telemetry: silentTelemetry });
    const texts = [signedToken(), `${signedToken()} `, signedToken(goodHeader(ec), goodClaims(), rsa)];
    const answering = closing.verifyAll(texts, AT);
    await closing.close();
    const codes = (await answering).map((answer) => (answer instanceof RescindError ? answer.code : 'accepted'));
    expect(codes).toEqual(['accepted', 'token_malformed', 'token_signature_wrong']);
  });
});

describe('correctly signed tokens that are refused', () => {
  it('security 2: refuses the token of RFC 7515 A.2 under its own key, without kid, type and issuer', () => {
    const jwk = { ...RFC_7515_A2_KEY, kid: 'rfc', alg: 'RS256', use: 'sig' };
    const keys = createKeySet({ keys: [jwk] });
    const lenient = createVerifier({ ...options, keys, issuer: 'joe', audience: null, requiredClaims: [] });
    expect(refusal(() => lenient.verify(RFC_7515_A2, 1_300_000_000_000))).toBe('token_type_wrong');
  });

  it('security 2: refuses a key of 1 024 bits', () => {
    const jwk = { ...weakKey().publicKey.export({ format: 'jwk' }), kid: 'weak', alg: 'RS256', use: 'sig' };
    expect(() => createKeySet({ keys: [jwk] })).toThrow('no usable key');
  });

  it('the second signature of ES256 is another text of the same token, with the same claims', () => {
    const token = signedToken(goodHeader(ec), goodClaims(), ec);
    const twin = otherSignature(token);
    expect(twin).not.toBe(token);
    expect(otherSignature(twin)).toBe(token);
    expect(verifier.verify(twin, AT).payload).toEqual(verifier.verify(token, AT).payload);
  });
});

describe('security 11: the work is bounded by the length', () => {
  /** The work that a text causes: characters decoded, and JSON parsed. */
  function workOn(text: string): { decoded: number; parsed: number } {
    const from = vi.spyOn(Buffer, 'from');
    const parse = vi.spyOn(JSON, 'parse');
    refusal(() => verifier.verify(text, AT));
    const lengths = from.mock.calls.map(([first]) => (typeof first === 'string' ? first.length : 0));
    const work = { decoded: lengths.reduce((sum, length) => sum + length, 0), parsed: parse.mock.calls.length };
    vi.restoreAllMocks();
    return work;
  }

  it.each(corpus.filter(({ text }) => text.length > 8_192))('decodes nothing of $what', ({ text }) => {
    expect(workOn(text)).toEqual({ decoded: 0, parsed: 0 });
  });

  it('decodes no character twice and parses two objects at most, for all tokens', () => {
    const texts = corpus.map(({ text }) => text);
    const pieces = fc.constantFrom(...texts.filter((text) => text.length < 9_000), signedToken());
    const spliced = fc.tuple(pieces, pieces, fc.nat(), fc.nat()).map(([a, b, x, y]) => {
      return a.slice(0, x % (a.length + 1)) + b.slice(y % (b.length + 1));
    });
    fc.assert(
      fc.property(spliced, (text) => {
        const { decoded, parsed } = workOn(text);
        expect(decoded).toBeLessThanOrEqual(Math.min(text.length, 8_192));
        expect(parsed).toBeLessThanOrEqual(2);
      }),
      { numRuns: 1_000 },
    );
  });
});
