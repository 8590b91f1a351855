import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A refresh token: `selector.verifier`. The selector finds the session; only the verifier's hash is kept. */
export interface OpaqueToken {
  readonly selector: string;
  readonly verifier: string;
}

const SELECTOR_BYTES = 16;
/** OWASP ASVS 5.0 section 11.5.1 wants 128 bits from a CSPRNG; twice that costs nothing. */
const VERIFIER_BYTES = 32;
const FORM = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;

/** @param selector of the session that has one already */
export function createOpaqueToken(selector = randomBytes(SELECTOR_BYTES).toString('base64url')): OpaqueToken {
  return { selector, verifier: randomBytes(VERIFIER_BYTES).toString('base64url') };
}

export function toText({ selector, verifier }: OpaqueToken): string {
  return `${selector}.${verifier}`;
}

export function parseOpaqueToken(text: string): OpaqueToken | undefined {
  const [, selector, verifier] = FORM.exec(text) ?? [];
  return selector === undefined || verifier === undefined ? undefined : { selector, verifier };
}

/** A plain SHA-256: what is hashed has 256 bits of its own, so nothing is gained by a slow hash. */
export function hashVerifier(verifier: string): Buffer {
  return createHash('sha256').update(verifier).digest();
}

export function isSameHash(one: Buffer, other: Buffer): boolean {
  return timingSafeEqual(one, other);
}

/** Enough to know a spent one again: nobody finds another text with these 128 bits. */
const DIGEST_BYTES = 16;

/** What is kept of a refresh token that was spent. */
export function digestOfVerifier(hash: Buffer): Buffer {
  return hash.subarray(0, DIGEST_BYTES);
}

/** What is kept of an access token that has bought another. */
export function digestOfJti(jti: string): Buffer {
  return createHash('sha256').update(jti).digest().subarray(0, DIGEST_BYTES);
}

const PURPOSE = 'rescind refresh successor';

/**
 * Seals the verifier of the successor so that only who presents the predecessor can read it: a one-time pad, since a token
 * has one successor. That nobody changed it shows in its hash, which is kept beside it.
 */
export function seal(predecessor: OpaqueToken, successor: OpaqueToken): Buffer {
  return xor(Buffer.from(successor.verifier, 'base64url'), padOf(predecessor));
}

export function unseal(predecessor: OpaqueToken, selector: string, sealed: Buffer): OpaqueToken {
  return { selector, verifier: xor(sealed, padOf(predecessor)).toString('base64url') };
}

/**
 * The verifier has 256 random bits, so a hash of it is as good as random to who does not know it. The words before it keep
 * that apart from the hash that is stored.
 */
function padOf({ selector, verifier }: OpaqueToken): Buffer {
  return createHash('sha256').update(`${PURPOSE}:${selector}:${verifier}`).digest();
}

function xor(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.map((byte, at) => byte ^ (other[at] ?? 0)));
}
