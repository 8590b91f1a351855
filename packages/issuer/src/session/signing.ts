import type { Signer, SigningKey, ThreadSigner } from '@rescind/token/signing';
import { createSigner, createThreadSigner } from '@rescind/token/signing';
import type { AccessAnswer } from '../issuer-sessions.ts';
import type { MintedToken } from './mint.ts';
import { ACCESS_TOKEN_TYPE } from './mint.ts';

/** A token response whose access token is not signed yet. */
export interface Unsigned<T extends AccessAnswer> {
  readonly token: MintedToken;
  readonly rest: Omit<T, 'access_token'>;
}

interface Signers {
  readonly now: Signer;
  readonly soon: ThreadSigner;
}

const signers = new WeakMap<SigningKey, Signers>();

function signersOf(key: SigningKey): Signers {
  const known = signers.get(key);
  if (known !== undefined) return known;
  const options = { typ: ACCESS_TOKEN_TYPE };
  const made = { now: createSigner(key, options), soon: createThreadSigner(key, options) };
  signers.set(key, made);
  return made;
}

/** Where a transaction is to answer tokens. */
export function signNow<T extends AccessAnswer>({ token, rest }: Unsigned<T>): T {
  return { access_token: signersOf(token.key).now(token.claims), ...rest } as T;
}

/** Signs in threads. */
export interface ThreadSigning {
  /**
   * Signs after the commit. The transaction has set the claims, its time included, so a cut-off in between denies the token.
   * Nobody waits for the event loop meanwhile.
   */
  sign<T extends AccessAnswer>(unsigned: Unsigned<T>): Promise<T>;
  /** Calls back once few signatures are left to make, in a turn of its own: whatever came before would wait for one anyway. */
  whenFewAreLeft(then: () => void): void;
}

/** Twice as many as libuv has threads: they never stand still for a commit. */
const FEW_SIGNATURES = 8;

export function createThreadSigning(): ThreadSigning {
  let left = 0;
  let waiting: (() => void)[] = [];

  function release(): void {
    if (left > FEW_SIGNATURES) return;
    for (const then of waiting) setImmediate(then);
    waiting = [];
  }

  return {
    async sign<T extends AccessAnswer>({ token, rest }: Unsigned<T>): Promise<T> {
      left += 1;
      try {
        return { access_token: await signersOf(token.key).soon(token.claims), ...rest } as T;
      } finally {
        left -= 1;
        release();
      }
    },
    whenFewAreLeft(then) {
      waiting.push(then);
      release();
    },
  };
}
