import type { DurationMs } from '@rescind/revocation';

/** How long to wait before each next attempt: doubling, half of it by chance, so that a fleet does not come at once. */
export interface Backoff {
  next(): DurationMs;
  reset(): void;
}

export function createBackoff(firstMs: DurationMs, greatestMs: DurationMs): Backoff {
  let attempt = 0;
  return {
    next() {
      const most = Math.min(firstMs * 2 ** attempt, greatestMs);
      attempt = Math.min(attempt + 1, 30);
      return most / 2 + (Math.random() * most) / 2;
    },
    reset() {
      attempt = 0;
    },
  };
}
