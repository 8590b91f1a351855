import type { Boot, DurationMs, EpochMillis } from '@rescind/revocation';
import type { LogState } from '@rescind/revocation/log-state';
import type { AgeSample, FollowerState, InputTime } from './types.ts';

type KnownHeartbeat = NonNullable<FollowerState['heartbeat']>;

/** A wall clock that has moved by so much more or less than the monotonic one was set, or the machine was suspended. */
const WALL_SET_MS: DurationMs = 1_000;

/** The boot clock is no more exact than this. */
const SUSPENDED_MS: DurationMs = 100;

/** The time as of which a view is complete: the lesser of the issuer's clock, which may lead, and its wall clock. */
export function asOf(logState: Pick<LogState, 'wholeAt' | 'wholeWall'>): EpochMillis {
  return Math.min(logState.wholeAt, logState.wholeWall ?? logState.wholeAt);
}

interface AgeInput extends Pick<FollowerState, 'logState' | 'age'> {
  readonly at: InputTime;
}

/**
 * How old the view may be at most: by the wall clock since `wholeAt`, and by what each of the two clocks has counted since
 * the age was last known. The monotonic clock stands still while the machine is suspended, the wall clock may be set.
 */
export function ageOf({ logState, age, at }: AgeInput): DurationMs {
  if (logState.wholeAt === 0) return Number.POSITIVE_INFINITY;
  return Math.max(0, at.wall - asOf(logState), currentAge(age, at));
}

function currentAge({ ageMs, wall, monotonic }: AgeSample, at: InputTime): DurationMs {
  return ageMs + Math.max(0, at.monotonic - monotonic, at.wall - wall);
}

/**
 * The age as the view becomes complete by a heartbeat. One that is live is as old as this process has known it, if the wall
 * clock does not show more. The age of one that is not live is unknown: it makes the view younger than its predecessor did by the
 * difference of their times only, by the clock of the issuer that counted less.
 */
export function ageByHeartbeat({ logState, age, at }: AgeInput, heartbeat: KnownHeartbeat): AgeSample {
  const { wall, monotonic, boot } = at;
  const sinceHeard = Math.max(monotonic - heartbeat.received.monotonic, wall - heartbeat.received.wall);
  const passed = Math.min(heartbeat.at - logState.wholeAt, heartbeat.wall - (logState.wholeWall ?? logState.wholeAt));
  const byPredecessor = heartbeat.isLive ? 0 : ageOf({ logState, age, at }) - passed;
  return {
    ageMs: Math.max(0, wall - Math.min(heartbeat.at, heartbeat.wall), sinceHeard, byPredecessor),
    wall,
    monotonic,
    boot,
  };
}

/** The age when the time as of which the view was complete is taken for an earlier one. */
export function asOfEarlier(aged: AgeInput, byMs: DurationMs): AgeSample {
  const { wall, monotonic, boot } = aged.at;
  return { ageMs: ageOf(aged) + byMs, wall, monotonic, boot };
}

/** The age at the start of a process. A wall clock behind the one at the last commit has been set back by an unknown time. */
export function ageAtStart(logState: LogState, { wall, monotonic, boot }: InputTime): AgeSample {
  const isKnown = logState.wholeAt > 0 && wall >= logState.savedAt;
  // A version that did not store the age stored the greatest wall clock.
  const { savedAgeMs = Math.max(0, logState.savedAt - asOf(logState)), savedBoot } = logState;
  if (!isKnown || savedAgeMs === null) return { ageMs: Number.POSITIVE_INFINITY, wall, monotonic, boot };
  const elapsed = Math.max(wall - logState.savedAt, upSince(savedBoot, boot));
  return { ageMs: Math.max(0, wall - asOf(logState), savedAgeMs + elapsed), wall, monotonic, boot };
}

/** What the boot clock has counted; 0 after a reboot, or without a boot clock. */
function upSince(before: Boot | null | undefined, boot: Boot | undefined): DurationMs {
  return boot !== undefined && before?.id === boot.id ? boot.uptimeMs - before.uptimeMs : 0;
}

/** Adds a suspension that the other two clocks do not show: the wall clock may have been set back meanwhile. */
export function countSuspension(age: AgeSample, at: InputTime): AgeSample {
  const slept = upSince(age.boot, at.boot) - Math.max(at.monotonic - age.monotonic, at.wall - age.wall);
  if (slept <= SUSPENDED_MS) return age;
  const { wall, monotonic, boot } = at;
  return { ageMs: age.ageMs + upSince(age.boot, boot), wall, monotonic, boot };
}

/** The age as a commit stores it, so that a clock that is set later hides nothing of it. */
export function savedAge(aged: AgeInput): Required<Pick<LogState, 'savedAt' | 'savedAgeMs' | 'savedBoot'>> {
  const ageMs = ageOf(aged);
  const { wall, boot = null } = aged.at;
  return { savedAt: wall, savedAgeMs: Number.isFinite(ageMs) ? ageMs : null, savedBoot: boot };
}

/** Whether the wall clock has been set, or the machine suspended, since the age was last committed. */
export function isWallSet({ saved, at }: Pick<FollowerState, 'saved'> & { readonly at: InputTime }): boolean {
  const byWall = at.wall - saved.wall;
  if (Math.abs(byWall - (at.monotonic - saved.monotonic)) > WALL_SET_MS) return true;
  // A suspension as long as the clock was set back hides it from the monotonic clock.
  const isSameBoot = at.boot !== undefined && at.boot.id === saved.boot?.id;
  return isSameBoot && Math.abs(byWall - upSince(saved.boot, at.boot)) > WALL_SET_MS;
}
