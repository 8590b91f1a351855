import { generateKeyPairSync } from 'node:crypto';
import { createKeySet, parseCompactJws } from '@rescind/token';
import type { SigningKey } from '@rescind/token/signing';
import {
  createSigner,
  generateSigningKey,
  publicJwks,
  signingKeyFromPem,
  signingKeyToPem,
} from '@rescind/token/signing';
import * as jose from 'jose';
import { describe, expect, it } from 'vitest';
import { AT, ec, goodClaims, rsa, verifierOf } from './raw-tokens.ts';
import { refusal } from './refusals.ts';

const keyPairs: [string, SigningKey][] = [
  ['RS256', rsa],
  ['ES256', ec],
];

function jwkOf(key: SigningKey) {
  const [jwk] = publicJwks([key]).keys;
  if (jwk === undefined) throw new Error('no key');
  return jwk;
}

describe('a signing key', () => {
  it.each(keyPairs)('is generated for %s, and accepted by jose', async (alg, key) => {
    expect(key.alg).toBe(alg);
    expect(key.privateKey.type).toBe('private');
    expect(key.publicKey.type).toBe('public');
    await expect(jose.importJWK({ ...jwkOf(key) }, alg)).resolves.toBeDefined();
  });

  it('is RSA of 2048 bits by default', () => {
    expect(rsa.privateKey.asymmetricKeyDetails).toMatchObject({ modulusLength: 2048, publicExponent: 65537n });
    expect(() => generateSigningKey('HS256' as 'RS256')).toThrow(TypeError);
  });

  it.each(keyPairs)('has the thumbprint that jose computes: %s', async (_, key) => {
    expect(key.kid).toBe(await jose.calculateJwkThumbprint({ ...jwkOf(key) }));
  });

  it.each(keyPairs)('is unchanged by PEM: %s', async (alg, key) => {
    const pem = signingKeyToPem(key);
    expect(pem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    await expect(jose.importPKCS8(pem, alg)).resolves.toBeDefined();
    const read = signingKeyFromPem(pem);
    expect({ kid: read.kid, alg: read.alg }).toEqual({ kid: key.kid, alg });
    expect(read.privateKey.equals(key.privateKey)).toBe(true);
    expect(signingKeyFromPem(pem, key.alg).kid).toBe(key.kid);
  });

  it('is refused for the algorithm of another type', () => {
    expect(() => signingKeyFromPem(signingKeyToPem(rsa), 'ES256')).toThrow(TypeError);
    expect(() => signingKeyFromPem(signingKeyToPem(ec), 'RS256')).toThrow(TypeError);
  });

  it.each([
    ['1024 bits', generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey],
    ['RSA-PSS', generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey],
    ['P-384', generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
    ['Ed25519', generateKeyPairSync('ed25519').privateKey],
  ])('is refused when it is %s', (_, key) => {
    expect(() => signingKeyFromPem(key.export({ type: 'pkcs8', format: 'pem' }).toString())).toThrow(TypeError);
  });

  it('is refused without a quote of the file', () => {
    const pem = signingKeyToPem(rsa);
    const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const locked = rsa.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' });
    for (const text of ['', 'hunter2', pem.slice(0, 400), publicPem, locked.toString()]) {
      try {
        signingKeyFromPem(text);
        expect.unreachable();
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
        const { message, cause } = error as TypeError;
        expect(message).toBe('pem must be a private key in PEM that is not encrypted');
        expect(cause).toBeUndefined();
      }
    }
  });
});

describe('a signer', () => {
  it.each(keyPairs)('signs tokens that jose verifies: %s', async (alg, key) => {
    const token = createSigner(key, { typ: 'at+jwt' })(goodClaims());
    const { payload, protectedHeader } = await jose.jwtVerify(
      token,
      jose.createLocalJWKSet({ keys: [{ ...jwkOf(key) }] }),
      {
        typ: 'at+jwt',
        issuer: 'https://issuer.example',
        audience: 'prices',
        currentDate: new Date(AT),
        algorithms: [alg],
      },
    );
    expect(payload).toEqual(goodClaims());
    expect(protectedHeader).toEqual({ alg, typ: 'at+jwt', kid: key.kid });
  });

  it.each([{}, { iat: 0 }, { iat: 5.5 }, { exp: 'never' }, { sub: 'Zoë 🔑', nested: { a: [null] } }])(
    'adds, changes and leaves out nothing: %j',
    (payload) => {
      const before = structuredClone(payload);
      expect(parseCompactJws(createSigner(rsa, { typ: 'at+jwt' })(payload)).payload).toEqual(before);
      expect(payload).toEqual(before);
    },
  );

  it('refuses payloads that are not objects, and invalid types', () => {
    const sign = createSigner(rsa, { typ: 'at+jwt' });
    for (const payload of [null, [], 'text', 5, undefined]) expect(() => sign(payload as object)).toThrow(TypeError);
    for (const typ of ['', 'a b', 'é', '\n', undefined, 5]) {
      expect(() => createSigner(rsa, { typ: typ as string })).toThrow(TypeError);
    }
  });
});

describe('a published set', () => {
  it('has the public members only, in the given order', () => {
    const { keys } = publicJwks([rsa, ec]);
    expect(keys.map((key) => Object.keys(key).sort())).toEqual([
      ['alg', 'e', 'kid', 'kty', 'n', 'use'],
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
    ]);
    expect(keys.map(({ kid, alg, use }) => ({ kid, alg, use }))).toEqual([
      { kid: rsa.kid, alg: 'RS256', use: 'sig' },
      { kid: ec.kid, alg: 'ES256', use: 'sig' },
    ]);
  });

  it('cannot be created from a private key', () => {
    expect(() => publicJwks([{ kid: 'a', alg: 'RS256', publicKey: rsa.privateKey }])).toThrow(TypeError);
    expect(() => publicJwks([{ kid: 'a', alg: 'RS256', publicKey: generateKeyPairSync('ed25519').publicKey }])).toThrow(
      TypeError,
    );
  });
});

describe('a key set', () => {
  const good = jwkOf(rsa);

  it('finds a key by its name and its one algorithm', () => {
    const set = createKeySet(publicJwks([rsa, ec]));
    expect(set.kids()).toEqual([rsa.kid, ec.kid]);
    expect(set.find(rsa.kid, 'RS256')?.equals(rsa.publicKey)).toBe(true);
    expect(set.find(ec.kid, 'ES256')?.equals(ec.publicKey)).toBe(true);
    for (const alg of ['ES256', 'PS256', 'RS512', 'HS256', 'none', '']) expect(set.find(rsa.kid, alg)).toBeUndefined();
    for (const kid of ['', '__proto__', 'toString', ec.kid]) expect(set.find(kid, 'RS256')).toBeUndefined();
  });

  it('accepts the keys of another implementation', async () => {
    const { publicKey } = await jose.generateKeyPair('RS256', { extractable: true });
    const set = createKeySet({
      keys: [{ ...(await jose.exportJWK(publicKey)), kid: 'a', alg: 'RS256', use: 'sig', x5t: 'x' }],
    });
    expect(set.kids()).toEqual(['a']);
  });

  it.each([
    ['with an empty kid', { ...good, kid: '' }],
    ['with a kid that is a number', { ...good, kid: 5 }],
    ['with a kid of 257 characters', { ...good, kid: 'k'.repeat(257) }],
    ['with an alg that is null', { ...good, alg: null }],
    [
      'without alg, for key agreement',
      { ...generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }), kid: 'a' },
    ],
    [
      'without alg, on a curve of no algorithm',
      { ...generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ format: 'jwk' }), kid: 'a' },
    ],
    ['for HS256', { ...good, alg: 'HS256' }],
    ['for none', { ...good, alg: 'none' }],
    ['RSA for ES256', { ...good, alg: 'ES256' }],
    ['for encryption', { ...good, use: 'enc' }],
    ['for signing only', { ...good, key_ops: ['sign'] }],
    ['that is secret', { kty: 'oct', k: 'c2VjcmV0', kid: 'a', alg: 'HS256', use: 'sig' }],
    ['that is secret, said to be for RS256', { ...good, kty: 'oct', k: 'c2VjcmV0' }],
    ['that is private', { ...rsa.privateKey.export({ format: 'jwk' }), kid: 'a', alg: 'RS256', use: 'sig' }],
    ['that is private and for EC', { ...ec.privateKey.export({ format: 'jwk' }), kid: 'a', alg: 'ES256', use: 'sig' }],
    [
      'of 1024 bits',
      {
        ...generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }),
        kid: 'a',
        alg: 'RS256',
      },
    ],
    ['of too many bits', { ...good, n: Buffer.alloc(2048, 0xff).toString('base64url') }],
    [
      'on another curve',
      {
        ...generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' }),
        kid: 'a',
        alg: 'ES256',
      },
    ],
    ['on no curve', { ...jwkOf(ec), x: 'AAAA' }],
    ['not on its curve', { ...jwkOf(ec), x: jwkOf(ec).y }],
    ['without a modulus', { ...good, n: undefined }],
    ['with a modulus that is a list', { ...good, n: [good.n] }],
    ['of another type', { kty: 'OKP', crv: 'Ed25519', x: 'AAAA', kid: 'a', alg: 'EdDSA' }],
    ['null', null],
    ['text', 'key'],
    ['a list', [good]],
  ])('leaves out a key %s', (_, bad) => {
    expect(createKeySet({ keys: [bad, jwkOf(ec)] }).kids()).toEqual([ec.kid]);
    expect(refusal(() => createKeySet({ keys: [bad] }))).toBe('keys_unavailable');
  });

  it('omits a name of two keys of one algorithm, in any order', () => {
    const other = { ...jwkOf(generateSigningKey()), kid: good.kid };
    for (const keys of [
      [good, other, jwkOf(ec)],
      [other, jwkOf(ec), good, other],
    ]) {
      expect(createKeySet({ keys }).kids()).toEqual([ec.kid]);
    }
    expect(refusal(() => createKeySet({ keys: [good, other] }))).toBe('keys_unavailable');
    expect(createKeySet({ keys: [good, good] }).find(good.kid, 'RS256')).toBeDefined();
  });

  it.each([undefined, null, 5, 'x', [], {}, { keys: [] }, { keys: {} }, { keys: null }, [good], good])(
    'refuses %j',
    (jwks) => {
      expect(refusal(() => createKeySet(jwks))).toBe('keys_unavailable');
    },
  );

  it.each(['RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES384', 'ES512'] as const)(
    'verifies %s of jose when the verifier allows it',
    async (alg) => {
      const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
      const keys = createKeySet({ keys: [{ ...(await jose.exportJWK(publicKey)), kid: 'a', alg }] });
      const token = await new jose.SignJWT(goodClaims())
        .setProtectedHeader({ alg, kid: 'a', typ: 'at+jwt' })
        .sign(privateKey);
      expect(refusal(() => verifierOf({ keys, algorithms: [alg] }).verify(token, AT))).toBe('accepted');
      expect(refusal(() => verifierOf({ keys }).verify(token, AT))).toBe('token_signature_wrong');
    },
  );
});
