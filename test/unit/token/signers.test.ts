import { createKeySet, createVerifier } from '@rescind/token';
import type { SignerOptions, SigningKey } from '@rescind/token/signing';
import {
  createDirectSigner,
  createSigner,
  createThreadSigner,
  generateSigningKey,
  publicJwks,
} from '@rescind/token/signing';
import { describe, expect, it } from 'vitest';

const claims = { iss: 'https://login.example', iat: 1_800_000_000, exp: 1_800_000_900, name: 'Zoë', list: [1, 'two'] };

type CreateSigner = (key: SigningKey, options: SignerOptions) => (payload: object) => string | Promise<string>;

const SIGNERS: [string, CreateSigner][] = [
  ['createThreadSigner', createThreadSigner],
  ['createDirectSigner', createDirectSigner],
];

describe.each(SIGNERS)('%s', (_, create) => {
  it('signs with the bytes of jsonwebtoken', async () => {
    const key = generateSigningKey();
    const typ = 'at+jwt';
    const all = Array.from({ length: 8 }, (_each, at) => ({ ...claims, at }));
    const signed = await Promise.all(all.map(create(key, { typ })));
    expect(signed).toEqual(all.map(createSigner(key, { typ })));
  });

  it('signs ES256, whose signatures are random', async () => {
    const key = generateSigningKey('ES256');
    const keys = createKeySet(publicJwks([key]));
    const verifier = createVerifier({ keys, issuer: claims.iss, audience: null, typ: ['at+jwt'] });
    const ours = await create(key, { typ: 'at+jwt' })(claims);
    const theirs = createSigner(key, { typ: 'at+jwt' })(claims);
    expect(ours.split('.').slice(0, 2)).toEqual(theirs.split('.').slice(0, 2));
    expect(verifier.verify(ours, claims.iat * 1000).payload).toEqual(claims);
  });

  it('refuses an invalid typ, and a payload that is no object', async () => {
    const key = generateSigningKey('ES256');
    expect(() => create(key, { typ: 'a b' })).toThrow(/typ/);
    const sign = async (payload: unknown) => create(key, { typ: 'at+jwt' })(payload as object);
    for (const payload of [null, [claims], 'text']) await expect(sign(payload)).rejects.toThrow(TypeError);
  });
});
