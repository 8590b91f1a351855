import type { KeyObject } from 'node:crypto';
import type { EpochMillis } from '@rescind/revocation';
import type { VerifiedToken } from '@rescind/token';
import type { TrustedIssuer } from '../trusted.ts';
import type { ChangeNumber, InvalidationIndex, InvalidationSlots } from './changes.ts';
import type { TokenCacheLimits } from './token-cache.ts';
import { createTokenCache } from './token-cache.ts';

/** A text that was seen once: whose signature it bears, and no more. */
interface SeenOnce {
  readonly text: string;
  readonly bytes: number;
  readonly token: undefined;
  readonly trusted: TrustedIssuer;
  readonly key: KeyObject;
}

/** A token that was verified and that nothing denied, with what tells on every hit whether both still hold. */
interface SeenToken {
  readonly text: string;
  readonly bytes: number;
  readonly token: VerifiedToken;
  readonly trusted: TrustedIssuer;
  /** The times in which it is good: from, and up to but not at. */
  readonly from: EpochMillis;
  readonly until: EpochMillis;
  /** The key that its signature was verified with. */
  key: KeyObject;
  /** Where cut-offs that concern it leave a trace, and up to which of them it was judged. */
  traces: InvalidationSlots;
  judgedAt: ChangeNumber;
}

/**
 * Tokens seen before, by their exact text. Only acceptance is kept. Of one that was seen once there is only its text and its
 * key: the second time everything but the signature is asked anew, and kept. From then on each hit asks for the time, the
 * key, and whether a cut-off has come that may concern the token; what does not hold any more is gone, and decided about
 * anew.
 */
export interface VerifiedTokenCache {
  /** The token, if all of that still holds at this time. */
  find(text: string, at: EpochMillis): SeenToken | undefined;
  /** To be called when the token was verified, and judged. */
  keep(token: VerifiedToken, trusted: TrustedIssuer): void;
  counts(): SeenCounts;
}

interface SeenCounts {
  readonly entries: number;
  readonly bytes: number;
  /** How many have had to make room. */
  readonly evicted: number;
  /** How often one was judged again, because a cut-off had come that could concern it. */
  readonly judgedAgain: number;
}

/** Beside the text: its claims as objects, the entry, its places in tables. Measured: 2.4 times the text, and this. */
const OVERHEAD_BYTES = 1_024;
const BYTES_A_CHARACTER = 3;
/** The same of one that was seen once: the entry and its places. */
const ONCE_OVERHEAD_BYTES = 192;

const bytesOf = ({ length }: string) => length * BYTES_A_CHARACTER + OVERHEAD_BYTES;

export interface VerifiedTokenCacheOptions {
  readonly limits: TokenCacheLimits;
  readonly changes: InvalidationIndex;
}

export function createVerifiedTokenCache({ limits, changes }: VerifiedTokenCacheOptions): VerifiedTokenCache {
  const cache = createTokenCache<SeenOnce | SeenToken>(limits);
  let judgedAgain = 0;

  const tracesOf = (token: VerifiedToken, trusted: TrustedIssuer) =>
    changes.tracesOf(trusted.traced(token), trusted.names());

  /** Judges again a token that a change may concern. What the denylist throws is for the caller. */
  function isStillGood(seen: SeenToken): boolean {
    const { token, trusted } = seen;
    const latest = changes.latest();
    if (changes.isTouched(seen.traces, seen.judgedAt)) {
      judgedAgain += 1;
      if (trusted.judge(token).denied) return false;
      seen.traces = tracesOf(token, trusted);
    }
    seen.judgedAt = latest;
    return true;
  }

  /** Everything but the signature, in this tick. */
  function examine({ text, trusted, key: signedBy }: SeenOnce, at: EpochMillis): SeenToken | undefined {
    const token = verifyAgain(trusted, text, at, signedBy);
    if (token === undefined || trusted.judge(token).denied) return undefined;
    const key = trusted.keyOf(token);
    if (key === undefined) return undefined;
    const traces = tracesOf(token, trusted);
    const judgedAt = changes.latest();
    return { text, bytes: bytesOf(text), token, trusted, ...trusted.timesOf(token), key, traces, judgedAt };
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
      if (at >= seen.from && at < seen.until && hasKey(seen) && isStillGood(seen)) return seen;
      cache.delete(seen);
      return undefined;
    },
    keep(token, trusted) {
      const key = trusted.keyOf(token);
      const { token: text } = token;
      // What there will never be room for is not begun.
      if (key === undefined || bytesOf(text) > limits.maxBytes) return;
      cache.add({ text, bytes: text.length + ONCE_OVERHEAD_BYTES, token: undefined, trusted, key });
    },
    counts: () => ({ entries: cache.size(), bytes: cache.bytes(), evicted: cache.evicted(), judgedAgain }),
  };
}

/** What is wrong with it, if something is, is said by who looks at it from the start. */
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

/** Whether its key is still one of the issuer's; the same key read again from a newly fetched set is. */
function hasKey(seen: SeenToken): boolean {
  const key = seen.trusted.keyOf(seen.token);
  if (key === seen.key) return true;
  if (key === undefined || !key.equals(seen.key)) return false;
  seen.key = key;
  return true;
}
