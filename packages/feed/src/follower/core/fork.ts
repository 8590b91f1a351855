import type { DurationMs } from '@rescind/revocation';
import type { Draft } from './draft.ts';
import { count, log } from './draft.ts';
import { scheduleReplay } from './repair.ts';

/** How long an issuer that was away has until the proof is offered again. */
const EVIDENCE_INTERVAL_MS: DurationMs = 30_000;

/**
 * The log is not the one that was read: the issuer's database was restored. Everything is read again from the floor;
 * what was applied stays, the age stands still.
 *
 * @param by what gave it away
 */
export function forkFound(draft: Draft, by: 'prev' | 'last' | 'head'): void {
  suspectFork(draft, by);
  draft.kept = { ...draft.kept, seq: 0, id: null, head: 0, floor: 0 };
  draft.segment = null;
  scheduleReplay(draft);
}

/** The issuer is behind what it once said, and what it says now is of no use: nothing to read again. */
export function suspectFork(draft: Draft, by: 'prev' | 'last' | 'head' | 'epoch'): void {
  const { epoch, seq, head } = draft.kept;
  count(draft, 'rescind_feed_forks_total');
  log(draft, 'error', 'feed_fork', { by, epoch, seq, head });
  draft.cause = 'fork';
  draft.heartbeat = null;
}

/**
 * While in a fork, hands the issuer what it has forgotten: it refuses to write until its operator has told it what happened.
 * Without an epoch, because the key of the last one revoked itself: hands it that event, which may be a thief's.
 */
export function offerEvidence(draft: Draft): void {
  const { proof, epoch } = draft.kept;
  if (draft.cause !== 'fork' && epoch !== '') return;
  const now = draft.at.monotonic;
  const { submittedAt } = draft.repair;
  if (proof === null || (submittedAt !== null && now - submittedAt < EVIDENCE_INTERVAL_MS)) return;
  draft.repair = { ...draft.repair, submittedAt: now };
  draft.effects.push({ kind: 'prove', jws: proof });
}
