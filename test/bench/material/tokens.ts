import type { SigningKey } from '@rescind/token/signing';
import { createSigner, generateSigningKey } from '@rescind/token/signing';
import { ISSUER, newId } from './rows.ts';

export const AUDIENCE = 'prices';
export const signingKey = generateSigningKey();

const LIFE_S = 3_600;

/** The claims of an access token, long enough that its text has some 870 characters. */
export function newClaims(): Record<string, unknown> {
  const at = Date.now();
  return {
    iss: ISSUER,
    sub: newId(),
    aud: AUDIENCE,
    client_id: 'web-application',
    scope: 'prices:read prices:write orders:read orders:write profile',
    roles: ['customer', 'editor'],
    tenant: newId(),
    jti: newId(),
    sid: newId(),
    auth_time: Math.floor(at / 1000),
    iat: Math.floor(at / 1000),
    iat_ms: at,
    exp: Math.floor(at / 1000) + LIFE_S,
  };
}

const signBy = (key: SigningKey) => createSigner(key, { typ: 'at+jwt' });
const sign = signBy(signingKey);

/** @param by default: a signature of this process's own key */
export const newTokens = (count: number, by: SigningKey = signingKey): string[] => {
  const signed = by === signingKey ? sign : signBy(by);
  // A flat string, as from a socket: a concatenated one would be flattened by its first reader, which would take longer.
  return Array.from({ length: count }, () => Buffer.from(signed(newClaims())).toString('latin1'));
};
