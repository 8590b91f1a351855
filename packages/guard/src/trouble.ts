import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';

/** Trouble that comes with each request is one line now and then, and a count of all. */
export type TroubleLog = (
  event: 'decision_failed' | 'denylist_unreadable' | 'introspection_failed',
  error: string,
) => void;

const SAY_AGAIN_MS: DurationMs = 10_000;

export function createTroubleLog(telemetry: Telemetry, clock: Clock): TroubleLog {
  const saidAt = new Map<string, DurationMs>();
  return (event, error) => {
    const now = clock.monotonic();
    if (now - (saidAt.get(event) ?? Number.NEGATIVE_INFINITY) < SAY_AGAIN_MS) return;
    saidAt.set(event, now);
    telemetry.log('error', event, { error });
  };
}
