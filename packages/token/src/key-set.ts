import type { KeyObject } from 'node:crypto';
import { createPublicKey } from 'node:crypto';
import { RescindError } from '@rescind/revocation';
import type { Algorithm } from './jwk.ts';
import { algorithmsOf, thumbprint } from './jwk.ts';

/** Public keys by name and algorithm (RFC 8725 section 3.1). Lookups fetch and compute nothing. */
export interface KeySet {
  /**
   * The key that verifies tokens with this `kid` and `alg`.
   *
   * An unknown `kid` matches a key without a name, an absent one any key; either only if exactly one fits the algorithm.
   */
  find(kid: string | undefined, alg: string): KeyObject | undefined;
  /** The name of that key: its `kid`, or its thumbprint (RFC 7638) if it has none. */
  nameOf(kid: string | undefined, alg: string): string | undefined;
  /** The names of all keys. */
  kids(): string[];
}

/** A key bound to one algorithm. A key for several algorithms is bound several times. */
interface BoundKey {
  readonly name: string;
  readonly isNamed: boolean;
  readonly alg: Algorithm;
  readonly key: KeyObject;
}

/** Longest accepted `kid`, in characters: an RFC 7638 thumbprint has 43. */
const MAX_KID_LENGTH = 256;

/** Members that only private and secret keys have (RFC 7518 sections 6.2.2, 6.3.2 and 6.4). */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/**
 * Creates a key set from a JWK Set (RFC 7517 section 5). It contains the public signature keys that fit their `alg`; a key without
 * `alg` is bound by its type and curve. One `kid` may name several keys of different algorithms; two different keys with one `kid`
 * for one algorithm are both left out.
 *
 * @param jwks the parsed JSON
 * @throws RescindError `keys_unavailable` when it is not a JWK Set, or has no usable key
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

/** The key of each algorithm; none where two different keys would depend on their order. Equal keys count once. */
function onePerAlgorithm(keys: readonly BoundKey[]): BoundKey[] {
  return group(keys, ({ alg }) => alg).flatMap(([, [first, ...others]]) =>
    first !== undefined && others.every(({ key }) => key.equals(first.key)) ? [first] : [],
  );
}

/** The keys that are the only one of their algorithm. */
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
  return algorithms.map((algorithm) => ({ name, isNamed, alg: algorithm, key }));
}

/** Whether `use` and `key_ops`, which are optional, allow verification (RFC 7517 sections 4.2 and 4.3). */
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
