import { RescindError } from '@rescind/revocation';
import { createRevocationId } from '@rescind/revocation/cut-off';
import type { IssuerContext } from '../context.ts';
import type {
  AccessAnswer,
  Reauthentication,
  ReauthenticationDemand,
  Reissue,
  StepUp,
  TokenAnswer,
} from '../issuer-sessions.ts';
import { appendRevocation, denyOlderTokens } from '../revoke/cut-offs.ts';
import { createPlanContext } from '../revoke/plan.ts';
import type { Rotation, Session } from '../store/sessions.ts';
import type { Transaction } from '../transaction.ts';
import { eventMembersOf } from '../user-events/recorder.ts';
import { presentScope } from './audience.ts';
import { grantAccess, hasEnded, requireContinuing, termsOf } from './grant.ts';
import { requireCredentialVersion } from './login.ts';
import { answerAccess, signNow } from './mint.ts';
import type { NextToken } from './refresh-token.ts';
import { replacementOf, toText } from './refresh-token.ts';

const REASON = 'reauthenticated';

/** Raises `auth_time`, `amr` and `acr` of a session; a soft cut-off denies its earlier tokens (ASVS 5.0 section 7.2.4). */
export async function reauthenticate(
  context: IssuerContext,
  tx: Transaction,
  authentication: Reauthentication,
): Promise<TokenAnswer> {
  const next = replaceRefreshToken(await requireOpen(tx, authentication));
  const answer = await raise(context, tx, authentication, next.rotation);
  return { ...answer, refresh_token: toText(next.token) };
}

/** As `reauthenticate`, for a caller that presented an access token: the refresh token stays, and is not returned. */
export function stepUp(context: IssuerContext, tx: Transaction, authentication: StepUp): Promise<AccessAnswer> {
  return raise(context, tx, authentication);
}

async function raise(
  context: IssuerContext,
  tx: Transaction,
  authentication: StepUp,
  rotation?: Rotation,
): Promise<AccessAnswer> {
  const { sessions } = tx.store;
  const session = await requireOpen(tx, authentication);
  const subject = requireCredentialVersion(
    await context.subject(tx.store, authentication.sub),
    authentication.credentialVersion,
  );
  const { client, policy } = await termsOf(context, tx, session);
  const { amr, credentialVersion, resource, scope: narrowedTo = null } = authentication;
  const granted = grantAccess(context, { session, subject, client, bound: session.scope, scope: undefined, resource });
  const plans = await createPlanContext(context, tx.store, tx);
  const cutOffs = [denyOlderTokens(context.policy.issuer, session.sid, plans)];
  appendRevocation(tx, { txn: createRevocationId(tx.now()), reason: REASON, cutOffs });
  const at = tx.mintTime();
  const raised: Session = { ...session, authTime: at, amr, acr: authentication.acr ?? null, credentialVersion };
  await context.userEvents.record(tx, { type: 'reauthenticated', at, actor: 'user', ...eventMembersOf(session) });
  await sessions.reauthenticate({ sid: session.sid, at, amr, acr: raised.acr, credentialVersion });
  const access = await answerAccess(context, tx, {
    session: raised,
    subject,
    policy,
    audience: granted.audience,
    scope: presentScope(narrowedTo, granted.scope),
    narrowedTo,
    at,
    ...(rotation === undefined ? {} : { rotation }),
  });
  return signNow(access);
}

/** Another access token, with the claims as they are now. */
export async function reissue(context: IssuerContext, tx: Transaction, of: Reissue): Promise<AccessAnswer> {
  const session = await requireOpen(tx, of);
  const { client, policy } = await termsOf(context, tx, session);
  const at = tx.mintTime();
  const subject = await requireContinuing(context, tx.store, session, at);
  const { scope, resource } = of;
  const bound = session.newestScope ?? session.scope;
  const granted = grantAccess(context, { session, subject, client, bound, scope, resource });
  const narrowedTo = scope ?? session.newestScope;
  return signNow(await answerAccess(context, tx, { session, subject, policy, ...granted, narrowedTo, at }));
}

const WORD = /^[a-z][a-z0-9_]{0,63}$/;

/** Requires a new login of these sessions, and returns their number. @throws TypeError */
export async function requireReauthentication(
  { userEvents }: Pick<IssuerContext, 'userEvents'>,
  tx: Transaction,
  { sid, sub, reason }: ReauthenticationDemand,
): Promise<number> {
  if (!WORD.test(reason)) throw new TypeError('reason must be a word such as password_reset');
  const [by, value] = sid === undefined ? (['sub', sub] as const) : (['sid', sid] as const);
  if (value === undefined) throw new TypeError('sub or sid must be given');
  const { sessions } = tx.store;
  const owner = by === 'sub' ? value : (await sessions.find(value))?.sub;
  const count = await sessions.requireReauthentication(by, value, reason);
  if (owner !== undefined && count > 0) {
    await userEvents.record(tx, { type: 'reauthentication_required', sub: owner, sid: sid ?? null, reason, count });
  }
  return count;
}

/** @throws RescindError `session_ended` */
async function requireOpen(tx: Transaction, { sid, sub }: { sid: string; sub: string }): Promise<Session> {
  const session = await tx.store.sessions.find(sid);
  if (session?.sub === sub && !hasEnded(session, tx.now())) return session;
  throw new RescindError('session_ended');
}

function replaceRefreshToken({ selector, verifierHash }: Session): NextToken {
  if (selector === null || verifierHash === null) throw new Error('an open session has a refresh token');
  return replacementOf(selector, verifierHash);
}
