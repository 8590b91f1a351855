import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { RequestRefused } from '@rescind/service';
import { isCommonPassword } from './common-passwords.ts';
import type { Argon2Cost } from './phc.ts';
import { formatPhc, parsePhc } from './phc.ts';
import { createSlots } from './slots.ts';

export interface Passwords {
  /** The PHC string to store of a new password. @throws RescindError `password_refused`, `busy` */
  hash(password: string, username: string): Promise<string>;
  /** The same of one that is in use, whatever would be said of it today. @throws RescindError `busy` */
  rehash(password: string): Promise<string>;
  /**
   * Whether `password` is the one of the stored PHC string; without one (nobody has that name) it takes as long and is
   * not. @throws RescindError `busy`
   */
  verify(password: string, stored: string | undefined): Promise<boolean>;
  /** Whether a stored PHC string costs an attacker less than one made now. */
  isOutdated(stored: string): boolean;
}

/** OWASP's first choice for argon2id: 19 MiB, two passes, one lane. About 40 ms of one core. */
const COST: Argon2Cost = { memory: 19_456, passes: 2, parallelism: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Hashes at once: half of libuv's four threads, so that files and DNS never wait for a burst of logins. */
const HASHES_AT_ONCE = 2;
/** Hashes that may wait, some ten seconds of them: beyond, 503 is the better answer. */
const HASHES_WAITING = 512;

/** NIST SP 800-63B section 3.1.1.2: at least 8; ASVS 6.2.9: 64 must be taken. In characters (code points). */
const MIN_LENGTH = 8;
const MAX_LENGTH = 128;

const argon2Async = promisify(argon2);

export function createPasswords(): Passwords {
  const slots = createSlots(HASHES_AT_ONCE, HASHES_WAITING);
  const nobodys = formatPhc({ cost: COST, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) });

  const compute = (password: string, salt: Buffer, cost: Argon2Cost, length: number) =>
    slots(() => argon2Async('argon2id', { message: prepared(password), nonce: salt, tagLength: length, ...cost }));

  const rehash = async (password: string) => {
    const salt = randomBytes(SALT_BYTES);
    return formatPhc({ cost: COST, salt, hash: await compute(password, salt, COST, HASH_BYTES) });
  };

  return {
    rehash,
    async hash(password, username) {
      requireUsable(password, username);
      return await rehash(password);
    },
    async verify(password, stored) {
      const { cost, salt, hash } = parsePhc(stored ?? nobodys);
      // Longer than any that is stored: not hashed, whoever it is for.
      if (lengthOf(password) > MAX_LENGTH) return false;
      return timingSafeEqual(await compute(password, salt, cost, hash.length), hash) && stored !== undefined;
    },
    isOutdated(stored) {
      const { cost } = parsePhc(stored);
      return cost.memory * cost.passes < COST.memory * COST.passes;
    },
  };
}

/**
 * What is hashed: Unicode NFC, as RFC 8265 section 4.2 (OpaqueString) has it, so that the same text typed on another
 * keyboard is the same password. Nothing is trimmed, cut or folded.
 */
function prepared(password: string): Buffer {
  return Buffer.from(password.normalize('NFC'), 'utf8');
}

function lengthOf(password: string): number {
  return [...password].length;
}

function requireUsable(password: string, username: string): void {
  const refuse = (message: string) => new RequestRefused([{ path: 'password', message }], 'password_refused');
  const length = lengthOf(password.normalize('NFC'));
  if (length < MIN_LENGTH) throw refuse(`must have at least ${MIN_LENGTH} characters`);
  if (lengthOf(password) > MAX_LENGTH) throw refuse(`must have at most ${MAX_LENGTH} characters`);
  if (!password.isWellFormed()) throw refuse('must be Unicode text');
  if (password.toLowerCase() === username.toLowerCase()) throw refuse('must not be the name');
  if (isCommonPassword(password)) throw refuse('must not be one of those that everybody tries first');
}
