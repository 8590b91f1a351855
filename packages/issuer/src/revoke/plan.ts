import type { Denial, EpochMillis } from '@rescind/revocation';
import type { CutoffRequest, EndAllSessions, SubjectChange } from '../issuer-revocations.ts';
import type { Store } from '../store/store.ts';
import type { Unit } from '../transactions.ts';
import type { DenialTimes } from './denials.ts';
import { denyOlderTokens, toDenial } from './denials.ts';

/** What a revocation is to deny: decided in one way for the act and for its preview. */
export interface RevocationPlan {
  readonly reason: string;
  readonly deny: readonly Denial[];
}

/** What deciding needs: it reads, and nothing it does stays. */
export interface PlanRoom extends DenialTimes {
  readonly issuer: string;
  readonly store: Store;
  readonly at: EpochMillis;
}

const REASON = /^[a-z][a-z0-9_]{0,63}$/;

/** @param cutOffTime of a preview: any time will do, and no clock is moved for it */
export function createPlanRoom(
  { store, policy: { issuer } }: { readonly store: Store; readonly policy: { readonly issuer: string } },
  unit: Pick<Unit, 'now' | 'cutOffTime'>,
): PlanRoom {
  const at = unit.now();
  return {
    issuer,
    store,
    at,
    cutOffTime: () => unit.cutOffTime(),
    // Before the first token there is none: then it is over as soon as it is said.
    greatestExp: () => Math.max(store.meta.greatestExp(), at),
  };
}

/** @throws TypeError for what cannot be a cut-off */
export function planCutoffs(room: PlanRoom, cutoffs: CutoffRequest | readonly CutoffRequest[]): RevocationPlan {
  const requests = isList(cutoffs) ? cutoffs : [cutoffs];
  const reason = requireOneReason(requests);
  return { reason, deny: requests.map((request) => toDenial(request, room.issuer, room)) };
}

/** `undefined`: there is no other session than the one that stays. */
export function planEndAll(room: PlanRoom, { sub, exceptSid, reason }: EndAllSessions): RevocationPlan | undefined {
  if (exceptSid === undefined) return planCutoffs(room, { claim: 'sub', value: sub, reason });
  const sids = room.store.sessions.liveSids(sub, exceptSid, room.at);
  if (sids.length === 0) return undefined;
  return planCutoffs(
    room,
    sids.map((value) => ({ claim: 'sid', value, reason })),
  );
}

export function planChange(room: PlanRoom, { sub, kind, reason, exceptSid }: SubjectChange): RevocationPlan {
  if (kind === 'soft') return planCutoffs(room, { claim: 'sub', value: sub, reason, endsSession: false });
  if (kind !== 'hard') throw new TypeError('kind must be soft or hard');
  // One that is not theirs keeps nothing.
  const kept = exceptSid === undefined ? undefined : room.store.sessions.find(exceptSid);
  if (kept?.sub !== sub || kept.endedAt !== null) return planEndAll(room, { sub, reason }) as RevocationPlan;
  const others = planEndAll(room, { sub, exceptSid: kept.sid, reason });
  requireReason(reason);
  return { reason, deny: [...(others?.deny ?? []), denyOlderTokens(room.issuer, kept.sid, room)] };
}

function requireOneReason(requests: readonly CutoffRequest[]): string {
  const reasons = new Set(requests.map(({ reason }) => reason));
  const [reason] = reasons;
  if (reason === undefined || reasons.size > 1)
    throw new TypeError('the cut-offs of one revocation must have one reason');
  return requireReason(reason);
}

function requireReason(reason: string): string {
  if (!REASON.test(reason)) throw new TypeError('reason must be a word such as roles_changed');
  return reason;
}

function isList(cutoffs: CutoffRequest | readonly CutoffRequest[]): cutoffs is readonly CutoffRequest[] {
  return Array.isArray(cutoffs);
}
