import type { EpochMillis } from '@rescind/revocation';
import type { CutOff, Revocation } from '@rescind/revocation/cut-off';
import { createRevocationId, NO_SESSION, UNBOUNDED } from '@rescind/revocation/cut-off';
import type { CutOffRequest, EndAllSessions, SubjectChange } from '../issuer-revocations.ts';
import { createId } from '../session/refresh-token.ts';
import type { SessionClaim } from '../store/sessions.ts';
import type { StoreReads } from '../store/store.ts';
import type { Transaction } from '../transaction.ts';
import type { CutOffTimes } from './cut-offs.ts';
import { denyKid, denyOlderTokens, endsSessions, toCutOff } from './cut-offs.ts';

/** The argument of `revoke`, `endAllSessions` or `subjectChanged`. */
export type RevocationRequest = CutOffRequest | readonly CutOffRequest[] | EndAllSessions | SubjectChange;

/** A planned revocation: `revoke` and `preview` begin with the same plan. */
export interface RevocationPlan extends Revocation {
  /** The sessions that end with it, by the claim of the request; the cut-offs may be by other claims. */
  readonly endings: readonly SessionSet[];
}

/** Sessions of this issuer whose claim has this value. */
export interface SessionSet {
  readonly claim: SessionClaim;
  readonly value: string;
}

/** The dependencies of a plan, which only reads. */
export interface PlanContext extends CutOffTimes {
  readonly issuer: string;
  readonly reads: StoreReads;
  readonly at: EpochMillis;
  /** As `Transaction.aliveAt`. */
  readonly aliveAt: EpochMillis;
  readonly leads: boolean;
}

const REASON = /^[a-z][a-z0-9_]{0,63}$/;

/** @param tx of a preview, `cutOffTime` may return any time, so that no clock is moved */
export async function createPlanContext(
  { policy: { issuer } }: { readonly policy: { readonly issuer: string } },
  reads: StoreReads,
  tx: Pick<Transaction, 'now' | 'cutOffTime' | 'leads' | 'aliveAt'>,
): Promise<PlanContext> {
  const at = tx.now();
  const greatestExp = await reads.meta.greatestExp();
  return {
    issuer,
    reads,
    at,
    aliveAt: tx.aliveAt(),
    leads: tx.leads(),
    cutOffTime: () => tx.cutOffTime(),
    // Without any token the cut-off expires at once.
    greatestExp: () => Math.max(greatestExp, at),
  };
}

/** @throws TypeError for what cannot be a cut-off */
export async function planCutOffs(
  context: PlanContext,
  cutoffs: CutOffRequest | readonly CutOffRequest[],
): Promise<RevocationPlan> {
  const requests = isList(cutoffs) ? cutoffs : [cutoffs];
  const reason = requireOneReason(requests);
  const requested = requests.map((request) => toCutOff(request, context.issuer, context));
  const endings = requested.flatMap(({ iss, claim, value, sessionUntil }) =>
    iss === context.issuer && sessionUntil !== NO_SESSION && endsSessions(claim) ? [{ claim, value }] : [],
  );
  const cutOffs: CutOff[] = [];
  for (const cutOff of requested) cutOffs.push(...(context.leads ? await withoutTime(context, cutOff) : [cutOff]));
  return { txn: createRevocationId(context.at), reason, cutOffs, endings };
}

/** `undefined`: there is nothing to be done. @throws TypeError for what cannot be a cut-off */
export async function planRevocation(
  context: PlanContext,
  what: RevocationRequest,
): Promise<RevocationPlan | undefined> {
  if (isList(what) || 'claim' in what) return planCutOffs(context, what);
  return 'kind' in what ? planChange(context, what) : planEndAll(context, what);
}

/** The most sessions that one revocation cuts off by their sids. */
const MAX_SIDS = 10_000;

/**
 * While the clock leads, a cut-off by time would deny what is issued until the wall clock has passed it, and readers never lower it.
 * So a user or a client is cut off by each of its sessions, also by ended ones whose tokens may live, and all tokens of the issuer by
 * key. A soft cut-off by session keeps its time, because readers delete its row with that session.
 */
async function withoutTime({ issuer, reads }: PlanContext, cutOff: CutOff): Promise<readonly CutOff[]> {
  const { iss, claim, value, sessionUntil } = cutOff;
  if (iss !== issuer || !(claim === 'sub' || claim === 'client_id' || claim === 'iss')) return [cutOff];
  const sids = claim === 'iss' ? undefined : await reads.sessions.listSids(claim, value, MAX_SIDS + 1);
  if (sids === undefined || sids.length > MAX_SIDS) {
    const keys = await reads.keys.all('token');
    const signed = keys.filter(({ state }) => state === 'active' || state === 'former');
    return signed.map(({ kid }) => denyKid(issuer, kid));
  }
  const times = sessionUntil === NO_SESSION ? {} : { issuedUntil: UNBOUNDED, sessionUntil: UNBOUNDED };
  // Without a session there is no token: the event names a sid that no session has.
  const values = sids.length === 0 ? [createId()] : sids;
  return values.map((sid) => ({ ...cutOff, claim: 'sid', value: sid, ...times }));
}

/** `undefined`: there is no other session than the one that stays. */
async function planEndAll(
  context: PlanContext,
  { sub, exceptSid, reason }: EndAllSessions,
): Promise<RevocationPlan | undefined> {
  if (exceptSid === undefined) return planCutOffs(context, { claim: 'sub', value: sub, reason });
  const sids = await context.reads.sessions.liveSids(sub, exceptSid, context.aliveAt);
  if (sids.length === 0) return undefined;
  return planCutOffs(
    context,
    sids.map((value) => ({ claim: 'sid', value, reason })),
  );
}

async function planChange(
  context: PlanContext,
  { sub, kind, reason, exceptSid }: SubjectChange,
): Promise<RevocationPlan> {
  if (kind === 'soft') return planCutOffs(context, { claim: 'sub', value: sub, reason, endsSession: false });
  if (kind !== 'hard') throw new TypeError('kind must be soft or hard');
  // A session of another user is ignored.
  const exempted = exceptSid === undefined ? undefined : await context.reads.sessions.find(exceptSid);
  if (exempted?.sub !== sub || exempted.endedAt !== null)
    return planCutOffs(context, { claim: 'sub', value: sub, reason });
  const others = await planEndAll(context, { sub, exceptSid: exempted.sid, reason });
  requireReason(reason);
  const { txn, cutOffs, endings } = others ?? { txn: createRevocationId(context.at), cutOffs: [], endings: [] };
  return { txn, reason, cutOffs: [...cutOffs, denyOlderTokens(context.issuer, exempted.sid, context)], endings };
}

function requireOneReason(requests: readonly CutOffRequest[]): string {
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

function isList(what: RevocationRequest): what is readonly CutOffRequest[] {
  return Array.isArray(what);
}
