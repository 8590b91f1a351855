import type { KeyObject } from 'node:crypto';
import type { EpochMillis } from '@rescind/revocation';
import type { VerifiedToken } from '@rescind/token';
import type { Trusted } from '../trusted.ts';
import type { ChangeNumber, Changes, Traces } from './changes.ts';
import type { TokenCacheLimits } from './token-cache.ts';
import { createTokenCache } from './token-cache.ts';

/** A token that was verified and that nothing denied, with what tells on every hit whether both still hold. */
interface SeenToken {
  readonly text: string;
  readonly bytes: number;
  readonly token: VerifiedToken;
  readonly trusted: Trusted;
  /** The times in which it is good: from, and up to but not at. */
  readonly from: EpochMillis;
  readonly until: EpochMillis;
  /** The key that its signature was verified with. */
  key: KeyObject;
  /** Where cut-offs that concern it leave a trace, and up to which of them it was judged. */
  traces: Traces;
  judgedAt: ChangeNumber;
}

/**
 * Tokens seen before, by their exact text. Only acceptance is kept. Each hit asks for the time, the key, and whether a
 * cut-off has come that may concern the token; what does not hold any more is gone, and decided about anew.
 */
export interface Seen {
  /** The token, if all of that still holds at this time. */
  find(text: string, at: EpochMillis): SeenToken | undefined;
  /** To be called in the tick in which the token was verified and judged. */
  keep(token: VerifiedToken, trusted: Trusted): void;
  counts(): { readonly entries: number; readonly bytes: number; readonly evicted: number };
}

/** Beside the text: its claims as objects, the entry, its places in tables. Measured: 2.4 times the text, and this. */
const OVERHEAD_BYTES = 1_024;
const BYTES_A_CHARACTER = 3;

export interface SeenOptions {
  readonly limits: TokenCacheLimits;
  readonly changes: Changes;
}

export function createSeen({ limits, changes }: SeenOptions): Seen {
  const cache = createTokenCache<SeenToken>(limits);

  /** Judges again a token that a change may concern. What the denylist throws is for the caller. */
  function isStillGood(seen: SeenToken): boolean {
    const { token, trusted } = seen;
    const latest = changes.latest();
    if (changes.isTouched(seen.traces, seen.judgedAt)) {
      if (trusted.judge(token).denied) return false;
      seen.traces = changes.tracesOf(trusted.traced(token), trusted.names());
    }
    seen.judgedAt = latest;
    return true;
  }

  return {
    find(text, at) {
      const seen = cache.get(text);
      if (seen === undefined) return undefined;
      if (at >= seen.from && at < seen.until && hasKey(seen) && isStillGood(seen)) return seen;
      cache.delete(seen);
      return undefined;
    },
    keep(token, trusted) {
      const key = trusted.keyOf(token);
      if (key === undefined) return;
      const { token: text } = token;
      const bytes = text.length * BYTES_A_CHARACTER + OVERHEAD_BYTES;
      const traces = changes.tracesOf(trusted.traced(token), trusted.names());
      cache.add({ text, bytes, token, trusted, ...trusted.timesOf(token), key, traces, judgedAt: changes.latest() });
    },
    counts: () => ({ entries: cache.size(), bytes: cache.bytes(), evicted: cache.evicted() }),
  };
}

/** Whether its key is still one of the issuer's; the same key read again from a newly fetched set is. */
function hasKey(seen: SeenToken): boolean {
  const key = seen.trusted.keyOf(seen.token);
  if (key === seen.key) return true;
  if (key === undefined || !key.equals(seen.key)) return false;
  seen.key = key;
  return true;
}
