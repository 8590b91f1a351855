import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { FullPolicy } from '../clients/policy.ts';
import { allowsStorage, deadline, policyOf } from '../clients/policy.ts';
import type { SubjectRecord } from '../issuer.ts';
import type { RegisteredClient } from '../issuer-clients.ts';
import type { BeginSession, TokenAnswer } from '../issuer-sessions.ts';
import type { NewSession } from '../store/sessions.ts';
import { UNUSED_SESSION } from '../store/sessions.ts';
import type { Unit } from '../transactions.ts';
import { answerAccess } from './answer.ts';
import type { Audience } from './audience.ts';
import { allowedScope, because } from './grant.ts';
import { requireLogin, toOrigin } from './login-options.ts';
import { createId } from './mint.ts';
import type { OpaqueToken } from './opaque.ts';
import { createOpaqueToken, hashVerifier, toText } from './opaque.ts';
import type { SessionRoom } from './room.ts';
import { requireWithin } from './scope.ts';
import { signNow } from './signing.ts';

/** Begins a session: everything that the caller found out before is read again, and only then the time. */
export async function beginSession(room: SessionRoom, unit: Unit, login: BeginSession): Promise<TokenAnswer> {
  requireLogin(login);
  const client = await room.clients.requireEnabled(unit.store.clients, login.clientId);
  const policy = policyOf(room.policy, client.policy, login.policy ?? null);
  const subject = requireProved(await room.subject(unit.store, login.sub), login.credentialVersion);
  const allowed = allowedScope(subject, client);
  const audience = audienceOf(room, login, client);
  const scope = scopeOf(room, login, audience, allowed);
  const at = unit.mintTime();
  const refreshToken = createOpaqueToken();
  const kept =
    login.audience === undefined && login.resource === undefined && room.audiences.isLimited ? null : audience;
  const session = toSession({ login, client, policy, audience: kept, refreshToken, at });
  await unit.store.sessions.insert(session);
  const access = await answerAccess(room, unit, {
    session: { ...session, ...UNUSED_SESSION },
    subject,
    policy,
    audience,
    scope,
    narrowedTo: null,
    at,
  });
  return { ...signNow(access), refresh_token: toText(refreshToken) };
}

/** Whoever proved the credential of this version. @throws RescindError `credentials_wrong`, `subject_inactive` */
export function requireProved(subject: SubjectRecord | undefined, credentialVersion: number): SubjectRecord {
  // Deleted, or another password, since the caller looked.
  if (subject === undefined || subject.credentialVersion !== credentialVersion) {
    throw new RescindError('credentials_wrong');
  }
  if (subject.active) return subject;
  throw new RescindError('subject_inactive', because(subject.reason));
}

/** What the client asked for, or else what the login says, as far as the client's tokens may be for it. */
function audienceOf({ audiences }: SessionRoom, login: BeginSession, client: RegisteredClient): Audience {
  const { audience, resource } = login;
  if (audience === undefined && resource === undefined && client.audience === undefined && !audiences.isLimited) {
    throw new TypeError('audience must be given: the client has none');
  }
  return audiences.choose({ asked: resource, usual: audience ?? null, client });
}

/** @throws RescindError `scope_invalid`: not allowed, or nothing of it belongs to the audience */
function scopeOf(
  { audiences }: SessionRoom,
  login: BeginSession,
  audience: Audience,
  allowed: readonly string[],
): readonly string[] {
  if (login.scope === undefined) return audiences.scopesFor(audience, allowed);
  const asked = requireWithin(login.scope, allowed);
  const scope = audiences.scopesFor(audience, asked);
  if (asked.length > 0 && scope.length === 0) throw new RescindError('scope_invalid');
  return scope;
}

interface Beginning {
  readonly login: BeginSession;
  readonly client: RegisteredClient;
  readonly policy: FullPolicy;
  readonly audience: Audience | null;
  readonly refreshToken: OpaqueToken;
  readonly at: EpochMillis;
}

function toSession({ login, client, policy, audience, refreshToken, at }: Beginning): NewSession {
  const { storage = client.policy.storage === 'cookie' ? 'cookie' : 'body' } = login;
  if (!allowsStorage(client.policy, storage)) {
    throw new RescindError('request_invalid', { detail: 'storage: not one that this client may use' });
  }
  return {
    sid: createId(),
    sub: login.sub,
    clientId: login.clientId,
    audience,
    scope: login.scope ?? null,
    deviceName: login.deviceName ?? null,
    deviceId: login.deviceId ?? null,
    ...toOrigin(login.origin),
    storage,
    amr: login.amr ?? [],
    acr: login.acr ?? null,
    policy: login.policy ?? null,
    credentialVersion: login.credentialVersion,
    createdAt: at,
    authTime: at,
    lastUsedAt: at,
    idleExpiresAt: deadline(at, policy.refreshIdleTtlMs),
    absoluteExpiresAt: deadline(at, policy.refreshTokenTtlMs),
    selector: refreshToken.selector,
    verifierHash: hashVerifier(refreshToken.verifier),
  };
}
