import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { RescindError } from '@rescind/revocation';
import type { Algorithm } from './algorithm.ts';
import { isAlgorithm, suits } from './algorithm.ts';

/** Public keys by name. Each is for one algorithm only (RFC 8725 section 3.1). */
export interface KeySet {
  /** The key of this name, if it is for this algorithm. Nothing is fetched, read or computed. */
  find(kid: string, alg: string): KeyObject | undefined;
  kids(): string[];
}

interface BoundKey {
  readonly kid: string;
  readonly alg: Algorithm;
  readonly key: KeyObject;
}

/** Longer names are nobody's: an RFC 7638 thumbprint has 43 characters. */
const MAX_KID_LENGTH = 256;

/** Members that only private and secret keys have (RFC 7518 sections 6.2.2, 6.3.2 and 6.4). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/**
 * Makes a key set of a JWK Set (RFC 7517 section 5). A key is taken when it is a public one for signatures with a `kid`
 * and an `alg` that suits it; others are left out, and so are all of a name that occurs twice.
 *
 * @param jwks the parsed JSON
 * @throws RescindError `keys_unavailable` when it is no key set or no key of it can be used
 */
export function createKeySet(jwks: unknown): KeySet {
  const listed = isObject(jwks) ? jwks.keys : undefined;
  if (!Array.isArray(listed)) throw new RescindError('keys_unavailable', { detail: 'not a JWK Set' });
  const usable = listed.map(toBoundKey).filter((key) => key !== undefined);
  const keys = new Map(usable.map((key) => [key.kid, key]));
  for (const kid of repeated(usable)) keys.delete(kid);
  if (keys.size === 0) throw new RescindError('keys_unavailable', { detail: 'no usable key in the set' });
  return {
    find(kid, alg) {
      const found = keys.get(kid);
      return found !== undefined && found.alg === alg ? found.key : undefined;
    },
    kids: () => [...keys.keys()],
  };
}

/** Names that stand for more than one key: which of them is meant would depend on the order. */
function repeated(keys: readonly BoundKey[]): string[] {
  const seen = new Set<string>();
  return keys.map(({ kid }) => kid).filter((kid) => seen.size === seen.add(kid).size);
}

function toBoundKey(jwk: unknown): BoundKey | undefined {
  if (!isObject(jwk)) return undefined;
  const { kid, alg } = jwk;
  if (typeof kid !== 'string' || kid === '' || kid.length > MAX_KID_LENGTH || !isAlgorithm(alg)) return undefined;
  if (!isForVerifying(jwk) || PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) return undefined;
  const key = toKeyObject(jwk);
  return key !== undefined && suits(key, alg) ? { kid, alg, key } : undefined;
}

/** RFC 7517 sections 4.2 and 4.3: both are optional, and what they say holds. */
function isForVerifying({ use, key_ops: operations }: Record<string, unknown>): boolean {
  if (use !== undefined && use !== 'sig') return false;
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'));
}

function toKeyObject({ kty, n, e, crv, x, y }: Record<string, unknown>): KeyObject | undefined {
  try {
    if (kty === 'RSA') return createPublicKey({ key: { kty, n: text(n), e: text(e) }, format: 'jwk' });
    if (kty !== 'EC') return undefined;
    return createPublicKey({ key: { kty, crv: text(crv), x: text(x), y: text(y) }, format: 'jwk' });
  } catch {
    return undefined;
  }
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('a member of a JWK must be text');
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
