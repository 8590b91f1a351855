import type { Clock, DurationMs } from '@rescind/revocation';

/** Asks nobody for a while after failures in a row; then lets one question try, and by that one decides. */
export interface Breaker {
  /** Whether a question may be asked now. One that may must be followed by `succeeded`, `failed` or `undecided`. */
  admits(): boolean;
  succeeded(): void;
  failed(): void;
  /** It was not asked, after all. */
  undecided(): void;
  state(): 'closed' | 'open' | 'half-open';
}

export interface BreakerOptions {
  readonly breakAfter: number;
  readonly breakMs: DurationMs;
}

export function createBreaker({ breakAfter, breakMs }: BreakerOptions, clock: Clock): Breaker {
  let failures = 0;
  let openUntil: DurationMs = 0;
  let trying = false;
  const isBroken = () => failures >= breakAfter;
  const isOpen = () => isBroken() && clock.monotonic() < openUntil;

  return {
    admits() {
      if (!isBroken()) return true;
      if (isOpen() || trying) return false;
      trying = true;
      return true;
    },
    succeeded() {
      failures = 0;
      trying = false;
    },
    failed() {
      failures += 1;
      trying = false;
      if (isBroken()) openUntil = clock.monotonic() + breakMs;
    },
    undecided() {
      trying = false;
    },
    state: () => (isOpen() ? 'open' : isBroken() ? 'half-open' : 'closed'),
  };
}
