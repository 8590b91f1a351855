import type { Denial, EpochMillis } from '@rescind/revocation';
import type { SubjectRecord } from '../issuer.ts';
import type { RegisteredClient } from '../issuer-clients.ts';
import type { Session, SessionClaim } from '../store/sessions.ts';
import type { StoreReads } from '../store/store.ts';
import { endsSessions } from './denials.ts';

export interface AffectedContext {
  readonly issuer: string;
  readonly reads: StoreReads & { readonly sql: unknown };
  readonly at: EpochMillis;
  subject(sub: string): Promise<SubjectRecord | undefined>;
  client(clientId: string): Promise<RegisteredClient | undefined>;
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
export async function countAffected(context: AffectedContext, deny: readonly Denial[]): Promise<Affected> {
  const { reads, at, issuer } = context;
  const own = deny.filter(({ iss }) => iss === issuer);
  const [only] = own;
  if (own.length === 1 && only !== undefined && endsSessions(only.claim)) {
    const { sessions, subjects } = await reads.sessions.count(only.claim, only.value, at);
    return { affectedSessions: sessions, affectedSubjects: subjects };
  }
  const found = new Map<string, string>();
  for (const { claim, value } of own) {
    if (endsSessions(claim)) {
      for await (const { sid, sub } of eachLive(reads, claim, value, at)) found.set(sid, sub);
      continue;
    }
    const holds = await matcherOf(context, claim, value);
    for await (const session of eachLive(reads, 'iss', issuer, at)) {
      if (await holds(session)) found.set(session.sid, session.sub);
    }
  }
  return { affectedSessions: found.size, affectedSubjects: new Set(found.values()).size };
}

/**
 * Of these subjects those who may hold a token that is denied, as `countAffected` counts. The issuer knows the `jti` of the
 * newest token of each session only: one that is nobody's newest may be anybody's.
 */
export async function affectedAmong(
  context: AffectedContext,
  deny: readonly Denial[],
  subs: readonly string[],
): Promise<readonly string[]> {
  const { reads, at, issuer } = context;
  const own = deny.filter(({ iss }) => iss === issuer);
  const matchers: Holds[] = [];
  for (const { claim, value } of own) {
    const isUnknownToken = claim === 'jti' && (await reads.sessions.subjectOfNewest(value)) === undefined;
    matchers.push(isUnknownToken ? () => true : await matcherOf(context, claim, value));
  }
  const affected: string[] = [];
  for (const sub of subs) if (await isAffected(reads, sub, at, matchers)) affected.push(sub);
  return affected;
}

async function isAffected(reads: StoreReads, sub: string, at: EpochMillis, matchers: readonly Holds[]) {
  for await (const session of eachLive(reads, 'sub', sub, at)) {
    for (const holds of matchers) if (await holds(session)) return true;
  }
  return false;
}

/** Some megabytes of rows. */
const SESSIONS_AT_ONCE = 1_000;

/** Every live session of a claim, in the order of their sid. */
export async function* eachLive(
  { sessions }: StoreReads,
  claim: SessionClaim,
  value: string,
  at: EpochMillis,
): AsyncGenerator<Session> {
  for (let after = ''; ; ) {
    const page = await sessions.live(claim, value, at, after, SESSIONS_AT_ONCE);
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < SESSIONS_AT_ONCE) return;
    after = last.sid;
  }
}

type Holds = (session: Session) => boolean | Promise<boolean>;

async function matcherOf(context: AffectedContext, claim: string, value: string): Promise<Holds> {
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
async function signedBy({ reads }: AffectedContext, kid: string): Promise<Holds> {
  const key = await reads.keys.find(kid);
  if (key === undefined || key.purpose !== 'token' || key.activatedAt === null) return () => false;
  const { activatedAt, state } = key;
  const following = (await reads.keys.all('token'))
    .map((other) => other.activatedAt ?? Number.POSITIVE_INFINITY)
    .filter((other) => other > activatedAt);
  const until = state === 'active' ? Number.POSITIVE_INFINITY : Math.min(Number.POSITIVE_INFINITY, ...following);
  return ({ createdAt, lastUsedAt }) => lastUsedAt >= activatedAt && createdAt <= until;
}

/** Any of the client's audiences may have been asked for at a refresh. */
async function isFor(
  context: AffectedContext,
  audience: Session['audience'],
  clientId: string,
  value: string,
): Promise<boolean> {
  if (audience !== null && [audience].flat().includes(value)) return true;
  return (await context.client(clientId))?.audience?.includes(value) ?? true;
}
