import { option, optionsOf, required } from '@rescind/revocation/options';
import jwt from 'jsonwebtoken';
import type { SigningKey } from './signing-key.ts';

export interface SignerOptions {
  /** The header's `typ` (RFC 7515 section 4.1.9), such as `at+jwt`: what keeps one kind of token from passing as another. */
  readonly typ: string;
}

/** Signs a payload as it is: no claim is added, changed or left out. Returns the compact serialization. */
export type Signer = (payload: object) => string;

/** The options of a signer. `typ`: RFC 6838 section 4.2, with the one slash of a full media type. */
export const signerOptions = optionsOf<SignerOptions>('createSigner', {
  typ: required(option.text('a media type such as at+jwt', /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+/-]*$/)),
});

/**
 * Makes a signer; the header has `alg`, `typ` and `kid`, nothing else.
 *
 * @throws TypeError for a `typ` that is not a media type; the signer throws it for a payload that is not a plain object
 */
export function createSigner(key: SigningKey, options: SignerOptions): Signer {
  const { typ } = signerOptions(options);
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
