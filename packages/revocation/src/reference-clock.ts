import type { Clock, DurationMs, EpochMillis } from './clock.ts';

/** Whose clock counts while the issuer's wall clock and the publisher's clock are apart: the operator names it. */
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
  state(): ReferenceState;
  /** The publisher's time now, or earlier by the length of one acknowledgement; undefined: it has told none. */
  now(): EpochMillis | undefined;
  /** How far the wall clock was ahead of the publisher's clock at the last comparison, at least, in ms; negative: behind. */
  apartMs(): number;
  /** No comparison can be made for now, such as while the publisher is away. */
  giveUp(): void;
  /**
   * Compares the clocks: to be called when an acknowledgement comes.
   * @param appendedAt when the publisher appended, by its clock
   * @param tookMs how long ago the record was handed to the publisher, in ms
   */
  compare(appendedAt: EpochMillis, tookMs: DurationMs): void;
}

/**
 * @param toleranceMs how far the clocks may be apart
 * @param awaitMs how long the first comparison is waited for, in ms, unless `giveUp` is called before. Default 3 000: an issuer whose
 *   Kafka is away serves after that
 */
export function createReferenceClock(
  clock: Clock,
  toleranceMs: DurationMs,
  trusted: TrustedClock | undefined,
  awaitMs: DurationMs = 3_000,
): ReferenceClock {
  const awaitedUntil = clock.monotonic() + awaitMs;
  let isAwaited = trusted !== 'issuer';
  let told: { readonly at: EpochMillis; readonly monotonic: DurationMs } | undefined;
  let hasAgreed = false;
  let apartMs = 0;

  const now = () => (told === undefined ? undefined : told.at + Math.floor(clock.monotonic() - told.monotonic));
  const isNear = (at: EpochMillis) => Math.abs(clock.now() - at) <= toleranceMs;

  return {
    trusted,
    state() {
      if (hasAgreed) return 'agreed';
      const at = now();
      if (at === undefined) return isAwaited && clock.monotonic() < awaitedUntil ? 'awaited' : 'unknown';
      // A wall clock that was mended meanwhile agrees without another acknowledgement.
      hasAgreed = apartMs === 0 || isNear(at);
      return hasAgreed ? 'agreed' : 'parted';
    },
    now,
    apartMs: () => (hasAgreed ? 0 : apartMs),
    giveUp() {
      isAwaited = false;
    },
    compare(appendedAt, tookMs) {
      if (hasAgreed) return;
      const wall = clock.now();
      const sentAt = wall - Math.ceil(tookMs);
      const distance = Math.max(0, sentAt - appendedAt) - Math.max(0, appendedAt - wall);
      apartMs = Math.abs(distance) > toleranceMs ? distance : 0;
      told = { at: appendedAt, monotonic: clock.monotonic() };
    },
  };
}
