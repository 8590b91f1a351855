import type { KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { option, optionsOf, required } from '@rescind/revocation/options';
import jwt from 'jsonwebtoken';
import type { SigningAlgorithm } from './jwk.ts';
import { signingAlgorithmOf, thumbprint } from './jwk.ts';

export type { Jwks, PublicJwk, PublishedKey, SigningAlgorithm } from './jwk.ts';
export { publicJwks } from './jwk.ts';

/** A key pair, bound to one algorithm (RFC 8725 section 3.1). */
export interface SigningKey {
  /** Its RFC 7638 thumbprint (SHA-256), which every reader of the key computes alike. */
  readonly kid: string;
  /** The one algorithm that it signs with. */
  readonly alg: SigningAlgorithm;
  /** The half that signs. */
  readonly privateKey: KeyObject;
  /** The half that is published. */
  readonly publicKey: KeyObject;
}

/** RFC 7518 section 3.3 requires 2048 bits, which suffice until 2030; more would cost every verifier time. */
const RSA_BITS = 2_048;

/** Generates a key pair: RSA of 2048 bits (`RS256`, the default) or P-256 (`ES256`). RSA takes some 100 ms. */
export function generateSigningKey(alg: SigningAlgorithm = 'RS256'): SigningKey {
  if (alg === 'RS256') return fromPrivateKey(generateKeyPairSync('rsa', { modulusLength: RSA_BITS }).privateKey, alg);
  if (alg === 'ES256') return fromPrivateKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, alg);
  throw new TypeError(`alg must be RS256 or ES256, got ${String(alg)}`);
}

/**
 * Parses a private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted).
 *
 * @param alg the required algorithm; default: `RS256` for RSA, `ES256` for P-256
 * @throws TypeError when it is not such a key; the message quotes nothing of it
 */
export function signingKeyFromPem(pem: string, alg?: SigningAlgorithm): SigningKey {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    // Without the cause, which may quote the file.
    throw new TypeError('pem must be a private key in PEM that is not encrypted');
  }
  return fromPrivateKey(privateKey, alg);
}

/** The private key as PKCS#8 in PEM, not encrypted: for a file that only its owner may read. */
export function signingKeyToPem(key: SigningKey): string {
  return key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function fromPrivateKey(privateKey: KeyObject, requiredAlg?: SigningAlgorithm): SigningKey {
  const alg = signingAlgorithmOf(privateKey);
  if (alg === undefined) throw new TypeError('the key must be RSA of 2048 to 8192 bits or EC on P-256');
  if (requiredAlg !== undefined && requiredAlg !== alg) {
    throw new TypeError(`the key must be one for ${requiredAlg}, got one for ${alg}`);
  }
  const publicKey = createPublicKey(privateKey);
  return { kid: thumbprint(publicKey), alg, privateKey, publicKey };
}

/** The options of `createSigner`. */
export interface SignerOptions {
  /** The header's `typ` (RFC 7515 section 4.1.9), such as `at+jwt`. It distinguishes the kinds of token (RFC 8725 section 3.11). */
  readonly typ: string;
}

/** Signs a payload unchanged, and returns the compact serialization. @throws TypeError for a payload that is not a plain object */
export type Signer = (payload: object) => string;

/** Checks the options. `typ`: RFC 6838 section 4.2, with the one slash of a full media type. */
const checkSignerOptions = optionsOf<SignerOptions>('createSigner', {
  typ: required(option.text('a media type such as at+jwt', /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+/-]*$/)),
});

/**
 * Creates a signer. The header has `alg`, `typ` and `kid`, and no other member.
 *
 * @throws TypeError for a `typ` that is not a media type
 */
export function createSigner(key: SigningKey, options: SignerOptions): Signer {
  const { typ } = checkSignerOptions(options);
  return (payload) => {
    requireObject(payload);
    // As text: in an object jsonwebtoken would set or delete `iat`.
    return jwt.sign(JSON.stringify(payload), key.privateKey, {
      algorithm: key.alg,
      header: { alg: key.alg, typ, kid: key.kid },
    });
  };
}

/**
 * Creates a signer with the same tokens as `createSigner`, by node:crypto alone: jsonwebtoken adds half the time of the signature. For what
 * readers wait for, such as events.
 *
 * @throws TypeError for a `typ` that is not a media type
 */
export function createDirectSigner(key: SigningKey, options: SignerOptions): Signer {
  const input = createInputWriter(key, options);
  const privateKey = keyOf(key);
  return (payload) => {
    const signed = input(payload);
    return `${signed}.${sign('sha256', Buffer.from(signed, 'latin1'), privateKey).toString('base64url')}`;
  };
}

/** Signs a payload unchanged, in a thread of libuv's pool, without blocking the event loop. */
export type ThreadSigner = (payload: object) => Promise<string>;

/**
 * Creates a signer with the same tokens as `createSigner`: equal byte by byte for RS256, whose signatures are deterministic.
 *
 * @throws TypeError for a `typ` that is not a media type
 */
export function createThreadSigner(key: SigningKey, options: SignerOptions): ThreadSigner {
  const input = createInputWriter(key, options);
  const privateKey = keyOf(key);
  return (payload) =>
    new Promise((resolve, reject) => {
      const signed = input(payload);
      sign('sha256', Buffer.from(signed, 'latin1'), privateKey, (error, signature) => {
        if (error === null) resolve(`${signed}.${signature.toString('base64url')}`);
        else reject(error);
      });
    });
}

/** Writes the signing input (RFC 7515 section 5.1) of a payload. */
function createInputWriter({ alg, kid }: SigningKey, options: SignerOptions): (payload: object) => string {
  const { typ } = checkSignerOptions(options);
  const header = Buffer.from(JSON.stringify({ alg, typ, kid })).toString('base64url');
  return (payload) => {
    requireObject(payload);
    return `${header}.${Buffer.from(JSON.stringify(payload)).toString('base64url')}`;
  };
}

/** The bare KeyObject for RS256: a key in an options object takes 10 µs more per call. */
const keyOf = ({ alg, privateKey }: SigningKey) =>
  alg === 'ES256' ? ({ key: privateKey, dsaEncoding: 'ieee-p1363' } as const) : privateKey;

function requireObject(payload: object): void {
  if (typeof payload === 'object' && payload !== null && !Array.isArray(payload)) return;
  throw new TypeError('payload must be an object');
}
