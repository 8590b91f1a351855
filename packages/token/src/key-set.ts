import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { RescindError } from '@rescind/revocation';
import type { Algorithm } from './algorithm.ts';
import { algorithmsOf } from './algorithm.ts';
import { thumbprint } from './jwk.ts';

/** Public keys by name and algorithm (RFC 8725 section 3.1). */
export interface KeySet {
  /**
   * The key that a token with this `kid` and `alg` is verified by. Nothing is fetched, read or computed.
   *
   * A `kid` that is no key's finds a key that has no name; an absent one any key; either only if exactly one suits the algorithm.
   */
  find(kid: string | undefined, alg: string): KeyObject | undefined;
  /** The name of that key: its `kid`, or where it has none its thumbprint (RFC 7638). */
  nameOf(kid: string | undefined, alg: string): string | undefined;
  /** The names of all keys. */
  kids(): string[];
}

/** A key for one algorithm. A key that is for several is here several times. */
interface BoundKey {
  readonly name: string;
  readonly isNamed: boolean;
  readonly alg: Algorithm;
  readonly key: KeyObject;
}

/** Longer names are nobody's: an RFC 7638 thumbprint has 43 characters. */
const MAX_KID_LENGTH = 256;

/** Members that only private and secret keys have (RFC 7518 sections 6.2.2, 6.3.2 and 6.4). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/**
 * Makes a key set of a JWK Set (RFC 7517 section 5). A key is taken when it is a public one for signatures that suits its
 * `alg`; one without `alg` is bound by its type and curve. Others are left out. A `kid` may stand for several keys of different
 * algorithms; two different keys with one `kid` for one algorithm are both left out of it.
 *
 * @param jwks the parsed JSON
 * @throws RescindError `keys_unavailable` when it is no key set or no key of it can be used
 */
export function createKeySet(jwks: unknown): KeySet {
  const listed = isObject(jwks) ? jwks.keys : undefined;
  if (!Array.isArray(listed)) throw new RescindError('keys_unavailable', { detail: 'not a JWK Set' });
  const bound = listed.flatMap(toBoundKeys);
  const named = group(bound, ({ name }) => name).map(([name, keys]) => [name, onePerAlgorithm(keys)] as const);
  const byName = new Map(named.filter(([, keys]) => keys.length > 0));
  if (byName.size === 0) throw new RescindError('keys_unavailable', { detail: 'no usable key in the set' });
  const usable = [...byName.values()].flat();
  const onlyUnnamed = byAlgorithm(usable.filter(({ isNamed }) => !isNamed));
  const only = byAlgorithm(usable);

  function lookUp(kid: string | undefined, alg: string): BoundKey | undefined {
    if (kid === undefined) return only.get(alg);
    const keys = byName.get(kid);
    if (keys === undefined) return onlyUnnamed.get(alg);
    for (const key of keys) if (key.alg === alg) return key;
    return undefined;
  }

  return {
    find: (kid, alg) => lookUp(kid, alg)?.key,
    nameOf: (kid, alg) => lookUp(kid, alg)?.name,
    kids: () => [...byName.keys()],
  };
}

function group<T>(items: readonly T[], keyOf: (item: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups];
}

/** Of each algorithm the key; none where two different ones would depend on their order. The same key twice is one. */
function onePerAlgorithm(keys: readonly BoundKey[]): BoundKey[] {
  return group(keys, ({ alg }) => alg).flatMap(([, [first, ...others]]) =>
    first !== undefined && others.every(({ key }) => key.equals(first.key)) ? [first] : [],
  );
}

/** The keys that are the only ones of their algorithm. */
function byAlgorithm(keys: readonly BoundKey[]): ReadonlyMap<string, BoundKey> {
  const alone = group(keys, ({ alg }) => alg).filter(([, same]) => same.length === 1);
  return new Map(alone.map(([alg, [key]]) => [alg, key as BoundKey]));
}

function toBoundKeys(jwk: unknown): BoundKey[] {
  if (!isObject(jwk)) return [];
  const { kid, alg } = jwk;
  const isNamed = kid !== undefined;
  if (isNamed && (typeof kid !== 'string' || kid === '' || kid.length > MAX_KID_LENGTH)) return [];
  if (!isForVerifying(jwk) || PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) return [];
  const key = toKeyObject(jwk);
  if (key === undefined) return [];
  const algorithms = algorithmsOf(key, alg);
  if (algorithms.length === 0) return [];
  const name = isNamed ? kid : thumbprint(key);
  return algorithms.map((one) => ({ name, isNamed, alg: one, key }));
}

/** RFC 7517 sections 4.2 and 4.3: both are optional, and what they say holds. */
function isForVerifying({ use, key_ops: operations }: Record<string, unknown>): boolean {
  if (use !== undefined && use !== 'sig') return false;
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'));
}

function toKeyObject({ kty, n, e, crv, x, y }: Record<string, unknown>): KeyObject | undefined {
  try {
    if (kty === 'RSA') return createPublicKey({ key: { kty, n: text(n), e: text(e) }, format: 'jwk' });
    if (kty === 'OKP') return createPublicKey({ key: { kty, crv: text(crv), x: text(x) }, format: 'jwk' });
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
