import type { Denylist } from '@rescind/denylist';
import type { View } from '@rescind/feed/follower';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { prunableBefore } from '@rescind/revocation/log-state';
import type { GuardSettings, LogSettings } from './options.ts';

/** How often the view is checked: as often as heartbeats arrive. */
const CHECK_INTERVAL_MS: DurationMs = 1_000;
/** An instance that is not ready by then logs it once. A catch-up of thousands of events takes less. */
const LATE_MS: DurationMs = 5_000;
/** Rows are kept a minute longer than the tokens they deny, so another minute costs nothing. */
const PRUNE_MS: DurationMs = 60_000;
/** So many rows pause the process for 50 ms at most; the next check prunes the rest. */
const MAX_PRUNED_ROWS = 5_000;

/** The state of the view, from the best to the worst. */
export type Freshness = 'fresh' | 'degraded' | 'stale' | 'not_ready';

export function freshnessOf(
  view: View,
  settings: Pick<GuardSettings, 'maxStalenessMs' | 'degradedAfterMs'>,
): Freshness {
  if (!view.ready) return 'not_ready';
  if (view.ageMs > settings.maxStalenessMs) return 'stale';
  return view.ageMs > settings.degradedAfterMs ? 'degraded' : 'fresh';
}

/** JSON has no infinity, so null is "unknown". */
export function knownAge({ ageMs }: View): DurationMs | null {
  return Number.isFinite(ageMs) ? Math.round(ageMs) : null;
}

/** The log that the guard follows. */
export interface MaintainedLog {
  readonly settings: LogSettings;
  readonly denylist: Pick<Denylist, 'load' | 'prune' | 'prunePending'>;
  view(): View;
}

/** The work of a guard on a timer, which keeps no process alive. */
export interface Maintenance {
  stop(): void;
}

/** @param log undefined without a log: then there is no view, and nothing to prune */
export function startMaintenance(
  settings: GuardSettings,
  log: MaintainedLog | undefined,
  eachSecond: () => void,
): Maintenance {
  const { telemetry, clock } = settings;
  let freshness: Freshness = 'not_ready';
  let pruneAt = clock.monotonic() + PRUNE_MS;
  let lateAt = clock.monotonic() + LATE_MS;

  function reportFreshness({ view }: MaintainedLog): void {
    const current = view();
    const now = freshnessOf(current, settings);
    if (now === 'not_ready' && clock.monotonic() >= lateAt) {
      lateAt = Number.POSITIVE_INFINITY;
      telemetry.log('warn', 'view_not_ready', { before: freshness, ageMs: null, suspect: current.suspect });
    }
    if (now === freshness) return;
    const fields = { before: freshness, ageMs: knownAge(current), suspect: current.suspect };
    telemetry.log(now === 'fresh' ? 'info' : 'warn', `view_${now}`, fields);
    freshness = now;
  }

  function prune({ denylist, settings: followed, view }: MaintainedLog): void {
    if (clock.monotonic() < pruneAt) return;
    // In memory the follower's own time counts: with its rows it drops the position before them, in a restart.
    denylist.prunePending(followed.issuers, view().prunableBefore);
    const removed = pruneByLogTime(denylist, followed, view(), clock.now());
    if (removed < MAX_PRUNED_ROWS) pruneAt = clock.monotonic() + PRUNE_MS;
    if (removed > 0) telemetry.count('rescind_denylist_pruned_total', {}, removed);
  }

  const timer = setInterval(() => {
    eachSecond();
    if (log === undefined) return;
    reportFreshness(log);
    try {
      prune(log);
    } catch (error) {
      pruneAt = clock.monotonic() + PRUNE_MS;
      telemetry.log('error', 'denylist_not_pruned', { error: error instanceof Error ? error.message : 'unknown' });
    }
  }, CHECK_INTERVAL_MS).unref();
  return { stop: () => clearInterval(timer) };
}

/**
 * Removes rows that can deny no token any more, by the log time on disk, which a restart has too. A wall clock behind it removes fewer
 * rows; no clock removes more.
 */
function pruneByLogTime(
  denylist: MaintainedLog['denylist'],
  { issuer, issuers }: LogSettings,
  view: View,
  wall: EpochMillis,
): number {
  const state = denylist.load(issuer);
  // The file may not have the latest log time yet.
  const before = state === undefined ? 0 : Math.min(prunableBefore(state, wall), view.prunableBefore);
  return before === 0 ? 0 : denylist.prune(issuers, before, MAX_PRUNED_ROWS);
}
