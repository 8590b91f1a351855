import type { KeyObject } from 'node:crypto';
import type { EpochMillis } from '@rescind/revocation';
import type { VerifiedToken } from '@rescind/token';
import type { TrustedIssuer } from '../trusted-issuer.ts';
import type { ChangeNumber, InvalidationIndex, InvalidationSlots } from './invalidation-index.ts';
import type { TokenCacheLimits } from './token-cache.ts';
import { createTokenCache } from './token-cache.ts';

/** A token that was presented once: its text, its issuer and the key of its signature. */
interface SeenOnce {
  readonly text: string;
  readonly bytes: number;
  readonly token: undefined;
  readonly trusted: TrustedIssuer;
  readonly key: KeyObject;
}

/** A token that is verified and not denied, with what is checked on every hit. */
export interface SeenToken {
  readonly text: string;
  readonly bytes: number;
  readonly token: VerifiedToken;
  readonly trusted: TrustedIssuer;
  /** The times in which it is valid: from `from` on, before `until`. */
  readonly from: EpochMillis;
  readonly until: EpochMillis;
  /** The key that verified its signature. */
  key: KeyObject;
  /** The slots that a cut-off about it writes, and the last change that it was judged by. */
  slots: InvalidationSlots;
  judgedAt: ChangeNumber;
}

/**
 * Verified tokens by their exact text. It caches acceptance only. After the first presentation it has the text and the key only. At the
 * second one it checks everything but the signature, and caches the result. From then on each hit checks the time, the key, and whether
 * a cut-off has arrived that may concern the token. If one of them no longer holds, the entry is deleted and the token is verified again.
 */
export interface VerifiedTokenCache {
  /** Returns the token if all of that holds at this time. */
  find(text: string, at: EpochMillis): SeenToken | undefined;
  /** The caller calls it after it has verified and judged the token. */
  keep(token: VerifiedToken, trusted: TrustedIssuer): void;
  /**
   * Returns an entry that is in no cache, for a token that the caller follows for its whole life. The caller calls it in the tick in which the
   * token was verified and judged, or judges it again.
   * @returns undefined if its key is not the issuer's any more
   */
  follow(token: VerifiedToken, trusted: TrustedIssuer): SeenToken | undefined;
  /** Whether all that is checked on every hit holds at this time. @throws what the denylist throws */
  isValid(seen: SeenToken, at: EpochMillis): boolean;
  counts(): SeenCounts;
}

interface SeenCounts {
  readonly entries: number;
  readonly bytes: number;
  /** The number of evicted entries. */
  readonly evicted: number;
  /** How often a token was judged again because a cut-off could concern it. */
  readonly judgedAgain: number;
}

/** In addition to the text: the claims as objects, the entry and its table slots. Measured: 2.4 times the text, and this. */
const OVERHEAD_BYTES = 1_024;
const BYTES_A_CHARACTER = 3;
/** For a token that was presented once: the entry and its table slots. */
const ONCE_OVERHEAD_BYTES = 192;

const bytesOf = ({ length }: string) => length * BYTES_A_CHARACTER + OVERHEAD_BYTES;

export interface VerifiedTokenCacheOptions {
  readonly limits: TokenCacheLimits;
  readonly changes: InvalidationIndex;
}

export function createVerifiedTokenCache({ limits, changes }: VerifiedTokenCacheOptions): VerifiedTokenCache {
  const cache = createTokenCache<SeenOnce | SeenToken>(limits);
  let judgedAgain = 0;

  const slotsOf = (token: VerifiedToken, trusted: TrustedIssuer) =>
    changes.slotsOf(trusted.toIndexed(token), trusted.names());

  /** Judges a token again if a change may concern it. @throws what the denylist throws */
  function isStillGood(seen: SeenToken): boolean {
    const { token, trusted } = seen;
    const latest = changes.latest();
    if (changes.isTouched(seen.slots, seen.judgedAt)) {
      judgedAgain += 1;
      if (trusted.judge(token).denied) return false;
      seen.slots = slotsOf(token, trusted);
    }
    seen.judgedAt = latest;
    return true;
  }

  const isValid = (seen: SeenToken, at: EpochMillis) =>
    at >= seen.from && at < seen.until && hasKey(seen) && isStillGood(seen);

  /** Checks everything but the signature, in this tick. */
  function examine({ text, trusted, key: signedBy }: SeenOnce, at: EpochMillis): SeenToken | undefined {
    const token = verifyAgain(trusted, text, at, signedBy);
    if (token === undefined || trusted.judge(token).denied) return undefined;
    return follow(token, trusted);
  }

  function follow(token: VerifiedToken, trusted: TrustedIssuer): SeenToken | undefined {
    const key = trusted.keyOf(token);
    if (key === undefined) return undefined;
    const { token: text } = token;
    const slots = slotsOf(token, trusted);
    const judgedAt = changes.latest();
    return { text, bytes: bytesOf(text), token, trusted, ...trusted.timesOf(token), key, slots, judgedAt };
  }

  function again(once: SeenOnce, at: EpochMillis): SeenToken | undefined {
    const seen = examine(once, at);
    cache.delete(once);
    if (seen !== undefined) cache.add(seen, true);
    return seen;
  }

  return {
    find(text, at) {
      const seen = cache.get(text);
      if (seen === undefined) return undefined;
      if (seen.token === undefined) return again(seen, at);
      if (isValid(seen, at)) return seen;
      cache.delete(seen);
      return undefined;
    },
    keep(token, trusted) {
      const key = trusted.keyOf(token);
      const { token: text } = token;
      // A token that exceeds the limit is not cached.
      if (key === undefined || bytesOf(text) > limits.maxBytes) return;
      cache.add({ text, bytes: text.length + ONCE_OVERHEAD_BYTES, token: undefined, trusted, key });
    },
    follow,
    isValid,
    counts: () => ({ entries: cache.size(), bytes: cache.bytes(), evicted: cache.evicted(), judgedAgain }),
  };
}

/** Returns undefined for an invalid token: the full decision reports the error. */
function verifyAgain(
  trusted: TrustedIssuer,
  text: string,
  at: EpochMillis,
  signedBy: KeyObject,
): VerifiedToken | undefined {
  try {
    return trusted.verifyAgain(text, at, signedBy);
  } catch {
    return undefined;
  }
}

/** Whether its key is still one of the issuer's, also as an equal key of a newly fetched set. */
function hasKey(seen: SeenToken): boolean {
  const key = seen.trusted.keyOf(seen.token);
  if (key === seen.key) return true;
  if (key === undefined || !key.equals(seen.key)) return false;
  seen.key = key;
  return true;
}
