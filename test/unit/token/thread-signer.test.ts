import { createKeySet, createVerifier } from '@rescind/token';
import { createSigner, createThreadSigner, generateSigningKey, publicJwks } from '@rescind/token/signing';
import { expect, test } from 'vitest';

const claims = { iss: 'https://login.example', iat: 1_800_000_000, exp: 1_800_000_900, name: 'Zoë', list: [1, 'two'] };

test('signs in a thread with the bytes of jsonwebtoken', async () => {
  const key = generateSigningKey();
  const typ = 'at+jwt';
  const all = Array.from({ length: 8 }, (_, at) => ({ ...claims, at }));
  const signed = await Promise.all(all.map(createThreadSigner(key, { typ })));
  expect(signed).toEqual(all.map(createSigner(key, { typ })));
});

test('signs ES256, whose signatures are random', async () => {
  const key = generateSigningKey('ES256');
  const keys = createKeySet(publicJwks([key]));
  const verifier = createVerifier({ keys, issuer: claims.iss, audience: null, typ: ['at+jwt'] });
  const [ours, theirs] = [
    await createThreadSigner(key, { typ: 'at+jwt' })(claims),
    createSigner(key, { typ: 'at+jwt' })(claims),
  ];
  expect(ours.split('.').slice(0, 2)).toEqual(theirs.split('.').slice(0, 2));
  expect(verifier.verify(ours, claims.iat * 1000).payload).toEqual(claims);
});

test('throws a TypeError for an invalid typ', () => {
  expect(() => createThreadSigner(generateSigningKey('ES256'), { typ: 'a b' })).toThrow(/typ/);
});
