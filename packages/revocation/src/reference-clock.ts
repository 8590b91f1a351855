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
      // A wall clock that was mended meanwhile agrees without another acknowledgement.
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
