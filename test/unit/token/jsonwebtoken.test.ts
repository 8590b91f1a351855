import type { KeyObject } from 'node:crypto';
import { constants, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { createKeySet, createVerifier, parseCompactJws } from '@rescind/token';
import fc from 'fast-check';
import jwt from 'jsonwebtoken';
import { describe, expect, it } from 'vitest';
import { AT, base64url, ec, goodClaims, goodHeader, rawToken, rsa, signedToken, verifierOf } from './raw-tokens.ts';
import { refusal } from './refusals.ts';

const verifier = verifierOf();

/** Whether jsonwebtoken accepts the signature, with the one algorithm of the key, as the verifier uses it. */
function jsonwebtokenTakes(token: string, key: KeyObject, alg: jwt.Algorithm): boolean {
  try {
    jwt.verify(token, key, { algorithms: [alg], ignoreExpiration: true, ignoreNotBefore: true });
    return true;
  } catch {
    return false;
  }
}

/** For a well-formed token with a valid header both verifiers agree about the signature. */
function expectSameAnswer(token: string, one: typeof rsa): boolean {
  const mine = refusal(() => verifier.verify(token, AT));
  const theirs = jsonwebtokenTakes(token, one.publicKey, one.alg);
  expect(mine === 'token_signature_wrong', `${mine} ${token}`).toBe(!theirs);
  return theirs;
}

const anyKey = fc.constantFrom(rsa, ec);
const bytesOf = (token: string) => Buffer.from(token.split('.')[2] ?? '', 'base64url');
const withSignature = (token: string, bytes: Uint8Array) =>
  token.split('.').with(2, Buffer.from(bytes).toString('base64url')).join('.');

describe('a signature is verified as by jsonwebtoken', () => {
  it('when it is valid, whatever the claims, which are parsed alike', () => {
    const claims = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 6 });
    fc.assert(
      fc.property(anyKey, claims, (one, extra) => {
        const token = signedToken(goodHeader(one), { ...extra, ...goodClaims() }, one);
        fc.pre(refusal(() => parseCompactJws(token)) === 'accepted');
        expect(expectSameAnswer(token, one)).toBe(true);
        const read = jwt.verify(token, one.publicKey, { algorithms: [one.alg], ignoreExpiration: true });
        expect(verifier.verify(token, AT).payload).toEqual(read);
      }),
      { numRuns: 300 },
    );
  });

  it('when a bit differs, or bytes are missing, added or repeated', () => {
    const good = new Map([rsa, ec].map((one) => [one, signedToken(goodHeader(one), goodClaims(), one)]));
    const change = fc.oneof(
      fc.nat().map((bit) => (bytes: Buffer) => {
        const at = bit % (bytes.length * 8);
        bytes[at >> 3] = (bytes[at >> 3] ?? 0) ^ (1 << (at & 7));
        return bytes;
      }),
      fc.nat().map((at) => (bytes: Buffer) => bytes.subarray(0, at % (bytes.length + 1))),
      fc.uint8Array({ minLength: 1, maxLength: 70 }).map((more) => (bytes: Buffer) => Buffer.concat([bytes, more])),
      fc.uint8Array({ minLength: 1, maxLength: 70 }).map((more) => (bytes: Buffer) => Buffer.concat([more, bytes])),
      fc.constant((bytes: Buffer) => Buffer.concat([bytes, bytes])),
      fc.constant((bytes: Buffer) => Buffer.from(bytes).reverse()),
      fc.constant((bytes: Buffer) => Buffer.alloc(bytes.length)),
      fc.constant((bytes: Buffer) => Buffer.concat([Buffer.alloc(bytes.length / 2), bytes.subarray(bytes.length / 2)])),
      fc.constant((bytes: Buffer) =>
        Buffer.concat([bytes.subarray(0, bytes.length / 2), Buffer.alloc(bytes.length / 2)]),
      ),
      fc.uint8Array({ minLength: 1, maxLength: 300 }).map((other) => () => Buffer.from(other)),
    );
    fc.assert(
      fc.property(anyKey, change, (one, changed) => {
        const token = good.get(one) ?? '';
        const other = withSignature(token, changed(bytesOf(token)));
        fc.pre(other !== token && refusal(() => parseCompactJws(other)) === 'accepted');
        expect(expectSameAnswer(other, one)).toBe(false);
      }),
      { numRuns: 1_500 },
    );
  });

  it('when another text is signed', () => {
    fc.assert(
      fc.property(anyKey, fc.constantFrom(...Object.keys(goodClaims())), fc.jsonValue(), (one, name, value) => {
        const claims = { ...goodClaims(), [name]: value };
        fc.pre(JSON.stringify(claims) !== JSON.stringify(goodClaims()));
        const token = signedToken(goodHeader(one), goodClaims(), one)
          .split('.')
          .with(1, base64url(JSON.stringify(claims)))
          .join('.');
        fc.pre(refusal(() => parseCompactJws(token)) === 'accepted');
        expect(expectSameAnswer(token, one)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('when R or S begins with zeros or with a high bit: a thousand ES256 signatures', () => {
    for (let i = 0; i < 1_000; i += 1) {
      const token = rawToken(JSON.stringify(goodHeader(ec)), JSON.stringify({ ...goodClaims(), i }), ec);
      expect(expectSameAnswer(token, ec)).toBe(true);
    }
  });

  it('when it is a signature of the other encoding', () => {
    const token = signedToken(goodHeader(ec), goodClaims(), ec);
    const input = token.slice(0, token.lastIndexOf('.'));
    const der = withSignature(token, sign('sha256', Buffer.from(input), ec.privateKey));
    expect(expectSameAnswer(der, ec)).toBe(false);
  });
});

describe('every supported algorithm', () => {
  const rsaPair = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const pairs = {
    RS256: rsaPair,
    RS384: rsaPair,
    RS512: rsaPair,
    PS256: rsaPair,
    PS384: rsaPair,
    PS512: rsaPair,
    ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    ES384: generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    ES512: generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  } as const;

  it.each(Object.keys(pairs) as (keyof typeof pairs)[])('%s: as jsonwebtoken has it', (alg) => {
    const { publicKey, privateKey } = pairs[alg];
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k', alg };
    const one = verifierOf({ keys: createKeySet({ keys: [jwk] }), algorithms: [alg] });
    for (let i = 0; i < 20; i += 1) {
      const header = { alg, typ: 'at+jwt', kid: 'k' };
      const token = jwt.sign(goodClaims(), privateKey, { algorithm: alg, header });
      expect(one.verify(token, AT).payload).toMatchObject({ sub: 'user-1' });
      const forged = withSignature(token, randomBytes(bytesOf(token).length));
      expect(jsonwebtokenTakes(forged, publicKey, alg)).toBe(false);
      expect(refusal(() => one.verify(forged, AT))).toBe('token_signature_wrong');
    }
  });

  it.each([
    ['PS256', 'sha256', 32],
    ['PS384', 'sha384', 48],
    ['PS512', 'sha512', 64],
  ] as const)('%s: refuses a salt of another length than the digest, as jsonwebtoken does', (alg, digest, bytes) => {
    const { publicKey, privateKey } = rsaPair;
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k', alg };
    const one = verifierOf({ keys: createKeySet({ keys: [jwk] }), algorithms: [alg] });
    const header = `{"alg":"${alg}","typ":"at+jwt","kid":"k"}`;
    const input = `${base64url(header)}.${base64url(JSON.stringify(goodClaims()))}`;
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    for (const saltLength of [0, bytes - 1, bytes, bytes + 1]) {
      const signature = sign(digest, Buffer.from(input), { key: privateKey, padding, saltLength });
      const token = `${input}.${base64url(signature)}`;
      const isAccepted = jsonwebtokenTakes(token, publicKey, alg);
      expect(isAccepted).toBe(saltLength === bytes);
      expect(refusal(() => one.verify(token, AT))).toBe(isAccepted ? 'accepted' : 'token_signature_wrong');
    }
  });

  it('RS256 and PS256 are not confused, although the key fits both', () => {
    const { publicKey, privateKey } = rsaPair;
    const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256' };
    const one = verifierOf({ keys: createKeySet({ keys: [jwk] }), algorithms: ['RS256', 'PS256'] });
    const input = `${base64url('{"alg":"RS256","typ":"at+jwt","kid":"k"}')}.${base64url(JSON.stringify(goodClaims()))}`;
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    const signature = sign('sha256', Buffer.from(input), { key: privateKey, padding, saltLength: 32 });
    expect(refusal(() => one.verify(`${input}.${base64url(signature)}`, AT))).toBe('token_signature_wrong');
  });
});

it('keys of another kind verify nothing and throw nothing', () => {
  const keys = { find: () => ec.publicKey };
  const options = {
    issuer: 'https://issuer.example',
    audience: 'prices',
    typ: ['at+jwt'],
    algorithms: ['RS256'],
  } as const;
  const odd = createVerifier({ keys, ...options });
  const token = signedToken();
  expect(refusal(() => odd.verify(token, AT))).toBe('token_signature_wrong');
});
