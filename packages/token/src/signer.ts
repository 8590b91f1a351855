import jwt from 'jsonwebtoken';
import type { SigningKey } from './signing-key.ts';

export interface SignerOptions {
  /** The header's `typ` (RFC 7515 section 4.1.9), such as `at+jwt`: what keeps one kind of token from passing as another. */
  readonly typ: string;
}

/** Signs a payload as it is: no claim is added, changed or left out. Returns the compact serialization. */
export type Signer = (payload: object) => string;

/** RFC 6838 section 4.2, with the one slash of a full media type. */
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+/-]*$/;

/**
 * Makes a signer; the header has `alg`, `typ` and `kid`, nothing else.
 *
 * @throws TypeError for a `typ` that is not a media type; the signer throws it for a payload that is not a plain object
 */
export function createSigner(key: SigningKey, options: SignerOptions): Signer {
  const { typ } = options;
  requireType(typ);
  return (payload) => {
    if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
      throw new TypeError('payload must be an object');
    }
    // Text, not the object: given an object, jsonwebtoken sets `iat` or deletes it, but never leaves it alone.
    return jwt.sign(JSON.stringify(payload), key.privateKey, {
      algorithm: key.alg,
      header: { alg: key.alg, typ, kid: key.kid },
    });
  };
}

/** @throws TypeError */
export function requireType(typ: string): void {
  if (typeof typ !== 'string' || !MEDIA_TYPE.test(typ)) throw new TypeError('typ must be a media type such as at+jwt');
}
