import type { Publisher } from '@rescind/feed';
import type { Clock, DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import type { ReferenceClock, ReferenceState } from '@rescind/revocation/issuer-clock';

/** Compares the issuer's wall clock with the publisher's, before the first heartbeat and until they agree. */
interface ClockComparison {
  /** Whether the clocks have still to be compared. Until then nothing new is published: a record of the topic is sent again. */
  isDue(): boolean;
  /**
   * Sends a record of the topic again, and compares. Without a record the first acknowledgement of anything is compared.
   * @throws whatever the publisher throws
   */
  make(record: string | undefined): Promise<void>;
  /** Records that the publisher has acknowledged a publication that began `tookMs` ago. */
  acknowledged(tookMs: DurationMs): void;
  /** Increases when the comparison is made, and when the clocks are found to differ: no heartbeat of an earlier round is published. */
  round(): number;
  /** Records that the publisher could not be reached. */
  failed(): void;
  /** Resolves when the comparison was made, or cannot be made for now. */
  readonly settled: Promise<void>;
}

interface ComparisonOptions {
  readonly publisher: Publisher;
  /** Undefined: the publisher has no clock. */
  readonly reference: ReferenceClock | undefined;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

const NOTHING_TO_COMPARE: ClockComparison = {
  isDue: () => false,
  make: async () => undefined,
  acknowledged: () => undefined,
  round: () => 0,
  failed: () => undefined,
  settled: Promise.resolve(),
};

export function createClockComparison(options: ComparisonOptions): ClockComparison {
  const { publisher, reference, clock, telemetry } = options;
  if (reference === undefined) return NOTHING_TO_COMPARE;
  const { promise: settled, resolve: settle } = Promise.withResolvers<void>();
  let isDue = reference.trusted !== 'issuer';
  let round = 0;
  let isReported = false;
  let logged: ReferenceState | undefined;
  if (reference.state() !== 'awaited') settle();
  if (reference.trusted !== undefined) telemetry.log('warn', 'clock_trusted', { trusted: reference.trusted });

  function acknowledged(tookMs: DurationMs): void {
    if (logged === 'agreed') return;
    const appendedAt = publisher.appendedAt?.();
    if (appendedAt !== undefined) reference?.compare(appendedAt, tookMs);
    else if (!isReported) {
      isReported = true;
      telemetry.log('warn', 'clock_not_compared', { reason: 'the topic does not keep the time of the broker' });
    }
    note();
  }

  function note(): void {
    const state = reference?.state();
    if (reference === undefined || state === logged) return;
    if (state === 'parted') round += 1;
    if (state === 'parted') telemetry.log('error', 'clock_apart', clockTimes(reference, clock.now()));
    if (state === 'agreed' && logged === 'parted')
      telemetry.log('info', 'clock_agrees', clockTimes(reference, clock.now()));
    logged = state;
  }

  return {
    settled,
    isDue: () => isDue,
    round: () => round,
    async make(record) {
      if (record !== undefined) {
        const begunAt = clock.monotonic();
        await publisher.publish([record]);
        acknowledged(clock.monotonic() - begunAt);
      }
      isDue = false;
      round += 1;
      reference.abandon();
      settle();
    },
    acknowledged,
    failed() {
      reference.abandon();
      settle();
    },
  };
}

/** Both clocks, and which one is used, for log lines and health. */
export function clockTimes(reference: ReferenceClock, wall: EpochMillis) {
  const publisherAt = reference.now();
  return {
    wallTime: new Date(wall).toISOString(),
    publisherTime: publisherAt === undefined ? null : new Date(publisherAt).toISOString(),
    apartMs: reference.differenceMs(),
    trusted: reference.trusted ?? null,
  };
}
