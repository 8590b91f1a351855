import type { CutOff } from '@rescind/revocation/cut-off';
import { NEVER } from '@rescind/revocation/cut-off';
import type { IssuerClock } from '@rescind/revocation/issuer-clock';
import { aliveAt, isLeading } from '@rescind/revocation/issuer-clock';
import { cutOffRequests, previewRequest, subjects } from '../call-options.ts';
import type { IssuerContext } from '../context.ts';
import type { Issuer, SubjectRecord } from '../issuer.ts';
import type { RegisteredClient } from '../issuer-clients.ts';
import type { Preview } from '../issuer-revocations.ts';
import type { Session } from '../store/sessions.ts';
import { endsSessions } from './cut-offs.ts';
import type { PlanContext, SessionSet } from './plan.ts';
import { createPlanContext, planCutOffs, planRevocation } from './plan.ts';

const NOTHING: Preview = {
  ...{ sessions: 0, sids: [], subjects: 0, affectedSessions: 0, affectedSubjects: 0, tokensUntil: 0 },
};

type PreviewContext = Pick<IssuerContext, 'store' | 'policy' | 'subject' | 'clients'>;

/** A dry run: makes the plan of the revocation, and counts the sessions that it would end. */
export function createPreview(
  context: PreviewContext,
  clock: Pick<IssuerClock, 'now' | 'wall' | 'leadMs'>,
): Pick<Issuer, 'preview' | 'affectedSubjects'> {
  const { now } = clock;
  const tx = { now, cutOffTime: now, leads: () => isLeading(clock), aliveAt: () => aliveAt(clock) };
  const { subject, clients, store } = context;

  async function begin(): Promise<AffectedContext> {
    return {
      ...(await createPlanContext(context, store.read, tx)),
      subject: (sub) => subject(store.read, sub),
      client: (clientId) => clients.find(store.read.clients, clientId),
    };
  }
  /** Tokens of other issuers are not known here. */
  const isOwn = ({ iss }: CutOff) => iss === context.policy.issuer;

  return {
    async preview(what) {
      const context = await begin();
      const plan = await planRevocation(context, previewRequest(what));
      if (plan === undefined) return NOTHING;
      const affected = await countSessions(context, plan.cutOffs.filter(isOwn));
      const expiresAt = Math.max(...plan.cutOffs.map((cutOff) => cutOff.expiresAt));
      return {
        ...(await countSessions(context, plan.endings)),
        affectedSessions: affected.sessions,
        affectedSubjects: affected.subjects,
        tokensUntil: expiresAt === NEVER ? null : expiresAt,
      };
    },
    async affectedSubjects(cutoffs, subs) {
      const context = await begin();
      const { cutOffs } = await planCutOffs(context, cutOffRequests(cutoffs));
      return affectedAmong(context, cutOffs.filter(isOwn), subjects(subs));
    },
  };
}

interface AffectedContext extends PlanContext {
  subject(sub: string): Promise<SubjectRecord | undefined>;
  client(clientId: string): Promise<RegisteredClient | undefined>;
}

/** Live sessions, and of how many subjects they are. */
interface SessionCount {
  readonly sessions: number;
  /** The first 100 of them. */
  readonly sids: readonly string[];
  readonly subjects: number;
}

/** The most sessions that are listed by their sid. */
const MAX_SIDS = 100;

/**
 * Counts the live sessions that may hold a token with one of these claims, each once. The count is too high only
 * where a session does not store the value of the claim; it is never too low.
 */
async function countSessions(
  context: AffectedContext,
  sets: readonly Pick<CutOff, 'claim' | 'value'>[],
): Promise<SessionCount> {
  const { reads, aliveAt } = context;
  const [only, ...others] = sets;
  if (only !== undefined && others.length === 0 && isOfSessions(only)) {
    // The store counts them: there may be millions.
    const first = await reads.sessions.live(only.claim, only.value, aliveAt, '', MAX_SIDS);
    return { ...(await reads.sessions.count(only.claim, only.value, aliveAt)), sids: first.map(({ sid }) => sid) };
  }
  const found = new Map<string, string>();
  for (const set of sets) {
    const holds = isOfSessions(set) ? () => true : await matcherOf(context, set.claim, set.value);
    const sessions = eachLive(context, isOfSessions(set) ? set : { claim: 'iss', value: context.issuer });
    for await (const session of sessions) if (await holds(session)) found.set(session.sid, session.sub);
  }
  const sids = [...found.keys()].slice(0, MAX_SIDS);
  return { sessions: found.size, sids, subjects: new Set(found.values()).size };
}

const isOfSessions = (set: Pick<CutOff, 'claim' | 'value'>): set is SessionSet => endsSessions(set.claim);

/**
 * Of these subjects those who may hold a token with one of these claims, as `countSessions` counts. The issuer knows the `jti` of
 * the newest token of each session only: any other one may belong to any session.
 */
async function affectedAmong(
  context: AffectedContext,
  sets: readonly Pick<CutOff, 'claim' | 'value'>[],
  subs: readonly string[],
): Promise<readonly string[]> {
  const matchers: SessionPredicate[] = [];
  for (const { claim, value } of sets) {
    const isUnknownToken = claim === 'jti' && (await context.reads.sessions.subjectOfNewest(value)) === undefined;
    matchers.push(isUnknownToken ? () => true : await matcherOf(context, claim, value));
  }
  const affected: string[] = [];
  for (const sub of subs) if (await isAffected(context, sub, matchers)) affected.push(sub);
  return affected;
}

async function isAffected(context: PlanContext, sub: string, matchers: readonly SessionPredicate[]) {
  for await (const session of eachLive(context, { claim: 'sub', value: sub })) {
    for (const holds of matchers) if (await holds(session)) return true;
  }
  return false;
}

/** Sessions that are read at a time: some megabytes of rows. */
const SESSIONS_AT_ONCE = 1_000;

/** Every live session of a claim, in the order of their sid. */
async function* eachLive({ reads, aliveAt }: PlanContext, { claim, value }: SessionSet): AsyncGenerator<Session> {
  for (let after = ''; ; ) {
    const page = await reads.sessions.live(claim, value, aliveAt, after, SESSIONS_AT_ONCE);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < SESSIONS_AT_ONCE) return;
    after = last.sid;
  }
}

type SessionPredicate = (session: Session) => boolean | Promise<boolean>;

async function matcherOf(context: AffectedContext, claim: string, value: string): Promise<SessionPredicate> {
  if (claim === 'iss') return () => true;
  if (claim === 'sub') return ({ sub }) => sub === value;
  if (claim === 'sid') return ({ sid }) => sid === value;
  if (claim === 'client_id') return ({ clientId }) => clientId === value;
  if (claim === 'jti') return ({ newestJti }) => newestJti === value;
  if (claim === 'kid') return signedBy(context, value);
  if (claim === 'aud') return ({ audience, clientId }) => isFor(context, audience, clientId, value);
  if (claim === 'amr') return ({ amr }) => amr.includes(value);
  if (claim === 'acr') return ({ acr }) => acr === value;
  const known = new Map<string, boolean>();
  return async ({ sub }) => {
    const before = known.get(sub);
    if (before !== undefined) return before;
    const claims = (await context.subject(sub))?.claims ?? {};
    // A claim that the host does not return may still be in a token, because the issuer writes some claims itself.
    const holds =
      claim === 'scope' || !Object.hasOwn(claims, claim) ? ISSUER_WRITES.has(claim) : has(claims[claim], value);
    known.set(sub, holds);
    return holds;
  };
}

const ISSUER_WRITES: ReadonlySet<string> = new Set(['scope', 'iat', 'iat_ms', 'exp', 'auth_time']);

const has = (held: unknown, value: string) => [held].flat().some((one) => String(one) === value);

/** Finds sessions by the time in which the key signs: the tokens of a session are from its beginning to its last use. */
async function signedBy({ reads }: AffectedContext, kid: string): Promise<SessionPredicate> {
  const key = await reads.keys.find(kid);
  if (key === undefined || key.purpose !== 'token' || key.activatedAt === null) return () => false;
  const { activatedAt, state } = key;
  const following = (await reads.keys.all('token'))
    .map((other) => other.activatedAt ?? Number.POSITIVE_INFINITY)
    .filter((other) => other > activatedAt);
  const until = state === 'active' ? Number.POSITIVE_INFINITY : Math.min(Number.POSITIVE_INFINITY, ...following);
  return ({ createdAt, lastUsedAt }) => lastUsedAt >= activatedAt && createdAt <= until;
}

/** A refresh may have requested any audience of the client. */
async function isFor(
  context: AffectedContext,
  audience: Session['audience'],
  clientId: string,
  value: string,
): Promise<boolean> {
  if (audience !== null && [audience].flat().includes(value)) return true;
  return (await context.client(clientId))?.audience?.includes(value) ?? true;
}
