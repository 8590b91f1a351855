import type { DurationMs } from '@rescind/revocation';
import type { Draft } from './draft.ts';
import { log } from './draft.ts';
import type { WayId } from './types.ts';
import { openSecond, restart } from './ways.ts';

/** A whole fleet sees the same gap at the same moment: spread what it asks of the issuer. */
const SPREAD_MS: DurationMs = 250;
/** How long an attempt may take to get on, doubled from attempt to attempt up to the greatest. */
const ATTEMPT_MS: DurationMs = 1_000;
const GREATEST_ATTEMPT_MS: DurationMs = 60_000;
/** After so long without anything to mend, the next attempt is a first one. */
const QUIET_MS: DurationMs = 60_000;

/** Something is missing on a way that keeps the order: it is fetched, and until then the view is suspect. */
export function gapFound(draft: Draft, on: WayId): void {
  if (draft.cause === null) {
    draft.cause = 'gap';
    const { epoch, seq, head } = draft.kept;
    log(draft, 'warn', 'feed_gap', { epoch, seq, head, way: on });
    draft.effects.push({ kind: 'count', metric: 'rescind_feed_gaps_total', labels: {}, by: 1 });
  }
  scheduleRepair(draft, on);
}

/** Notes that something must be mended, seen on this way. While an attempt is under way it takes its time. */
export function scheduleRepair(draft: Draft, on: WayId): void {
  // A second way that is open already brings what the first has lost; one that has lost something reads it again.
  schedule(draft, on === repairWay(draft));
}

/** The same when everything has to be read again, from another place than the way is at. */
export function scheduleReplay(draft: Draft): void {
  schedule(draft, true);
  draft.repair = { ...draft.repair, must: true };
}

function schedule(draft: Draft, must: boolean): void {
  const { repair } = draft;
  if (repair.dueAt !== null) return;
  const now = draft.at.monotonic;
  const attempts = now - repair.mendedAt >= QUIET_MS ? 0 : repair.attempts;
  const delay = attempts === 0 ? draft.at.random * SPREAD_MS : attemptMs(attempts, draft.at.random);
  draft.repair = { ...repair, attempts, dueAt: now + delay, must, seq: draft.kept.seq };
}

/** Does what is due about a gap or a fork. Called at the end of every step. */
export function repairWhatIsDue(draft: Draft): void {
  const { repair } = draft;
  const now = draft.at.monotonic;
  if (repair.dueAt === null || now < repair.dueAt) return;
  const way = repairWay(draft);
  const { taken, open } = draft.ways[way];
  const getsOn = draft.kept.seq > repair.seq && !repair.must;
  const isFirstTry = repair.attempts === 0 && !repair.must;
  if (!taken) openSecond(draft, draft.cause ?? 'gap');
  // One that has no connection asks by itself where to start as soon as it has one.
  else if (open && !getsOn && !isFirstTry) restart(draft, way, draft.cause ?? 'gap');
  const attempts = getsOn ? repair.attempts : repair.attempts + 1;
  const dueAt = now + attemptMs(attempts, draft.at.random);
  draft.repair = { ...draft.repair, attempts, dueAt, must: false, seq: draft.kept.seq };
}

export function noteMended(draft: Draft): void {
  draft.repair = { ...draft.repair, dueAt: null, must: false, mendedAt: draft.at.monotonic, provedAt: null };
}

function repairWay({ settings }: Draft): WayId {
  return settings.second === null ? 'first' : 'second';
}

function attemptMs(attempts: number, random: number): DurationMs {
  const doubled = Math.min(GREATEST_ATTEMPT_MS, ATTEMPT_MS * 2 ** Math.max(0, attempts - 1));
  return doubled * (0.75 + random / 2);
}
