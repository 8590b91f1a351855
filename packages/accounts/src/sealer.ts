import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { RescindError } from '@rescind/revocation';

/** Encrypts what must be read again: a copy of the database alone does not reveal it. */
export interface Sealer {
  /** @param context what it is and whose: it opens for nothing else */
  seal(text: string, context: string): Buffer;
  /** @throws Error when it was sealed under another key or for another context */
  open(sealed: Buffer, context: string): string;
  /** Equal for equal texts; guessing texts requires the key. */
  fingerprint(text: string): Buffer;
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ALGORITHM = 'aes-256-gcm';
const OTHERS = 0o077;
const KEY = /^[A-Za-z0-9_-]{43}$/;

/** Creates the encryption of columns (AES-256-GCM). @param key 32 random bytes, from which the keys of each purpose are derived (RFC 5869) */
export function createSealer(key: Buffer): Sealer {
  const derived = (purpose: string) => Buffer.from(hkdfSync('sha256', key, '', purpose, KEY_BYTES));
  const [sealing, printing] = [derived('rescind account seal'), derived('rescind account fingerprint')];
  return {
    seal(text, context) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, sealing, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(Buffer.from(context));
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
    },
    open(sealed, context) {
      const tag = sealed.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
      const decipher = createDecipheriv(ALGORITHM, sealing, sealed.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(context));
      decipher.setAuthTag(tag);
      const text = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
      return text.toString('utf8');
    },
    fingerprint: (text) => createHmac('sha256', printing).update(text).digest(),
  };
}

/**
 * The key of a file that is its owner's alone; made where there is none.
 * @param inUse whether something is sealed already: then a missing file is an error, and no other key is made
 * @throws RescindError `configuration_invalid`
 */
export function readSealingKey(path: string, inUse: boolean): Buffer {
  if (!existsSync(path)) {
    if (inUse) {
      throw refuse(`${path} is missing: second factors and notices are sealed under its key, so put the file back`);
    }
    writeKey(path, randomBytes(KEY_BYTES).toString('base64url'));
  }
  if (process.platform !== 'win32' && (statSync(path).mode & OTHERS) !== 0) {
    throw refuse(`${path} is open to others: it holds a key, so run chmod 600 on it`);
  }
  const text = readFileSync(path, 'utf8').trim();
  if (!KEY.test(text)) throw refuse(`${path} must hold a key of ${KEY_BYTES} bytes in base64url`);
  return Buffer.from(text, 'base64url');
}

function writeKey(path: string, text: string): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    writeSync(file, `${text}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

const refuse = (detail: string) => new RescindError('configuration_invalid', { detail });
