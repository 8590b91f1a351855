import { RescindError } from '@rescind/revocation';
import type {
  AccessAnswer,
  Reauthentication,
  ReauthenticationDemand,
  Reissue,
  StepUp,
  TokenAnswer,
} from '../issuer-sessions.ts';
import { appendRevocation } from '../revoke/append.ts';
import { denyOlderTokens } from '../revoke/denials.ts';
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
export function reauthenticate(room: SessionRoom, unit: Unit, proved: Reauthentication): TokenAnswer {
  const next = replaceRefreshToken(requireOpen(room, unit, proved));
  const answer = raise(room, unit, proved, next.rotation);
  return { ...answer, refresh_token: toText(next.token) };
}

/** The same for a caller who has shown an access token alone: the refresh token stays, and is not answered. */
export function stepUp(room: SessionRoom, unit: Unit, proved: StepUp): AccessAnswer {
  return raise(room, unit, proved);
}

function raise(room: SessionRoom, unit: Unit, proved: StepUp, rotation?: Rotation): AccessAnswer {
  const { sessions } = room.store;
  const session = requireOpen(room, unit, proved);
  const subject = requireProved(room.subject(proved.sub), proved.credentialVersion);
  const { client, policy } = termsOf(room, session);
  const { amr, credentialVersion, resource, scope: narrowedTo = null } = proved;
  const granted = grantAccess(room, { session, subject, client, bound: session.scope, scope: undefined, resource });
  appendRevocation(unit, REASON, [denyOlderTokens(room.policy.issuer, session.sid, createPlanRoom(room, unit))]);
  const at = unit.mintTime();
  const raised: Session = { ...session, authTime: at, amr, acr: proved.acr ?? null, credentialVersion };
  sessions.prove({ sid: session.sid, at, amr, acr: raised.acr, credentialVersion });
  const access = answerAccess(room, {
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
export function reissue(room: SessionRoom, unit: Unit, of: Reissue): AccessAnswer {
  const session = requireOpen(room, unit, of);
  const { client, policy } = termsOf(room, session);
  const at = unit.mintTime();
  const subject = requireGoingOn(room, session, at);
  const { scope, resource } = of;
  const bound = session.newestScope ?? session.scope;
  const granted = grantAccess(room, { session, subject, client, bound, scope, resource });
  const narrowedTo = scope ?? session.newestScope;
  return signNow(answerAccess(room, { session, subject, policy, ...granted, narrowedTo, at }));
}

const WORD = /^[a-z][a-z0-9_]{0,63}$/;

/** How many sessions go on only after a new login. @throws TypeError */
export function requireReauthentication({ store }: SessionRoom, { sid, sub, reason }: ReauthenticationDemand): number {
  if (!WORD.test(reason)) throw new TypeError('reason must be a word such as password_reset');
  if (sid !== undefined) return store.sessions.requireReauthentication('sid', sid, reason);
  if (sub !== undefined) return store.sessions.requireReauthentication('sub', sub, reason);
  throw new TypeError('sub or sid must be given');
}

/** @throws RescindError `session_ended` */
function requireOpen({ store }: SessionRoom, unit: Unit, { sid, sub }: { sid: string; sub: string }): Session {
  const session = store.sessions.find(sid);
  if (session?.sub === sub && !isOver(session, unit.now())) return session;
  throw new RescindError('session_ended');
}

function replaceRefreshToken({ selector, verifierHash }: Session): NextToken {
  if (selector === null || verifierHash === null) throw new Error('an open session has a refresh token');
  return replacementOf(selector, verifierHash);
}
