import type { DurationMs, HealthCheck, Telemetry } from '@rescind/revocation';
import { METRICS } from '@rescind/revocation';
import type { FollowerState, View } from './core.ts';
import type { StoreFailure } from './engine.ts';

/** Ten heartbeats missed: no jitter does that. */
const DEGRADED_AFTER_MS: DurationMs = 10_000;
/** A live heartbeat is a second old at most, and on its way as long again; more is the difference of two clocks. */
const CLOCK_DIFFERS_MS: DurationMs = 10_000;

/**
 * How far the wall clock of this machine is ahead of the issuer's (negative: behind), in ms, by the newest live heartbeat.
 * Null: none has been heard.
 */
export function clockAheadOf({ heartbeat }: Pick<FollowerState, 'heartbeat'>): DurationMs | null {
  return heartbeat?.isLive === true ? Math.round(heartbeat.heard.wall - heartbeat.wall) : null;
}

export const clockDiffers = (aheadMs: DurationMs | null) => aheadMs !== null && Math.abs(aheadMs) > CLOCK_DIFFERS_MS;

export function followerHealth(view: View, storeFailure: StoreFailure, aheadMs: DurationMs | null): HealthCheck[] {
  const good = view.complete && view.suspect === null && view.ageMs <= DEGRADED_AFTER_MS;
  return [
    {
      name: 'feed',
      status: view.ready ? (good ? 'pass' : 'warn') : 'fail',
      ready: view.ready,
      whole: view.complete,
      suspect: view.suspect,
      // JSON has no infinity: null is "unknown".
      ageMs: Number.isFinite(view.ageMs) ? Math.round(view.ageMs) : null,
      lag: view.lag,
      epoch: view.epoch,
      seq: view.seq,
      head: view.head,
      way: view.transport,
    },
    {
      name: 'clock',
      status: clockDiffers(aheadMs) ? 'warn' : 'pass',
      state: aheadMs === null ? 'not_yet_heard' : 'compared',
      aheadMs,
      allowedMs: CLOCK_DIFFERS_MS,
    },
    storeHealth(storeFailure),
  ];
}

/** A store that fails still enforces what was received, until too much is owed: then the view only grows old. */
function storeHealth({ failures, error, pendingRows, isFull }: StoreFailure): HealthCheck {
  const status = isFull ? 'fail' : failures > 0 ? 'warn' : 'pass';
  return { name: 'feed_store', status, failures, error, owed: pendingRows };
}

const SUSPECT = METRICS.rescind_view_suspect.labels.why;

export function reportView(telemetry: Telemetry, view: View, { pendingRows }: StoreFailure): void {
  telemetry.gauge('rescind_feed_owed_rows', pendingRows);
  telemetry.gauge('rescind_view_ready', view.ready ? 1 : 0);
  for (const why of SUSPECT) telemetry.gauge('rescind_view_suspect', why === view.suspect ? 1 : 0, { why });
  telemetry.gauge('rescind_feed_position_seq', view.seq);
  telemetry.gauge('rescind_feed_head_seq', view.head);
  telemetry.gauge('rescind_view_age_seconds', view.ageMs / 1000);
  telemetry.gauge('rescind_feed_lag_events', view.lag);
}
