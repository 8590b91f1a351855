import crypto, { randomBytes, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import { nodeVersionProblem } from '@rescind/revocation/node-version';
import pLimit from 'p-limit';

export interface Passwords {
  /** The PHC string to store of a new password. @throws RescindError `password_refused`, `busy` */
  hash(password: string, username: string): Promise<string>;
  /** As `hash`, for a password that is in use, also if it would be refused today. @throws RescindError `busy` */
  rehash(password: string): Promise<string>;
  /**
   * Whether `password` is the one of the stored PHC string. `undefined` (there is no such account) takes as long and
   * returns false. @throws RescindError `busy`
   */
  verify(password: string, stored: string | undefined): Promise<boolean>;
  /** Whether a stored PHC string costs an attacker less than one made now. */
  isOutdated(stored: string): boolean;
}

/** The cost of an argon2id hash: memory in KiB, passes, lanes. */
interface Argon2Cost {
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** OWASP's first choice for argon2id: 19 MiB, two passes, one lane. About 40 ms of one core. */
const COST: Argon2Cost = { memory: 19_456, passes: 2, parallelism: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Hashes at once: half of libuv's four threads, so that files and DNS never wait for a burst of logins. */
const HASHES_AT_ONCE = 2;
/** Hashes that may wait, some ten seconds of them: beyond, 503 is the better answer. */
const HASHES_WAITING = 512;

/** NIST SP 800-63B section 3.1.1.2: at least 8; ASVS 6.2.9: 64 must be possible. In characters (code points). */
const MIN_LENGTH = 8;
const MAX_LENGTH = 128;

// The first version that has `argon2`: an older one would end with a TypeError about `promisify`.
const problem = nodeVersionProblem(process.versions.node, '24.7');
if (problem !== undefined) throw new Error(problem);
const argon2Async = promisify(crypto.argon2);

/** Creates the hashing of passwords by Argon2id (RFC 9106), with a limit of concurrent hashes. */
export function createPasswords(): Passwords {
  const semaphore = createSemaphore(HASHES_AT_ONCE, HASHES_WAITING);
  const dummyHash = formatPhc({ cost: COST, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) });

  const compute = (password: string, salt: Buffer, cost: Argon2Cost, length: number) =>
    semaphore(() => argon2Async('argon2id', { message: prepared(password), nonce: salt, tagLength: length, ...cost }));

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
      const { cost, salt, hash } = parsePhc(stored ?? dummyHash);
      // Longer than every stored password, so it is not hashed, whichever account it is for.
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
 * What is hashed: Unicode NFC (RFC 8265 section 4.2, OpaqueString), so that the same text typed on another keyboard is the
 * same password. Nothing is trimmed, cut or folded.
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
  if (isCommonPassword(password)) throw refuse('must not be a common password');
}

/** OWASP ASVS 5.0 section 6.2.4 requires the 3 000 most common that are long enough; the file has more. */
const COMMON: ReadonlySet<string> = new Set(
  readFileSync(new URL('common-passwords.txt', import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#')),
);

/** Whether it is one of those that attackers try first, in whatever case. */
function isCommonPassword(password: string): boolean {
  return COMMON.has(password.normalize('NFKC').toLowerCase());
}

interface StoredHash {
  readonly cost: Argon2Cost;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** PHC string format: the hash with all that is needed to compute it again. */
function formatPhc({ cost, salt, hash }: StoredHash): string {
  const [saltText, hashText] = [salt, hash].map((bytes) => bytes.toString('base64').replaceAll('=', ''));
  return `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${saltText}$${hashText}`;
}

/** @throws TypeError for anything else; never with the text */
function parsePhc(text: string): StoredHash {
  const [, memory, passes, parallelism, salt, hash] = PHC.exec(text) ?? [];
  if (salt === undefined || hash === undefined) throw new TypeError('a stored password must be an argon2id PHC string');
  return {
    cost: { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) },
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
}

/** Runs work, a limited number at a time. */
type Semaphore = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * @param limit how many run at once
 * @param queue how many may wait; more are refused with RescindError `busy`
 */
export function createSemaphore(limit: number, queue: number): Semaphore {
  const run = pLimit(limit);
  return async (work) => {
    if (run.activeCount + run.pendingCount >= limit + queue) throw new RescindError('busy', { retryAfter: 1 });
    return run(work);
  };
}
