import type { DurationMs } from '@rescind/revocation';
import type { EventRecord, UnknownVersionRecord } from '../../event/record.ts';
import type { Draft } from './draft.ts';
import { canStandBy, changeTransport, log, transportOf } from './draft.ts';
import type { StandbyState, TransportRole } from './types.ts';

/** A whole fleet loses its broker at the same moment: spread what it asks of the issuer, within the promise of 4 s. */
const SILENCE_SPREAD_MS: DurationMs = 500;

const NOT_OPEN = { open: false, opening: false, requested: null } as const;

/** Notes that the primary transport works. */
export function markGood(draft: Draft): void {
  draft.goodAt = draft.at.monotonic;
  draft.jitterMs = draft.at.random * SILENCE_SPREAD_MS;
}

/** Whether the primary transport has been silent for longer than `silenceMs` and its jitter. */
export function isPrimarySilent(draft: Draft): boolean {
  return draft.at.monotonic - draft.goodAt >= draft.settings.silenceMs + draft.jitterMs;
}

/** Reads the log by the fallback transport, from the position, in place of its standby stream. */
export function openFallback(draft: Draft, reason: string): void {
  changeTransport(draft, 'fallback', { ...NOT_OPEN, isRead: true, standby: false, since: draft.at.monotonic });
  draft.effects.push({ kind: 'open', transport: 'fallback', standby: false });
  draft.effects.push({ kind: 'count', metric: 'rescind_feed_fallback_total', labels: { reason }, by: 1 });
  log(draft, 'warn', 'feed_fallback_started', { reason });
}

/** Stops reading the fallback transport, which stands by if it can. */
export function closeFallback(draft: Draft): void {
  const standby = canStandBy(draft.settings);
  changeTransport(draft, 'fallback', { ...NOT_OPEN, isRead: false, standby, since: draft.at.monotonic, stalls: 0 });
  draft.effects.push(
    standby ? { kind: 'open', transport: 'fallback', standby } : { kind: 'close', transport: 'fallback' },
  );
  log(draft, 'info', 'feed_fallback_ended', {});
}

export function restart(draft: Draft, transport: TransportRole, reason: string): void {
  changeTransport(draft, transport, { open: false, since: draft.at.monotonic, opening: false, requested: null });
  draft.effects.push({ kind: 'restart', transport, reason });
  const { name } = transportOf(draft.settings, transport);
  draft.effects.push({
    kind: 'count',
    metric: 'rescind_feed_restarts_total',
    labels: { transport: name, reason },
    by: 1,
  });
  // Entering an epoch is no failure: it follows each start and each change of the event key.
  log(draft, reason === 'epoch' ? 'info' : 'warn', 'feed_restart', {
    transport: name,
    reason,
    seq: draft.logState.seq,
  });
}

/** How long the position may stay below the head, and the random part of it: the fleet must not request at once. */
const UNMOVED_MS: DurationMs = 300;
const SPREAD_MS: DurationMs = 250;
/** The opening heartbeat may name events that the primary transport has not delivered yet; after this time the issuer delivers them. */
const OPENING_MS: DurationMs = 1_000;
/** The most that one tick counts: records that arrived while the process stood still are applied first. */
const TICK_MS: DurationMs = 150;
/** How long the log is read by the fallback transport at least, doubled when that was needed again soon. */
const HOLD_MS: DurationMs = 10_000;
const SOON_MS: DurationMs = 300_000;

export const NO_STANDBY: StandbyState = {
  isPrimaryLive: false,
  primaryAt: { epoch: '', seq: 0 },
  behind: null,
  hold: null,
};

export function isStandby({ transports }: Draft, transport: TransportRole): boolean {
  return transport === 'fallback' && transports.fallback.standby;
}

/**
 * Reads the log by the fallback transport, in place of its standby stream, when the position is below the head and does not
 * move. Not before the primary has reached the present: it may be catching up. Called with each tick.
 */
export function readWhenBehind(draft: Draft): void {
  const { logState, transports, standby, at, cause } = draft;
  const { fallback } = transports;
  const isBehind = fallback.standby && standby.isPrimaryLive && cause === null && logState.seq < logState.head;
  const { behind } = standby;
  const now = at.monotonic;
  if (!isBehind) {
    if (behind !== null) draft.standby = { ...standby, behind: null };
    return;
  }
  if (behind?.seq !== logState.seq) {
    const waitMs = UNMOVED_MS + at.random * SPREAD_MS;
    draft.standby = { ...standby, behind: { seq: logState.seq, passedMs: 0, checkedAt: now, waitMs } };
    return;
  }
  const counted = now - fallback.since < OPENING_MS ? 0 : Math.min(TICK_MS, now - behind.checkedAt);
  const passedMs = behind.passedMs + counted;
  draft.standby = { ...standby, behind: { ...behind, passedMs, checkedAt: now } };
  if (passedMs < behind.waitMs) return;
  const { hold } = standby;
  const isSoon = hold !== null && now - hold.startedAt - hold.ms <= SOON_MS;
  const ms = isSoon ? Math.min(SOON_MS, 2 * hold.ms) : HOLD_MS;
  draft.standby = { ...standby, behind: null, hold: { startedAt: now, ms } };
  openFallback(draft, 'behind');
}

/** Notes an event that the primary transport delivered. @returns whether it is a later one, though it may be known */
export function notePrimary(draft: Draft, { epoch, seq, kid }: EventRecord | UnknownVersionRecord): boolean {
  const { logState, standby } = draft;
  if (epoch !== logState.epoch || kid !== logState.epochKid) return false;
  if (standby.primaryAt.epoch === epoch && seq <= standby.primaryAt.seq) return false;
  draft.standby = { ...standby, primaryAt: { epoch, seq } };
  return true;
}

/** Whether the fallback transport has been read for long enough. */
export function mayStandBy({ standby: { hold }, at }: Draft): boolean {
  return hold === null || at.monotonic - hold.startedAt >= hold.ms;
}
