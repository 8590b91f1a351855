import type { DurationMs } from '@rescind/revocation';
import type { FollowerState, Instant } from './types.ts';

/** How old the view may be at most, by the worse of the two clocks. */
export function ageOf({ kept, age, at }: Pick<FollowerState, 'kept' | 'age'> & { readonly at: Instant }): DurationMs {
  if (kept.wholeAt === 0) return Number.POSITIVE_INFINITY;
  return Math.max(0, at.wall - kept.wholeAt, age.ageMs + (at.monotonic - age.monotonic));
}
