import type { Denial, EpochMillis, IssuerClock } from '@rescind/revocation';
import { aliveAt, isLeading, NEVER } from '@rescind/revocation';
import type { Issuer } from '../issuer.ts';
import type { CutoffRequest, EndAllSessions, Preview, SubjectChange } from '../issuer-revocations.ts';
import type { SessionRoom } from '../session/room.ts';
import type { SessionClaim } from '../store/sessions.ts';
import type { StoreReads } from '../store/store.ts';
import type { AffectedContext } from './affected.ts';
import { affectedAmong, countAffected, eachLive } from './affected.ts';
import { endsSessions } from './denials.ts';
import type { PlanRoom, RevocationPlan } from './plan.ts';
import { createPlanRoom, planChange, planCutoffs, planEndAll } from './plan.ts';

/** What is told by name. */
const MOST_SIDS = 100;
const NO_SESSIONS = { sessions: 0, sids: [], subjects: 0 };
const NOTHING: Preview = { ...NO_SESSIONS, affectedSessions: 0, affectedSubjects: 0, tokensUntil: 0 };

type PreviewContext = Pick<SessionRoom, 'store' | 'policy' | 'subject' | 'clients'>;

/** A dry run: the plan is made as for the act, and what it would end is counted by the same conditions. */
export function createPreview(
  context: PreviewContext,
  clock: Pick<IssuerClock, 'now' | 'wall' | 'leadMs'>,
): Pick<Issuer, 'preview' | 'affectedSubjects'> {
  const { now } = clock;
  const unit = { now, cutOffTime: now, leads: () => isLeading(clock), aliveAt: () => aliveAt(clock) };
  const planning = () => createPlanRoom(context, context.store.read, unit);
  return {
    async preview(what) {
      const plans = await planning();
      const plan = await planOf(plans, what);
      if (plan === undefined) return NOTHING;
      return {
        ...(await previewOf(plans, plan)),
        ...(await countAffected(affectedContext(context, plans), plan.deny)),
      };
    },
    async affectedSubjects(cutoffs, subs) {
      const plans = await planning();
      const { deny } = await planCutoffs(plans, cutoffs);
      return affectedAmong(affectedContext(context, plans), deny, subs);
    },
  };
}

function affectedContext(
  { subject, clients, store: { read } }: PreviewContext,
  { issuer, at }: PlanRoom,
): AffectedContext {
  return {
    issuer,
    reads: read,
    at,
    subject: (sub) => subject(read, sub),
    client: (clientId) => clients.find(read.clients, clientId),
  };
}

async function planOf(room: PlanRoom, what: Parameters<Issuer['preview']>[0]): Promise<RevocationPlan | undefined> {
  if (isCutoffs(what)) return planCutoffs(room, what);
  return 'kind' in what ? await planChange(room, what) : await planEndAll(room, what);
}

async function previewOf({ issuer, reads, at }: PlanRoom, { deny, asked }: RevocationPlan) {
  const ending = asked.filter(({ iss, claim, endsSession }) => iss === issuer && endsSession && endsSessions(claim));
  const expiresAt = Math.max(...deny.map((denial) => denial.expiresAt));
  const tokensUntil = expiresAt === NEVER ? null : expiresAt;
  const [only, ...others] = ending;
  if (only === undefined) return { ...NO_SESSIONS, tokensUntil };
  const ended = await (others.length > 0 ? endedByAny(reads, ending, at) : endedByOne(reads, only, at));
  return { ...ended, tokensUntil };
}

/** Counted by the database: there may be millions. */
async function endedByOne({ sessions }: StoreReads, { claim, value }: Denial, at: EpochMillis) {
  const first = await sessions.live(claim as SessionClaim, value, at, '', MOST_SIDS);
  return { ...(await sessions.count(claim as SessionClaim, value, at)), sids: first.map(({ sid }) => sid) };
}

/** Each session once, however many cut-offs end it. */
async function endedByAny(reads: StoreReads, denials: readonly Denial[], at: EpochMillis) {
  const ended = new Map<string, string>();
  for (const { claim, value } of denials) {
    for await (const { sid, sub } of eachLive(reads, claim as SessionClaim, value, at)) ended.set(sid, sub);
  }
  return {
    sessions: ended.size,
    sids: [...ended.keys()].slice(0, MOST_SIDS),
    subjects: new Set(ended.values()).size,
  };
}

function isCutoffs(
  what: CutoffRequest | readonly CutoffRequest[] | EndAllSessions | SubjectChange,
): what is CutoffRequest | readonly CutoffRequest[] {
  return Array.isArray(what) || 'claim' in what;
}
