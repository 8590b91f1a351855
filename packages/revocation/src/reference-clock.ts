import type { Clock, DurationMs, EpochMillis, ReferenceClock, TrustedClock } from './clock.ts';

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
