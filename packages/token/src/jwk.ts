import type { KeyObject } from 'node:crypto';
import { createHash } from 'node:crypto';

/**
 * The supported algorithms, all with a public key: those of RFC 7518 section 3.1, `EdDSA` (RFC 8037) and its fully specified names
 * (RFC 9864 section 2.2).
 */
export type Algorithm =
  | ('RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512')
  | ('EdDSA' | 'Ed25519' | 'Ed448');

/** The algorithms that this project signs with. */
export type SigningAlgorithm = 'RS256' | 'ES256';

/** The type and curve of the keys of an algorithm (RFC 7518 sections 3.3 to 3.5). */
type KeyRequirement =
  | { readonly kty: 'RSA' }
  | { readonly kty: 'EC'; readonly curve: string }
  | { readonly kty: 'OKP'; readonly types: readonly string[] };

const RSA: KeyRequirement = { kty: 'RSA' };

const REQUIREMENTS: Readonly<Record<Algorithm, KeyRequirement>> = {
  RS256: RSA,
  RS384: RSA,
  RS512: RSA,
  PS256: RSA,
  PS384: RSA,
  PS512: RSA,
  ES256: { kty: 'EC', curve: 'prime256v1' },
  ES384: { kty: 'EC', curve: 'secp384r1' },
  ES512: { kty: 'EC', curve: 'secp521r1' },
  EdDSA: { kty: 'OKP', types: ['ed25519', 'ed448'] },
  Ed25519: { kty: 'OKP', types: ['ed25519'] },
  Ed448: { kty: 'OKP', types: ['ed448'] },
};

/** The names of all supported algorithms. */
export const ALGORITHMS = Object.keys(REQUIREMENTS) as readonly Algorithm[];

/** RFC 7518 section 3.3. */
const MIN_RSA_BITS = 2_048;
/** The time of a verification grows with the square of the length; a hostile key set could use it to exhaust the CPU. */
const MAX_RSA_BITS = 8_192;

function isAlgorithm(value: unknown): value is Algorithm {
  return typeof value === 'string' && Object.hasOwn(REQUIREMENTS, value);
}

/** Whether this public or private key can be used with the algorithm. */
function fits(key: KeyObject, alg: Algorithm): boolean {
  const requirement = REQUIREMENTS[alg];
  const details = key.asymmetricKeyDetails;
  if (requirement.kty === 'EC') return key.asymmetricKeyType === 'ec' && details?.namedCurve === requirement.curve;
  if (requirement.kty === 'OKP') return requirement.types.includes(key.asymmetricKeyType ?? '');
  const bits = details?.modulusLength ?? 0;
  return key.asymmetricKeyType === 'rsa' && bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS;
}

/**
 * The algorithms that a published key is bound to. With `alg`: that one, and for Ed25519 and Ed448 also its other name, which is the
 * same computation (RFC 9864 section 2.2). Without: all that fit its type and curve; a verifier restricts them by its own list.
 */
export function algorithmsOf(key: KeyObject, alg: unknown): readonly Algorithm[] {
  const fitting = ALGORITHMS.filter((candidate) => fits(key, candidate));
  if (alg === undefined) return fitting;
  if (!isAlgorithm(alg) || !fits(key, alg)) return [];
  return REQUIREMENTS[alg].kty === 'OKP' ? fitting : [alg];
}

/** The signing algorithm of a key; undefined: neither fits. */
export function signingAlgorithmOf(key: KeyObject): SigningAlgorithm | undefined {
  return (['RS256', 'ES256'] as const).find((alg) => fits(key, alg));
}

/** A public key as JSON (RFC 7517 section 4), with the members that a verifier needs. */
export interface PublicJwk {
  /** The type of the key, such as `RSA` or `EC`. */
  readonly kty: string;
  /** RSA (RFC 7518 section 6.3.1). */
  readonly n?: string;
  /** The public exponent of RSA, base64url. */
  readonly e?: string;
  /** EC (RFC 7518 section 6.2.1). */
  readonly crv?: string;
  /** A coordinate of the point of EC, base64url. */
  readonly x?: string;
  /** A coordinate of the point of EC, base64url. */
  readonly y?: string;
  /** The id of the key. */
  readonly kid: string;
  /** The one algorithm that the key is for, such as `RS256`. */
  readonly alg: string;
  /** Signatures only. */
  readonly use: 'sig';
}

/** A JWK Set (RFC 7517 section 5): the response of a `jwks_uri`. */
export interface Jwks {
  /** In the order in which they were given. */
  readonly keys: readonly PublicJwk[];
}

/** The public half of a signing key. */
export interface PublishedKey {
  /** The id that tokens name it by. */
  readonly kid: string;
  /** The one algorithm that it verifies. */
  readonly alg: SigningAlgorithm;
  /** Without the private half. */
  readonly publicKey: KeyObject;
}

/**
 * Converts public keys into a JWK Set, in the given order.
 *
 * @throws TypeError for a private or secret key
 */
export function publicJwks(keys: readonly PublishedKey[]): Jwks {
  return { keys: keys.map(toPublicJwk) };
}

function toPublicJwk({ kid, alg, publicKey }: PublishedKey): PublicJwk {
  const members = requiredMembers(publicKey);
  if (members.kty === 'OKP') throw new TypeError('publicKey must be an RSA or EC key, got OKP');
  return { ...members, kid, alg, use: 'sig' };
}

/** The thumbprint of a public key (RFC 7638) with SHA-256, in base64url. */
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
