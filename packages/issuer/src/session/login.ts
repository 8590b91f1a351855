import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { SubjectRecord } from '../issuer.ts';
import type { BeginSession, TokenAnswer } from '../issuer-sessions.ts';
import type { Session } from '../sql/sessions.ts';
import type { Unit } from '../transactions.ts';
import type { SessionRoom } from './answer.ts';
import { answerTokens, scopeOf } from './answer.ts';
import { createId } from './mint.ts';
import { createOpaqueToken, hashVerifier } from './opaque.ts';
import { parseScope, requireWithin } from './scope.ts';

/** Begins a session: everything that the caller found out before is read again, and only then the time. */
export function beginSession(room: SessionRoom, unit: Unit, login: BeginSession): TokenAnswer {
  requireLogin(login);
  const subject = requireSubject(room.subject(login.sub), login.credentialVersion);
  const allowed = parseScope(scopeOf(subject));
  const scope = login.scope === undefined ? allowed : requireWithin(login.scope, allowed);
  const at = unit.mintTime();
  const session = toSession(login, room, at);
  room.store.sessions.insert(session, at);
  const refreshToken = createOpaqueToken();
  room.store.refreshTokens.insert({
    selector: refreshToken.selector,
    verifierHash: hashVerifier(refreshToken.verifier),
    sid: session.sid,
    idleExpiresAt: at + room.policy.refreshIdleTtlMs,
  });
  return answerTokens(room, { session, subject, scope, refreshToken, at });
}

function requireSubject(subject: SubjectRecord | undefined, credentialVersion: number): SubjectRecord {
  // Deleted, or another password, since the caller looked.
  if (subject === undefined || subject.credentialVersion !== credentialVersion) {
    throw new RescindError('credentials_wrong');
  }
  if (subject.active) return subject;
  throw new RescindError('subject_inactive', subject.reason === undefined ? {} : { detail: subject.reason });
}

function toSession(login: BeginSession, { policy }: SessionRoom, at: EpochMillis): Session {
  return {
    sid: createId(),
    sub: login.sub,
    clientId: login.clientId,
    audience: login.audience ?? [],
    scope: login.scope ?? null,
    deviceName: login.deviceName ?? null,
    amr: login.amr ?? [],
    credentialVersion: login.credentialVersion,
    authTime: at,
    absoluteExpiresAt: at + policy.refreshTokenTtlMs,
    endedAt: null,
  };
}

/** What an event can name: a session must not begin that no cut-off could end. */
const MAX_NAME_LENGTH = 1_024;

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_LENGTH;
}

function requireLogin({ sub, clientId, audience, credentialVersion }: BeginSession): void {
  if (!isName(sub)) throw new TypeError(`sub must be text of 1 to ${MAX_NAME_LENGTH} characters`);
  if (!isName(clientId)) throw new TypeError(`clientId must be text of 1 to ${MAX_NAME_LENGTH} characters`);
  const audiences = typeof audience === 'string' ? [audience] : audience;
  if (!(Array.isArray(audiences) && audiences.length > 0 && audiences.every((one) => typeof one === 'string' && one))) {
    throw new TypeError('audience must be text or a list of text');
  }
  if (!Number.isSafeInteger(credentialVersion)) throw new TypeError('credentialVersion must be a whole number');
}
