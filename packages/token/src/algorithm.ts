import type { KeyObject } from 'node:crypto';

/**
 * The algorithms with a public key: those of RFC 7518 section 3.1, `EdDSA` (RFC 8037) and its fully specified names
 * (RFC 9864 section 2.2). No others are ever verified.
 */
export type Algorithm =
  | ('RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512')
  | ('EdDSA' | 'Ed25519' | 'Ed448');

/** What this project signs with. */
export type SigningAlgorithm = 'RS256' | 'ES256';

/** What a key must be for an algorithm. RFC 7518 sections 3.3 to 3.5: RSA keys of 2048 bits or more. */
type KeyDemand =
  | { readonly kty: 'RSA' }
  | { readonly kty: 'EC'; readonly curve: string }
  | { readonly kty: 'OKP'; readonly types: readonly string[] };

const RSA: KeyDemand = { kty: 'RSA' };

const DEMANDS: Readonly<Record<Algorithm, KeyDemand>> = {
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

/** The names of all of them. */
export const ALGORITHMS = Object.keys(DEMANDS) as readonly Algorithm[];

const MIN_RSA_BITS = 2_048;
/** A verification takes time with the square of the length: nobody needs more, and a hostile key set would like it. */
const MAX_RSA_BITS = 8_192;

function isAlgorithm(value: unknown): value is Algorithm {
  return typeof value === 'string' && Object.hasOwn(DEMANDS, value);
}

/** Whether this public or private key is one that the algorithm is for. */
function suits(key: KeyObject, alg: Algorithm): boolean {
  const demand = DEMANDS[alg];
  const details = key.asymmetricKeyDetails;
  if (demand.kty === 'EC') return key.asymmetricKeyType === 'ec' && details?.namedCurve === demand.curve;
  if (demand.kty === 'OKP') return demand.types.includes(key.asymmetricKeyType ?? '');
  const bits = details?.modulusLength ?? 0;
  return key.asymmetricKeyType === 'rsa' && bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS;
}

/**
 * The algorithms that a published key is for. With `alg`: that one, and for Ed25519 and Ed448 its other name, which is the same
 * computation (RFC 9864 section 2.2). Without: all that its type and curve fit, of which the verifier's list leaves those that
 * are configured.
 */
export function algorithmsOf(key: KeyObject, alg: unknown): readonly Algorithm[] {
  const fitting = ALGORITHMS.filter((one) => suits(key, one));
  if (alg === undefined) return fitting;
  if (!isAlgorithm(alg) || !suits(key, alg)) return [];
  return DEMANDS[alg].kty === 'OKP' ? fitting : [alg];
}

/** The only algorithm of ours that a key is for, or undefined. */
export function signingAlgorithmOf(key: KeyObject): SigningAlgorithm | undefined {
  return (['RS256', 'ES256'] as const).find((alg) => suits(key, alg));
}
