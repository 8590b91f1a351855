import type { DurationMs } from '@rescind/revocation';
import type { Draft } from './draft.ts';
import { canStandBy, changeTransport, log, transportOf } from './draft.ts';
import type { TransportRole } from './types.ts';

/** A whole fleet loses its broker at the same moment: spread what it asks of the issuer, within the promise of 4 s. */
const SILENCE_SPREAD_MS: DurationMs = 500;

const NOT_OPEN = { open: false, opening: false, requested: null } as const;

/** Notes that the primary transport is as it should be. */
export function markGood(draft: Draft): void {
  draft.goodAt = draft.at.monotonic;
  draft.jitterMs = draft.at.random * SILENCE_SPREAD_MS;
}

/** Whether the primary transport has been silent for longer than is borne. */
export function isPrimarySilent(draft: Draft): boolean {
  return draft.at.monotonic - draft.goodAt >= draft.settings.silenceMs + draft.jitterMs;
}

/** Reads the log by the second transport: from the position, and in place of its standby stream. */
export function openFallback(draft: Draft, reason: string): void {
  changeTransport(draft, 'fallback', { ...NOT_OPEN, isRead: true, standby: false, since: draft.at.monotonic });
  draft.effects.push({ kind: 'open', transport: 'fallback', standby: false });
  draft.effects.push({ kind: 'count', metric: 'rescind_feed_second_way_total', labels: { reason }, by: 1 });
  log(draft, 'warn', 'feed_second_way_taken', { reason });
}

/** Ends the reading of the second transport; it stands by where it can. */
export function closeFallback(draft: Draft): void {
  const standby = canStandBy(draft.settings);
  changeTransport(draft, 'fallback', { ...NOT_OPEN, isRead: false, standby, since: draft.at.monotonic, stalls: 0 });
  draft.effects.push(
    standby ? { kind: 'open', transport: 'fallback', standby } : { kind: 'close', transport: 'fallback' },
  );
  log(draft, 'info', 'feed_second_way_left', {});
}

export function restart(draft: Draft, transport: TransportRole, reason: string): void {
  changeTransport(draft, transport, { open: false, since: draft.at.monotonic, opening: false, requested: null });
  draft.effects.push({ kind: 'restart', transport, reason });
  const { name } = transportOf(draft.settings, transport);
  draft.effects.push({ kind: 'count', metric: 'rescind_feed_restarts_total', labels: { way: name, reason }, by: 1 });
  // Entering an epoch is no trouble: it is what follows a start, and each change of the event key.
  log(draft, reason === 'epoch' ? 'info' : 'warn', 'feed_restart', { way: name, reason, seq: draft.kept.seq });
}
