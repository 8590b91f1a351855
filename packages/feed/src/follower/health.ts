import type { HealthCheck, Telemetry } from '@rescind/revocation';
import { METRICS } from '@rescind/revocation';
import type { View } from './core.ts';
import type { Trouble } from './engine.ts';

export function followerHealth(view: View, trouble: Trouble): HealthCheck[] {
  const good = view.whole && view.suspect === null;
  return [
    {
      name: 'feed',
      status: view.ready ? (good ? 'pass' : 'warn') : 'fail',
      ready: view.ready,
      whole: view.whole,
      suspect: view.suspect,
      // JSON has no infinity: null is "unknown".
      ageMs: Number.isFinite(view.ageMs) ? Math.round(view.ageMs) : null,
      lag: view.lag,
      epoch: view.epoch,
      seq: view.seq,
      head: view.head,
      way: view.way,
    },
    storeHealth(trouble),
  ];
}

/** A store that fails still enforces what was received, until too much is owed: then the view only grows old. */
function storeHealth({ failures, error, owed, isFull }: Trouble): HealthCheck {
  const status = isFull ? 'fail' : failures > 0 ? 'warn' : 'pass';
  return { name: 'feed_store', status, failures, error, owed };
}

const SUSPECT = METRICS.rescind_view_suspect.labels.why;

export function tellView(telemetry: Telemetry, view: View, { owed }: Trouble): void {
  telemetry.gauge('rescind_feed_owed_rows', owed);
  telemetry.gauge('rescind_view_ready', view.ready ? 1 : 0);
  for (const why of SUSPECT) telemetry.gauge('rescind_view_suspect', why === view.suspect ? 1 : 0, { why });
  telemetry.gauge('rescind_feed_position_seq', view.seq);
  telemetry.gauge('rescind_feed_head_seq', view.head);
  telemetry.gauge('rescind_view_age_seconds', view.ageMs / 1000);
  telemetry.gauge('rescind_feed_lag_events', view.lag);
}
