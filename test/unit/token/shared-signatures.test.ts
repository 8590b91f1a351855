import { createPublicKey } from 'node:crypto';
import type { SigningKey } from '@rescind/token/signing';
import { generateSigningKey } from '@rescind/token/signing';
import { describe, expect, it, vi } from 'vitest';
import { AT, goodClaims, goodHeader, rsa, signedToken, verifierOf } from './raw-tokens.ts';
import { refusal } from './refusals.ts';

/** A set with this key alone. Each call makes another object of the key. */
function keysOf(key: SigningKey) {
  const publicKey = createPublicKey(key.privateKey);
  return { publicKey, keys: { find: (kid: string | undefined) => (kid === key.kid ? publicKey : undefined) } };
}

const sharing = (keys: { find: (kid: string | undefined) => ReturnType<typeof keysOf>['publicKey'] | undefined }) =>
  verifierOf({ keys, sharesSignatures: true });
const claims = (sub: string) => ({ ...goodClaims(), sub });

describe('verifiers that share signatures', () => {
  it('accept a text that another one verified with the same key', () => {
    const token = signedToken(goodHeader(), claims('shared'));
    const first = sharing(keysOf(rsa).keys).verify(token, AT);
    const { publicKey, keys } = keysOf(rsa);
    const equals = vi.spyOn(publicKey, 'equals');
    expect(sharing(keys).verify(token, AT)).toEqual(first);
    expect(equals).toHaveReturnedWith(true);
  });

  it('compute the signature when another key has the same name', () => {
    const token = signedToken(goodHeader(), claims('other key'));
    sharing(keysOf(rsa).keys).verify(token, AT);
    const other: SigningKey = { ...generateSigningKey('RS256'), kid: rsa.kid };
    expect(refusal(() => sharing(keysOf(other).keys).verify(token, AT))).toBe('token_signature_wrong');
    expect(sharing(keysOf(rsa).keys).verify(token, AT).payload.sub).toBe('other key');
  });

  it('refuse a text that differs by one character of its payload or signature', () => {
    const token = signedToken(goodHeader(), claims('altered'));
    const forged = signedToken(goodHeader(), claims('forged!'), { ...generateSigningKey('RS256'), kid: rsa.kid });
    const verifier = sharing(keysOf(rsa).keys);
    verifier.verify(token, AT);
    const [header, payload, signature] = token.split('.');
    const [, otherPayload, otherSignature] = forged.split('.');
    for (const text of [`${header}.${otherPayload}.${signature}`, `${header}.${payload}.${otherSignature}`, forged]) {
      for (let time = 1; time <= 2; time += 1)
        expect(refusal(() => verifier.verify(text, AT))).toBe('token_signature_wrong');
    }
  });

  it('refuse a text whose key is no longer in the set, and one for another audience', () => {
    const token = signedToken(goodHeader(), claims('revoked key'));
    sharing(keysOf(rsa).keys).verify(token, AT);
    expect(refusal(() => sharing({ find: () => undefined }).verify(token, AT))).toBe('token_key_unknown');
    const elsewhere = verifierOf({ keys: keysOf(rsa).keys, audience: 'orders', sharesSignatures: true });
    expect(refusal(() => elsewhere.verify(token, AT))).toBe('token_audience_wrong');
    expect(refusal(() => sharing(keysOf(rsa).keys).verify(token, AT + 3_600_000))).toBe('token_expired');
  });

  it('forget all but the last 64 texts', () => {
    const token = signedToken(goodHeader(), claims('forgotten'));
    sharing(keysOf(rsa).keys).verify(token, AT);
    for (let other = 0; other < 64; other += 1)
      sharing(keysOf(rsa).keys).verify(signedToken(goodHeader(), claims(`other ${other}`)), AT);
    const { publicKey, keys } = keysOf(rsa);
    const equals = vi.spyOn(publicKey, 'equals');
    expect(sharing(keys).verify(token, AT).payload.sub).toBe('forgotten');
    expect(equals).not.toHaveBeenCalled();
  });
});
