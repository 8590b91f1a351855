import type { ClockFloor, EpochMillis } from '@rescind/revocation';

/**
 * The floor of the issuer's clock, in memory: each transaction makes it durable before it commits, so that whatever has a time that
 * was taken inside of it is answered after that time is durable. What was taken inside of one that was rolled back stays: a clock
 * that is ahead by a millisecond denies nothing wrongly.
 */
export interface PersistedFloor extends ClockFloor {
  /** What is durable of it. */
  persisted(): EpochMillis;
  /** To be called after the commit that wrote it. */
  notePersisted(floor: EpochMillis): void;
}

/** @param floor what is durable at the start */
export function createPersistedFloor(floor: EpochMillis): PersistedFloor {
  let [current, durable] = [floor, floor];
  return {
    get: () => current,
    set(next) {
      current = Math.max(current, next);
    },
    persisted: () => durable,
    notePersisted(persisted) {
      durable = Math.max(durable, persisted);
    },
  };
}
