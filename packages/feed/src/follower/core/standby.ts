import type { DurationMs } from '@rescind/revocation';
import type { EventRecord, UnknownVersionRecord } from '../../event/record.ts';
import type { Draft } from './draft.ts';
import type { StandbyState, TransportRole } from './types.ts';
import { openFallback } from './ways.ts';

/** How long the position may stay below the head, and by how much longer: not the whole fleet asks at once. */
const UNMOVED_MS: DurationMs = 300;
const SPREAD_MS: DurationMs = 250;
/** The opening heartbeat speaks of events that may still be on their way by the first transport; beyond this the issuer delivers them. */
const OPENING_MS: DurationMs = 1_000;
/** What one tick counts for at most: what has arrived while the process stood still has its turn first. */
const TICK_MS: DurationMs = 150;
/** How long the log is read by the second transport at least, doubled when that was needed again soon. */
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
 * Reads the log by the second transport, in place of its standby stream, when the position is below the head and does not
 * move. Not before the first has come to the present: it may be catching up. Called with each tick.
 */
export function readWhenBehind(draft: Draft): void {
  const { kept, transports, standby, at, cause } = draft;
  const { fallback } = transports;
  const isBehind = fallback.standby && standby.isPrimaryLive && cause === null && kept.seq < kept.head;
  const { behind } = standby;
  const now = at.monotonic;
  if (!isBehind) {
    if (behind !== null) draft.standby = { ...standby, behind: null };
    return;
  }
  if (behind?.seq !== kept.seq) {
    const waitMs = UNMOVED_MS + at.random * SPREAD_MS;
    draft.standby = { ...standby, behind: { seq: kept.seq, passedMs: 0, checkedAt: now, waitMs } };
    return;
  }
  const counted = now - fallback.since < OPENING_MS ? 0 : Math.min(TICK_MS, now - behind.checkedAt);
  const passedMs = behind.passedMs + counted;
  draft.standby = { ...standby, behind: { ...behind, passedMs, checkedAt: now } };
  if (passedMs < behind.waitMs) return;
  const { hold } = standby;
  const isSoon = hold !== null && now - hold.takenAt - hold.ms <= SOON_MS;
  const ms = isSoon ? Math.min(SOON_MS, 2 * hold.ms) : HOLD_MS;
  draft.standby = { ...standby, behind: null, hold: { takenAt: now, ms } };
  openFallback(draft, 'behind');
}

/** Notes an event that the first transport has brought. @returns whether it is a later one, though it may be known */
export function notePrimary(draft: Draft, { epoch, seq, kid }: EventRecord | UnknownVersionRecord): boolean {
  const { kept, standby } = draft;
  if (epoch !== kept.epoch || kid !== kept.epochKid) return false;
  if (standby.primaryAt.epoch === epoch && seq <= standby.primaryAt.seq) return false;
  draft.standby = { ...standby, primaryAt: { epoch, seq } };
  return true;
}

/** Whether the second transport has been read for long enough. */
export function mayStandBy({ standby: { hold }, at }: Draft): boolean {
  return hold === null || at.monotonic - hold.takenAt >= hold.ms;
}
