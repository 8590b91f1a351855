import type { EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, isLogTimeOld } from '@rescind/revocation';
import type { Draft } from './draft.ts';
import type { FollowerState } from './types.ts';

/** Whether a heartbeat tells a time that no clock within the tolerance shows yet: the issuer's clock leads, or this one is behind. */
export function isFromFuture({ at }: { readonly at: EpochMillis }, wall: EpochMillis): boolean {
  return at > wall + CLOCK_TOLERANCE_MS;
}

/**
 * Whether the view would be complete by its newest heartbeat, were that not from ahead: it completes no first reading, no new
 * epoch and no other history. A reader that was complete in the epoch before goes on by it.
 */
export function isHeldByClock(
  { heartbeat, kept, cause }: Pick<FollowerState, 'heartbeat' | 'kept' | 'cause'>,
  wall: EpochMillis,
): boolean {
  if (heartbeat === null || !heartbeat.agrees || kept.seq < kept.head || !isFromFuture(heartbeat, wall)) return false;
  return kept.wholeAt === 0 || cause === 'epoch' || cause === 'fork';
}

/** Takes the time of a heartbeat of the present epoch. A time of before the issuer's clock was set stays until the view is complete. */
export function raiseLogTime(draft: Draft, at: EpochMillis): void {
  const { kept } = draft;
  if (isLogTimeOld(kept) || at <= kept.logTime) return;
  draft.kept = { ...kept, logTime: at, logTimeEpoch: kept.epoch };
}
