import type { KeyObject } from 'node:crypto';
import { createHmac, sign } from 'node:crypto';
import type { VerifierOptions } from '@rescind/token';
import { createKeySet, createVerifier } from '@rescind/token';
import type { SigningKey } from '@rescind/token/signing';
import { generateSigningKey, publicJwks } from '@rescind/token/signing';

/** Tokens composed of raw parts, so that they can have faults that no library produces. */

/** Whole seconds, so that claims in seconds say exactly this. */
export const AT = Date.UTC(2030, 0, 1);
export const AT_SECONDS = AT / 1000;

export const rsa: SigningKey = generateSigningKey('RS256');
export const ec: SigningKey = generateSigningKey('ES256');

/** Claims of a good access token. */
export function goodClaims(): Record<string, unknown> {
  return {
    iss: 'https://issuer.example',
    sub: 'user-1',
    aud: 'prices',
    client_id: 'web',
    scope: 'prices:read',
    jti: 'token-1',
    sid: 'session-1',
    iat: AT_SECONDS,
    iat_ms: AT,
    exp: AT_SECONDS + 900,
    auth_time: AT_SECONDS,
  };
}

export function goodHeader(key: SigningKey = rsa): Record<string, unknown> {
  return { alg: key.alg, typ: 'at+jwt', kid: key.kid };
}

export function verifierOf(options: Partial<VerifierOptions> = {}) {
  return createVerifier({
    keys: createKeySet(publicJwks([rsa, ec])),
    issuer: 'https://issuer.example',
    audience: 'prices',
    typ: ['at+jwt'],
    requiredClaims: ['sub', 'jti', 'client_id', 'iat'],
    ...options,
  });
}

export function base64url(content: string | Uint8Array): string {
  return Buffer.from(content).toString('base64url');
}

/** Signs any bytes as header and payload, with the algorithm of `key`. */
export function rawToken(header: string | Uint8Array, payload: string | Uint8Array, key: SigningKey = rsa): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${rawSignature(input, key.privateKey)}`;
}

export function signedToken(
  header: Record<string, unknown> = goodHeader(),
  claims: Record<string, unknown> = goodClaims(),
  key: SigningKey = rsa,
): string {
  return rawToken(JSON.stringify(header), JSON.stringify(claims), key);
}

export function hmacToken(header: Record<string, unknown>, claims: Record<string, unknown>, secret: string | Buffer) {
  const input = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

function rawSignature(input: string, key: KeyObject): string {
  return sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
}

/** A good payload with one member written by hand. */
export function payloadWith(memberText: string): string {
  return JSON.stringify(goodClaims()).replace(/\}$/, `,${memberText}}`);
}
