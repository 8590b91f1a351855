import type { Denial, EpochMillis } from '@rescind/revocation';
import type { SubjectRecord } from '../issuer.ts';
import type { RegisteredClient } from '../issuer-clients.ts';
import type { Session } from '../store/sessions.ts';
import type { Store } from '../store/store.ts';
import { endsSessions } from './denials.ts';

export interface AffectedContext {
  readonly issuer: string;
  readonly store: Store;
  readonly at: EpochMillis;
  subject(sub: string): SubjectRecord | undefined;
  client(clientId: string): RegisteredClient | undefined;
}

/** Sessions whose tokens are denied, and of how many subjects. */
export interface Affected {
  readonly affectedSessions: number;
  readonly affectedSubjects: number;
}

/**
 * Counts the live sessions that may hold a token which is denied: never fewer than there are, and more only where the
 * session does not say what its token has in a claim. Tokens of other issuers are not known here.
 */
export function countAffected(context: AffectedContext, deny: readonly Denial[]): Affected {
  const { store, at, issuer } = context;
  const own = deny.filter(({ iss }) => iss === issuer);
  const [only] = own;
  if (own.length === 1 && only !== undefined && endsSessions(only.claim)) {
    const { sessions, subjects } = store.sessions.count(only.claim, only.value, at);
    return { affectedSessions: sessions, affectedSubjects: subjects };
  }
  const found = new Map<string, string>();
  for (const { claim, value } of own) {
    if (endsSessions(claim)) {
      for (const { sid, sub } of store.sessions.each(claim, value, at)) found.set(sid, sub);
      continue;
    }
    const holds = matcherOf(context, claim, value);
    const sids = [...store.sessions.each('iss', issuer, at)].map(({ sid }) => sid);
    for (const sid of sids) {
      const session = store.sessions.find(sid);
      if (session !== undefined && holds(session)) found.set(sid, session.sub);
    }
  }
  return { affectedSessions: found.size, affectedSubjects: new Set(found.values()).size };
}

/**
 * Of these subjects those who may hold a token that is denied, as `countAffected` counts. The issuer knows the `jti` of the
 * newest token of each session only: one that is nobody's newest may be anybody's.
 */
export function affectedAmong(
  context: AffectedContext,
  deny: readonly Denial[],
  subs: readonly string[],
): readonly string[] {
  const { store, at, issuer } = context;
  const own = deny.filter(({ iss }) => iss === issuer);
  const matchers = own.map(({ claim, value }) => {
    const isUnknownToken = claim === 'jti' && store.sessions.subjectOfNewest(value) === undefined;
    return isUnknownToken ? () => true : matcherOf(context, claim, value);
  });
  return subs.filter((sub) => {
    const sids = [...store.sessions.each('sub', sub, at)].map(({ sid }) => sid);
    return sids.some((sid) => {
      const session = store.sessions.find(sid);
      return session !== undefined && matchers.some((holds) => holds(session));
    });
  });
}

type Holds = (session: Session) => boolean;

function matcherOf(context: AffectedContext, claim: string, value: string): Holds {
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
  return ({ sub }) => {
    const before = known.get(sub);
    if (before !== undefined) return before;
    const claims = context.subject(sub)?.claims ?? {};
    // A claim that the host does not give may still be in a token: the issuer writes some itself.
    const holds =
      claim === 'scope' || !Object.hasOwn(claims, claim) ? ISSUER_WRITES.has(claim) : has(claims[claim], value);
    known.set(sub, holds);
    return holds;
  };
}

const ISSUER_WRITES: ReadonlySet<string> = new Set(['scope', 'iat', 'iat_ms', 'exp', 'auth_time']);

const has = (held: unknown, value: string) => [held].flat().some((one) => String(one) === value);

/** By the time in which the key signs: tokens of a session are from its beginning to its last use. */
function signedBy({ store }: AffectedContext, kid: string): Holds {
  const key = store.keys.find(kid);
  if (key === undefined || key.purpose !== 'token' || key.activatedAt === null) return () => false;
  const { activatedAt, state } = key;
  const following = store.keys
    .all('token')
    .map((other) => other.activatedAt ?? Number.POSITIVE_INFINITY)
    .filter((other) => other > activatedAt);
  const until = state === 'active' ? Number.POSITIVE_INFINITY : Math.min(Number.POSITIVE_INFINITY, ...following);
  return ({ createdAt, lastUsedAt }) => lastUsedAt >= activatedAt && createdAt <= until;
}

/** Any of the client's audiences may have been asked for at a refresh. */
function isFor(context: AffectedContext, audience: Session['audience'], clientId: string, value: string): boolean {
  if (audience !== null && [audience].flat().includes(value)) return true;
  return context.client(clientId)?.audience?.includes(value) ?? true;
}
