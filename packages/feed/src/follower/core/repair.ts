import type { DurationMs } from '@rescind/revocation';
import type { Draft } from './draft.ts';
import { count, log } from './draft.ts';
import { openFallback, restart } from './transports.ts';
import type { TransportRole } from './types.ts';

/** A whole fleet sees the same gap at the same moment: spread what it asks of the issuer. */
const SPREAD_MS: DurationMs = 250;
/** How long an attempt may take to get on, doubled from attempt to attempt up to the greatest. */
const ATTEMPT_MS: DurationMs = 1_000;
const MAX_ATTEMPT_MS: DurationMs = 60_000;
/** After so long without a repair, the next attempt counts as the first. */
const QUIET_MS: DurationMs = 60_000;

/** Events are missing on a transport that keeps the order: they are requested, and until then the view is suspect. */
export function gapFound(draft: Draft, on: TransportRole): void {
  if (draft.cause === null) {
    draft.cause = 'gap';
    const { epoch, seq, head } = draft.logState;
    log(draft, 'warn', 'feed_gap', { epoch, seq, head, transport: on });
    draft.effects.push({ kind: 'count', metric: 'rescind_feed_gaps_total', labels: {}, by: 1 });
  }
  scheduleRepair(draft, on);
}

/** Schedules a repair of what this transport lost, unless one is scheduled. */
export function scheduleRepair(draft: Draft, on: TransportRole): void {
  // An open fallback already delivers what the primary lost; a transport that lost something itself must read it again.
  schedule(draft, on === repairTransport(draft));
}

/** The same if everything must be read again, from another position than that of the transport. */
function scheduleReplay(draft: Draft): void {
  schedule(draft, true);
  draft.repair = { ...draft.repair, mustRestart: true };
}

function schedule(draft: Draft, mustRestart: boolean): void {
  const { repair } = draft;
  if (repair.dueAt !== null) return;
  const now = draft.at.monotonic;
  const attempts = now - repair.mendedAt >= QUIET_MS ? 0 : repair.attempts;
  const delay = attempts === 0 ? draft.at.random * SPREAD_MS : attemptMs(attempts, draft.at.random);
  draft.repair = { ...repair, attempts, dueAt: now + delay, mustRestart, seq: draft.logState.seq };
}

/** Runs the repair of a gap or a fork when it is due. Called at the end of every step. */
export function repairWhatIsDue(draft: Draft): void {
  const { repair } = draft;
  const now = draft.at.monotonic;
  if (repair.dueAt === null || now < repair.dueAt) return;
  const transport = repairTransport(draft);
  const { isRead, open } = draft.transports[transport];
  const getsOn = draft.logState.seq > repair.seq && !repair.mustRestart;
  const isFirstTry = repair.attempts === 0 && !repair.mustRestart;
  if (!isRead) openFallback(draft, draft.cause ?? 'gap');
  // A transport without a connection requests its start position when it connects.
  else if (open && !getsOn && !isFirstTry) restart(draft, transport, draft.cause ?? 'gap');
  const attempts = getsOn ? repair.attempts : repair.attempts + 1;
  const dueAt = now + attemptMs(attempts, draft.at.random);
  draft.repair = { ...draft.repair, attempts, dueAt, mustRestart: false, seq: draft.logState.seq };
}

export function noteMended(draft: Draft): void {
  draft.repair = { ...draft.repair, dueAt: null, mustRestart: false, mendedAt: draft.at.monotonic, submittedAt: null };
}

function repairTransport({ settings }: Draft): TransportRole {
  return settings.fallback === null ? 'primary' : 'fallback';
}

function attemptMs(attempts: number, random: number): DurationMs {
  const doubled = Math.min(MAX_ATTEMPT_MS, ATTEMPT_MS * 2 ** Math.max(0, attempts - 1));
  return doubled * (0.75 + random / 2);
}

/** The evidence is submitted again after this time. */
const EVIDENCE_INTERVAL_MS: DurationMs = 30_000;

/**
 * The log is not the one that was read: the issuer's database was restored. Everything is read again from the floor;
 * what was applied stays, the age stands still.
 *
 * @param by what revealed it
 */
export function forkFound(draft: Draft, by: 'prev' | 'last' | 'head'): void {
  suspectFork(draft, by);
  draft.logState = { ...draft.logState, seq: 0, id: null, head: 0, floor: 0 };
  draft.segment = null;
  scheduleReplay(draft);
}

/** The issuer is behind what it once sent, and its present log is of no use: nothing is read again. */
export function suspectFork(draft: Draft, by: 'prev' | 'last' | 'head' | 'epoch'): void {
  const { epoch, seq, head } = draft.logState;
  count(draft, 'rescind_feed_forks_total');
  log(draft, 'error', 'feed_fork', { by, epoch, seq, head });
  draft.cause = 'fork';
  draft.heartbeat = null;
}

/**
 * In a fork, submits to the issuer a record that it has forgotten: the issuer refuses writes until its operator has run `restore`.
 * Without an epoch, because the key of the last one revoked itself, it submits that event, which may be a thief's.
 */
export function offerEvidence(draft: Draft): void {
  const { proof, epoch } = draft.logState;
  if (draft.cause !== 'fork' && epoch !== '') return;
  const now = draft.at.monotonic;
  const { submittedAt } = draft.repair;
  if (proof === null || (submittedAt !== null && now - submittedAt < EVIDENCE_INTERVAL_MS)) return;
  draft.repair = { ...draft.repair, submittedAt: now };
  draft.effects.push({ kind: 'submitEvidence', jws: proof });
}
