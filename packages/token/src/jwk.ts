import type { KeyObject } from 'node:crypto';
import { createHash } from 'node:crypto';
import type { SigningAlgorithm } from './algorithm.ts';

/** A public key as JSON (RFC 7517 section 4), with the members a verifier needs and no others. */
export interface PublicJwk {
  readonly kty: string;
  /** RSA (RFC 7518 section 6.3.1). */
  readonly n?: string;
  readonly e?: string;
  /** EC (RFC 7518 section 6.2.1). */
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
  readonly kid: string;
  readonly alg: string;
  readonly use: 'sig';
}

/** A JWK Set (RFC 7517 section 5): what a `jwks_uri` answers with. */
export interface Jwks {
  readonly keys: readonly PublicJwk[];
}

/** The public half of a signing key. */
export interface PublishedKey {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly publicKey: KeyObject;
}

/**
 * The set to publish, in the order given. Nothing private can be in it.
 *
 * @throws TypeError for a key that is not a public one
 */
export function publicJwks(keys: readonly PublishedKey[]): Jwks {
  return { keys: keys.map(toPublicJwk) };
}

function toPublicJwk({ kid, alg, publicKey }: PublishedKey): PublicJwk {
  const members = requiredMembers(publicKey);
  if (members.kty === 'OKP') throw new TypeError('publicKey must be an RSA or EC key, got OKP');
  return { ...members, kid, alg, use: 'sig' };
}

/** The thumbprint of a public key (RFC 7638) with SHA-256: a name that anybody computes alike. */
export function thumbprint(publicKey: KeyObject): string {
  // RFC 7638 section 3: the required members only, in the order of their names, without white space.
  const members = Object.entries(requiredMembers(publicKey)).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify(Object.fromEntries(members)))
    .digest('base64url');
}

type RequiredMembers = Pick<PublicJwk, 'kty' | 'n' | 'e' | 'crv' | 'x' | 'y'>;

function requiredMembers(publicKey: KeyObject): RequiredMembers {
  if (publicKey.type !== 'public') throw new TypeError(`publicKey must be a public key, got a ${publicKey.type} one`);
  const { kty, n, e, crv, x, y } = publicKey.export({ format: 'jwk' });
  if (kty === 'RSA' && n !== undefined && e !== undefined) return { kty, n, e };
  if (kty === 'EC' && crv !== undefined && x !== undefined && y !== undefined) return { kty, crv, x, y };
  // RFC 8037 section 2.
  if (kty === 'OKP' && crv !== undefined && x !== undefined) return { kty, crv, x };
  throw new TypeError(`publicKey must be an RSA or EC key, got ${kty}`);
}
