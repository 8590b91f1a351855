import { createRevocationId, RescindError } from '@rescind/revocation';
import type {
  AccessAnswer,
  Reauthentication,
  ReauthenticationDemand,
  Reissue,
  StepUp,
  TokenAnswer,
} from '../issuer-sessions.ts';
import { appendRevocation } from '../revoke/append.ts';
import { denyOlderTokens } from '../revoke/cut-offs.ts';
import { createPlanRoom } from '../revoke/plan.ts';
import type { Rotation, Session } from '../store/sessions.ts';
import type { Unit } from '../transactions.ts';
import { answerAccess } from './answer.ts';
import { grantAccess, isOver, requireGoingOn, termsOf } from './grant.ts';
import { requireProved } from './login.ts';
import { toText } from './opaque.ts';
import type { SessionRoom } from './room.ts';
import type { NextToken } from './rotation.ts';
import { replacementOf } from './rotation.ts';
import { presentScope } from './scope.ts';
import { signNow } from './signing.ts';

const REASON = 'reauthenticated';

/** Raises what is known of the person of a session; what the session had before dies, softly (ASVS 5.0 section 7.2.4). */
export async function reauthenticate(room: SessionRoom, unit: Unit, proved: Reauthentication): Promise<TokenAnswer> {
  const next = replaceRefreshToken(await requireOpen(unit, proved));
  const answer = await raise(room, unit, proved, next.rotation);
  return { ...answer, refresh_token: toText(next.token) };
}

/** The same for a caller who has shown an access token alone: the refresh token stays, and is not answered. */
export function stepUp(room: SessionRoom, unit: Unit, proved: StepUp): Promise<AccessAnswer> {
  return raise(room, unit, proved);
}

async function raise(room: SessionRoom, unit: Unit, proved: StepUp, rotation?: Rotation): Promise<AccessAnswer> {
  const { sessions } = unit.store;
  const session = await requireOpen(unit, proved);
  const subject = requireProved(await room.subject(unit.store, proved.sub), proved.credentialVersion);
  const { client, policy } = await termsOf(room, unit, session);
  const { amr, credentialVersion, resource, scope: narrowedTo = null } = proved;
  const granted = grantAccess(room, { session, subject, client, bound: session.scope, scope: undefined, resource });
  const plans = await createPlanRoom(room, unit.store, unit);
  const cutOffs = [denyOlderTokens(room.policy.issuer, session.sid, plans)];
  appendRevocation(unit, { txn: createRevocationId(unit.now()), reason: REASON, cutOffs });
  const at = unit.mintTime();
  const raised: Session = { ...session, authTime: at, amr, acr: proved.acr ?? null, credentialVersion };
  await sessions.prove({ sid: session.sid, at, amr, acr: raised.acr, credentialVersion });
  const access = await answerAccess(room, unit, {
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
export async function reissue(room: SessionRoom, unit: Unit, of: Reissue): Promise<AccessAnswer> {
  const session = await requireOpen(unit, of);
  const { client, policy } = await termsOf(room, unit, session);
  const at = unit.mintTime();
  const subject = await requireGoingOn(room, unit.store, session, at);
  const { scope, resource } = of;
  const bound = session.newestScope ?? session.scope;
  const granted = grantAccess(room, { session, subject, client, bound, scope, resource });
  const narrowedTo = scope ?? session.newestScope;
  return signNow(await answerAccess(room, unit, { session, subject, policy, ...granted, narrowedTo, at }));
}

const WORD = /^[a-z][a-z0-9_]{0,63}$/;

/** How many sessions go on only after a new login. @throws TypeError */
export async function requireReauthentication(
  _room: object,
  { store }: Unit,
  { sid, sub, reason }: ReauthenticationDemand,
): Promise<number> {
  if (!WORD.test(reason)) throw new TypeError('reason must be a word such as password_reset');
  if (sid !== undefined) return store.sessions.requireReauthentication('sid', sid, reason);
  if (sub !== undefined) return store.sessions.requireReauthentication('sub', sub, reason);
  throw new TypeError('sub or sid must be given');
}

/** @throws RescindError `session_ended` */
async function requireOpen(unit: Unit, { sid, sub }: { sid: string; sub: string }): Promise<Session> {
  const session = await unit.store.sessions.find(sid);
  if (session?.sub === sub && !isOver(session, unit.now())) return session;
  throw new RescindError('session_ended');
}

function replaceRefreshToken({ selector, verifierHash }: Session): NextToken {
  if (selector === null || verifierHash === null) throw new Error('an open session has a refresh token');
  return replacementOf(selector, verifierHash);
}
