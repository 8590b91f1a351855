import type { Clock, DurationMs, EpochMillis } from './clock.ts';
import { CLOCK_TOLERANCE_MS } from './clock.ts';
import { RescindError } from './errors.ts';

/**
 * How far a burst of cut-offs may push the issuer's clock before the next one has to wait. A clock that leads by more does so
 * because the wall clock was ahead.
 */
const CUT_OFF_LEAD_MS: DurationMs = 1_000;

/** The clock that counts while the wall clocks of the issuer and of the publisher differ; the operator names it. */
export type TrustedClock = 'issuer' | 'publisher';

/**
 * `awaited`: the comparison is about to be made; `unknown`: it could not be made yet; `agreed`: once they were not apart;
 * `parted`: they are apart by more than the tolerance.
 */
export type ReferenceState = 'awaited' | 'unknown' | 'agreed' | 'parted';

/**
 * The clock of the publisher (Kafka's `LogAppendTime`), with which an issuer compares its wall clock after each start. Once the two
 * have agreed nothing is compared any more: from then on the monotonic clock shows when the wall clock is set.
 */
export interface ReferenceClock {
  /** The operator's choice; undefined: none, so nothing is minted while the clocks are apart. */
  readonly trusted: TrustedClock | undefined;
  /** The result of the comparison so far. */
  state(): ReferenceState;
  /** The publisher's time now, or earlier by the length of one acknowledgement; undefined: unknown. */
  now(): EpochMillis | undefined;
  /** How far the wall clock was ahead of the publisher's clock at the last comparison, at least, in ms; negative: behind. */
  differenceMs(): number;
  /** No comparison can be made for now, such as while the publisher is away. */
  abandon(): void;
  /**
   * Compares the clocks: to be called when an acknowledgement comes.
   * @param appendedAt when the publisher appended, by its clock
   * @param tookMs how long ago the record was handed to the publisher, in ms
   */
  compare(appendedAt: EpochMillis, tookMs: DurationMs): void;
}

/** Where the issuer's clock keeps its floor: read and written inside the caller's transaction. */
export interface ClockFloor {
  /** The last floor set; 0: none yet. */
  get(): EpochMillis;
  /** Replaces the floor. */
  set(floor: EpochMillis): void;
}

/**
 * The issuer's clock. It never goes back, across restarts too: whatever was minted before a cut-off has a time at or
 * before it, whatever is minted after has a later one, in the same millisecond too.
 */
export interface IssuerClock {
  /**
   * The time: heartbeats, `iat` of events and pruning. The greatest of the wall clock, the persisted floor, and the last
   * returned time plus half of what has passed since: a leading clock runs at half speed, and the wall clock catches up in twice the lead.
   */
  now(): EpochMillis;
  /** The time of a token. @throws RescindError `clock_parted`; `clock_ahead` while the reference clock is awaited */
  mint(): EpochMillis;
  /**
   * The T of a transaction's cut-offs. Waits for its own burst only, however far the clock leads, and for a reference clock that is
   * awaited.
   * @throws RescindError `clock_ahead` (the caller waits and tries again)
   */
  cutOff(): EpochMillis;
  /**
   * The times of a heartbeat. While a reference clock is awaited they are the persisted floor, since the wall clock may be wrong: a
   * heartbeat may state an earlier time, never a later one.
   */
  heartbeat(): { readonly at: EpochMillis; readonly wall: EpochMillis };
  /** How far the wall clock and the monotonic one have parted since the start, in ms; positive: the wall is ahead. */
  clockDifferenceMs(): number;
  /** The wall clock, or the slower one while it and another clock have parted by more than the tolerance. */
  wall(): EpochMillis;
  /** How far the issuer's clock is ahead of `wall`, ms; 0: not at all. */
  leadMs(): DurationMs;
  /** Whether a clock that disagrees stops minting. */
  isMintingBlocked(): boolean;
  /** @throws RescindError `clock_ahead` while a reference clock is awaited: nothing that depends on the time is done before */
  requireComparison(): void;
}

/** Whether an issuer's clock leads by more than a burst of cut-offs explains: the wall clock was ahead. */
export function isLeading({ leadMs }: Pick<IssuerClock, 'leadMs'>): boolean {
  return leadMs() > CUT_OFF_LEAD_MS;
}

/** The time by which a session or token counts as live: while the clock leads the wall clock's, which takes less for over. */
export function aliveAt({ now, wall }: Pick<IssuerClock, 'now' | 'wall'>): EpochMillis {
  return Math.min(now(), wall());
}

/**
 * Creates the clock of an issuer over a persisted floor.
 * @param floor the persisted floor
 * @param toleranceMs how far the clocks may part before minting stops; default and greatest 60 000
 * @param reference the clock of the publisher; default: there is none
 */
export function createIssuerClock(
  clock: Clock,
  floor: ClockFloor,
  toleranceMs: DurationMs = CLOCK_TOLERANCE_MS,
  reference?: ReferenceClock,
): IssuerClock {
  if (!(toleranceMs >= 0 && toleranceMs <= CLOCK_TOLERANCE_MS)) {
    throw new TypeError(`toleranceMs must be between 0 and ${CLOCK_TOLERANCE_MS}, got ${toleranceMs}`);
  }
  let anchor = { wall: clock.now(), monotonic: clock.monotonic() };
  let latest = { at: 0, monotonic: anchor.monotonic };
  let referenceState = reference?.state();

  const expectedWall = () => anchor.wall + Math.floor(clock.monotonic() - anchor.monotonic);
  const clockDifferenceMs = () => clock.now() - expectedWall();
  const clocksDiffer = () => Math.abs(clockDifferenceMs()) > toleranceMs;

  /** Follows the reference clock; undefined: there is none. */
  const compared = () => {
    const before = referenceState;
    referenceState = reference?.state();
    const at = reference?.now();
    if (referenceState === before || at === undefined) return referenceState;
    const isRight = Math.abs(clock.now() - at) <= toleranceMs;
    // The wall clock was wrong at the start: two clocks agree now that it is not.
    if (referenceState === 'agreed' && isRight && clocksDiffer())
      anchor = { wall: clock.now(), monotonic: clock.monotonic() };
    // A time of a wall clock that turns out to be ahead does not count; a written one is in the floor.
    if (reference?.trusted !== 'issuer' && latest.at > at + toleranceMs)
      latest = { at: 0, monotonic: clock.monotonic() };
    return referenceState;
  };
  /** The time of the reference clock, where it counts: alone or as the slower one. */
  const referenceTime = () =>
    compared() === 'parted' && reference?.trusted !== 'issuer' ? reference?.now() : undefined;

  // Of two clocks that disagree the slower is taken: a time too early makes views look old, one too late would put
  // tokens out of reach of the next cut-off once the clock is corrected.
  const wall = () => {
    const at = referenceTime();
    if (at !== undefined && reference?.trusted === 'publisher') return at;
    const own = clocksDiffer() ? Math.min(clock.now(), expectedWall()) : clock.now();
    return at === undefined ? own : Math.min(own, at);
  };
  const now = () => {
    const slower = wall();
    const monotonic = clock.monotonic();
    const slowly = latest.at + Math.floor((monotonic - latest.monotonic) / 2);
    const at = Math.max(slower, floor.get(), slowly);
    if (at > latest.at) latest = { at, monotonic };
    return at;
  };
  const leadMs = () => Math.max(0, now() - wall());

  const isMintingBlocked = () => {
    const state = compared();
    if (state === 'parted' && reference?.trusted !== 'issuer') return reference?.trusted === undefined;
    if (state === 'unknown' && reference?.trusted === 'publisher') return true;
    return clocksDiffer();
  };

  /** What cut-offs have pushed the clock ahead by, and the clock has not caught up with since. */
  let burst = { ms: 0, monotonic: anchor.monotonic };
  const burstMs = () => {
    const passed = clock.monotonic() - burst.monotonic;
    return Math.max(0, burst.ms - (leadMs() > CUT_OFF_LEAD_MS ? passed / 2 : passed));
  };
  const requireComparison = () => {
    if (compared() === 'awaited')
      throw new RescindError('clock_ahead', { detail: 'it is compared with Kafka’s first' });
  };

  return {
    now,
    clockDifferenceMs,
    wall,
    leadMs,
    isMintingBlocked,
    requireComparison,
    heartbeat() {
      const state = compared();
      const isUnknown = state === 'awaited' || (state === 'unknown' && reference?.trusted === 'publisher');
      const at = isUnknown ? floor.get() : 0;
      // A database without a floor has minted nothing.
      return at > 0 ? { at, wall: Math.min(at, wall()) } : { at: now(), wall: wall() };
    },
    mint() {
      requireComparison();
      const at = now();
      if (isMintingBlocked() || at - wall() > toleranceMs) throw new RescindError('clock_parted');
      floor.set(at);
      return at;
    },
    cutOff() {
      requireComparison();
      const at = now();
      const pushed = burstMs();
      if (pushed > CUT_OFF_LEAD_MS) throw new RescindError('clock_ahead');
      burst = { ms: pushed + 1, monotonic: clock.monotonic() };
      floor.set(at + 1);
      return at;
    },
  };
}

/**
 * Creates the comparison of the wall clock with the publisher's.
 * @param toleranceMs how far the clocks may be apart
 * @param waitMs how long the first comparison is awaited, in ms, unless `abandon` is called before. Default 3 000: an issuer whose
 *   Kafka is away serves after that
 */
export function createReferenceClock(
  clock: Clock,
  toleranceMs: DurationMs,
  trusted: TrustedClock | undefined,
  waitMs: DurationMs = 3_000,
): ReferenceClock {
  const waitUntil = clock.monotonic() + waitMs;
  let isPending = trusted !== 'issuer';
  let appended: { readonly at: EpochMillis; readonly monotonic: DurationMs } | undefined;
  let hasAgreed = false;
  let differenceMs = 0;

  const now = () =>
    appended === undefined ? undefined : appended.at + Math.floor(clock.monotonic() - appended.monotonic);
  const isNear = (at: EpochMillis) => Math.abs(clock.now() - at) <= toleranceMs;

  return {
    trusted,
    state() {
      if (hasAgreed) return 'agreed';
      const at = now();
      if (at === undefined) return isPending && clock.monotonic() < waitUntil ? 'awaited' : 'unknown';
      // A wall clock that was corrected meanwhile agrees without another acknowledgement.
      hasAgreed = differenceMs === 0 || isNear(at);
      return hasAgreed ? 'agreed' : 'parted';
    },
    now,
    differenceMs: () => (hasAgreed ? 0 : differenceMs),
    abandon() {
      isPending = false;
    },
    compare(appendedAt, tookMs) {
      if (hasAgreed) return;
      const wall = clock.now();
      const sentAt = wall - Math.ceil(tookMs);
      const distance = Math.max(0, sentAt - appendedAt) - Math.max(0, appendedAt - wall);
      differenceMs = Math.abs(distance) > toleranceMs ? distance : 0;
      appended = { at: appendedAt, monotonic: clock.monotonic() };
    },
  };
}
