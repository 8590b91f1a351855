import type { KeyObject } from 'node:crypto';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { SigningAlgorithm } from './algorithm.ts';
import { signingAlgorithmOf } from './algorithm.ts';
import { thumbprint } from './jwk.ts';

/** A key pair with the one algorithm it is used with (RFC 8725 section 3.1). */
export interface SigningKey {
  /** Its RFC 7638 thumbprint (SHA-256): the same wherever the key is read. */
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** RFC 7518 section 3.3 demands 2048 bits; more would cost every verifier time with nothing gained before 2030. */
const RSA_BITS = 2_048;

/** Makes a new key pair: RSA of 2048 bits (`RS256`, the default) or P-256 (`ES256`). RSA takes some 100 ms. */
export function generateSigningKey(alg: SigningAlgorithm = 'RS256'): SigningKey {
  if (alg === 'RS256') return fromPrivateKey(generateKeyPairSync('rsa', { modulusLength: RSA_BITS }).privateKey, alg);
  if (alg === 'ES256') return fromPrivateKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, alg);
  throw new TypeError(`alg must be RS256 or ES256, got ${String(alg)}`);
}

/**
 * Reads a private key from PEM (PKCS#8, PKCS#1 or SEC1, not encrypted).
 *
 * @param alg what it has to be for; default: RSA is for `RS256`, P-256 for `ES256`
 * @throws TypeError when it is no such key; the message quotes nothing of it
 */
export function signingKeyFromPem(pem: string, alg?: SigningAlgorithm): SigningKey {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    // The cause is left out: it could speak of what is in the file.
    throw new TypeError('pem must be a private key in PEM that is not encrypted');
  }
  return fromPrivateKey(privateKey, alg);
}

/** The private key as PKCS#8 in PEM, not encrypted: for a file that only its owner reads. */
export function signingKeyToPem(key: SigningKey): string {
  return key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function fromPrivateKey(privateKey: KeyObject, wanted?: SigningAlgorithm): SigningKey {
  const alg = signingAlgorithmOf(privateKey);
  if (alg === undefined) throw new TypeError('the key must be RSA of 2048 to 8192 bits or EC on P-256');
  if (wanted !== undefined && wanted !== alg)
    throw new TypeError(`the key must be one for ${wanted}, got one for ${alg}`);
  const publicKey = createPublicKey(privateKey);
  return { kid: thumbprint(publicKey), alg, privateKey, publicKey };
}
