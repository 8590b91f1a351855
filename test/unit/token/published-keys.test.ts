import { silentTelemetry } from '@rescind/revocation';
import type { Algorithm } from '@rescind/token';
import { createKeySet, createVerifier, openBulkVerifier } from '@rescind/token';
import * as jose from 'jose';
import { describe, expect, it } from 'vitest';
import { AT, goodClaims, verifierOf } from './raw-tokens.ts';
import { refusal } from './refusals.ts';

/** Key sets as other issuers publish them: members that RFC 7517 leaves out or allows to repeat. */

const ALL = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512'],
  ...['EdDSA', 'Ed25519'],
] as Algorithm[];

interface Pair {
  readonly jwk: jose.JWK;
  sign(header: Partial<jose.JWTHeaderParameters>): Promise<string>;
}

async function makeKey(alg: Algorithm): Promise<Pair> {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  return {
    jwk: await jose.exportJWK(publicKey),
    sign: (header) =>
      new jose.SignJWT(goodClaims()).setProtectedHeader({ alg, typ: 'at+jwt', ...header }).sign(privateKey),
  };
}

const [rsa, otherRsa, ec, ed] = [
  await makeKey('RS256'),
  await makeKey('RS256'),
  await makeKey('ES256'),
  await makeKey('Ed25519'),
];

/** The result of a verifier of these keys for a token. */
function verdict(keys: readonly unknown[], token: string, algorithms: readonly Algorithm[] = ALL): string {
  const verifier = verifierOf({ keys: createKeySet({ keys }), algorithms, kidMayBeAbsent: true });
  return refusal(() => verifier.verify(token, AT));
}

describe('a key without alg', () => {
  const keys = [{ ...rsa.jwk, kid: 'a', use: 'sig', x5t: 'x', issuer: 'https://issuer.example' }];

  it('verifies the configured algorithms that fit its type and curve', async () => {
    for (const alg of ALL) {
      const key = await makeKey(alg);
      const token = await key.sign({ alg, kid: 'a' });
      expect(verdict([{ ...key.jwk, kid: 'a' }], token), alg).toBe('accepted');
      const others = ALL.filter((one) => one !== alg);
      expect(verdict([{ ...key.jwk, kid: 'a' }], token, others), alg).toBe('token_signature_wrong');
    }
  });

  it('verifies no algorithm of another type or curve', async () => {
    const ofAnother = await (await makeKey('ES384')).sign({ kid: 'a' });
    expect(verdict([{ ...ec.jwk, kid: 'a' }], ofAnother)).toBe('token_key_unknown');
    expect(verdict(keys, await ec.sign({ kid: 'a' }))).toBe('token_key_unknown');
    expect(verdict([{ ...ed.jwk, kid: 'a' }], await rsa.sign({ kid: 'a' }))).toBe('token_key_unknown');
  });

  it('is never used as the secret of an HMAC, whatever is configured', async () => {
    expect(() => verdict(keys, '', ['HS256' as Algorithm])).toThrow(TypeError);
    const set = createKeySet({ keys });
    for (const alg of ['HS256', 'HS512', 'none', '', 'toString']) expect(set.find('a', alg)).toBeUndefined();
  });

  it('verifies one algorithm only when it has alg', async () => {
    const bound = [{ ...rsa.jwk, kid: 'a', alg: 'PS256' }];
    expect(verdict(bound, await rsa.sign({ kid: 'a' }))).toBe('token_key_unknown');
  });
});

describe('a key without kid', () => {
  it('verifies tokens without kid, and with an unknown one', async () => {
    const keys = [rsa.jwk, { ...ec.jwk, kid: 'b', alg: 'ES256' }];
    expect(verdict(keys, await rsa.sign({}))).toBe('accepted');
    expect(verdict(keys, await rsa.sign({ kid: 'any' }))).toBe('accepted');
    expect(verdict(keys, await otherRsa.sign({}))).toBe('token_signature_wrong');
    // A kid of one key does not match another key.
    expect(verdict(keys, await rsa.sign({ kid: 'b' }))).toBe('token_key_unknown');
  });

  it('is named by its thumbprint', async () => {
    const name = await jose.calculateJwkThumbprint(rsa.jwk);
    const set = createKeySet({ keys: [rsa.jwk] });
    expect(set.kids()).toEqual([name]);
    expect([set.nameOf(undefined, 'RS256'), set.nameOf('any', 'RS256'), set.nameOf(name, 'RS256')]).toEqual(
      [0, 1, 2].map(() => name),
    );
    expect(createKeySet({ keys: [ed.jwk] }).kids()).toEqual([await jose.calculateJwkThumbprint(ed.jwk)]);
  });

  it('verifies nothing when there are two', async () => {
    expect(verdict([rsa.jwk, otherRsa.jwk], await rsa.sign({}))).toBe('token_key_unknown');
    expect(verdict([rsa.jwk, rsa.jwk], await rsa.sign({}))).toBe('accepted');
    expect(verdict([rsa.jwk, ec.jwk], await ec.sign({}))).toBe('accepted');
  });
});

describe('a token without kid', () => {
  const named = [
    { ...rsa.jwk, kid: 'a', alg: 'RS256' },
    { ...ec.jwk, kid: 'b', alg: 'ES256' },
  ];

  it('is verified by the only key that fits its algorithm, under the name of the key', async () => {
    expect(verdict(named, await ec.sign({}))).toBe('accepted');
    expect(createKeySet({ keys: named }).nameOf(undefined, 'ES256')).toBe('b');
    const twoOfOne = [...named, { ...otherRsa.jwk, kid: 'c', alg: 'RS256' }];
    expect(verdict(twoOfOne, await rsa.sign({}))).toBe('token_key_unknown');
  });

  it('is refused unless the verifier accepts it', async () => {
    const verifier = verifierOf({ keys: createKeySet({ keys: named }) });
    const token = await rsa.sign({});
    expect(refusal(() => verifier.verify(token, AT))).toBe('token_key_unknown');
  });
});

describe('one kid for two algorithms', () => {
  it('names both keys, each for its own algorithm', async () => {
    const keys = [
      { ...rsa.jwk, kid: 'a', alg: 'RS256' },
      { ...otherRsa.jwk, kid: 'a', alg: 'PS256' },
      { ...ec.jwk, kid: 'a' },
      { ...rsa.jwk, kid: 'a', use: 'enc', alg: 'RSA-OAEP' },
    ];
    expect(verdict(keys, await rsa.sign({ kid: 'a' }))).toBe('accepted');
    expect(verdict(keys, await ec.sign({ kid: 'a' }))).toBe('accepted');
    expect(verdict(keys, await otherRsa.sign({ kid: 'a' }))).toBe('token_signature_wrong');
    expect(createKeySet({ keys }).kids()).toEqual(['a']);
  });
});

describe('EdDSA (RFC 8037) and Ed25519 (RFC 9864)', () => {
  it.each([
    ['EdDSA', 'EdDSA'],
    ['EdDSA', 'Ed25519'],
    ['Ed25519', 'EdDSA'],
    ['Ed25519', 'Ed25519'],
    [undefined, 'EdDSA'],
  ] as const)('a key of alg %s verifies a token of alg %s', async (ofKey, ofToken) => {
    const key = await makeKey('EdDSA');
    const keys = [{ ...key.jwk, kid: 'a', ...(ofKey && { alg: ofKey }) }];
    const token = await key.sign({ alg: ofToken, kid: 'a' });
    expect(verdict(keys, token, [ofToken])).toBe('accepted');
    expect(verdict(keys, token, ['RS256'])).toBe('token_signature_wrong');
    const [header, payload] = token.split('.');
    for (const length of [63, 64, 65]) {
      const wrong = `${header}.${payload}.${Buffer.alloc(length, 1).toString('base64url')}`;
      expect(verdict(keys, wrong, [ofToken])).toBe('token_signature_wrong');
    }
  });

  it('are verified by the bulk verifier too', async () => {
    const keys = createKeySet({ keys: [{ ...ed.jwk, kid: 'a', alg: 'EdDSA' }] });
    const options = { keys, issuer: 'https://issuer.example', audience: 'prices', typ: ['at+jwt'] };
    await using bulk = openBulkVerifier({ ...options, algorithms: ['Ed25519'], telemetry: silentTelemetry });
    const token = await ed.sign({ kid: 'a' });
    const wrong = `${token.slice(0, token.lastIndexOf('.'))}.${Buffer.alloc(64, 1).toString('base64url')}`;
    expect(await bulk.verifyAll([token, wrong], AT)).toMatchObject([{ token }, { code: 'token_signature_wrong' }]);
  });
});

it('an unusable key does not affect the others', async () => {
  const keys = [
    { ...rsa.jwk, kid: 'enc', use: 'enc', alg: 'RSA-OAEP' },
    { kty: 'AKP', alg: 'ML-DSA-65', kid: 'new', pub: 'AAAA' },
    { kty: 'oct', k: 'c2VjcmV0', kid: 'secret', alg: 'HS256' },
    { kty: 'RSA', n: 'AQAB', e: 'AQAB', kid: 'small' },
    { kty: 'OKP', crv: 'X25519', x: 'AAAA', kid: 'agreement' },
    null,
    'text',
    { ...ec.jwk, kid: 'good' },
  ];
  expect(createKeySet({ keys }).kids()).toEqual(['good']);
  expect(verdict(keys, await ec.sign({ kid: 'good' }))).toBe('accepted');
});

it('a verifier checks kidMayBeAbsent and algorithms', () => {
  const keys = createKeySet({ keys: [rsa.jwk] });
  const options = { keys, issuer: 'https://issuer.example', audience: 'prices', typ: ['at+jwt'] };
  expect(() => createVerifier({ ...options, algorithms: ['ed25519' as Algorithm] })).toThrow(
    /^algorithms\[0\] must be/,
  );
});
