import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { FullPolicy } from '../clients/requirements.ts';
import { allowsStorage, deadline, policyOf, requireSessionPolicy } from '../clients/requirements.ts';
import type { IssuerContext } from '../context.ts';
import type { SubjectRecord } from '../issuer.ts';
import type { RegisteredClient } from '../issuer-clients.ts';
import type { AccessAnswer, BeginSession, ClientTokenRequest, Origin, TokenAnswer } from '../issuer-sessions.ts';
import { endSession } from '../revoke/revoke.ts';
import type { NewSession } from '../store/sessions.ts';
import { UNUSED_SESSION } from '../store/sessions.ts';
import type { Transaction } from '../transaction.ts';
import { eventMembersOf } from '../user-events/recorder.ts';
import type { Audience } from './audience.ts';
import { requireWithin } from './audience.ts';
import { allowedScope, reasonOf } from './grant.ts';
import { answerAccess, signNow } from './mint.ts';
import type { OpaqueToken } from './refresh-token.ts';
import { createId, createOpaqueToken, hashVerifier, toText } from './refresh-token.ts';

/** A login, and the end of the session that it replaces (OWASP ASVS 5.0 section 7.2.4). */
export async function beginLogin(context: IssuerContext, tx: Transaction, login: BeginSession): Promise<TokenAnswer> {
  const answer = await beginSession(context, tx, login);
  const { replacesSid: sid, sub } = login;
  if (sid !== undefined) {
    await context.userEvents.as('user', () => endSession(context, tx, { sid, sub, reason: 'replaced' }));
  }
  return answer;
}

/** Begins a session. Everything that the caller read before the transaction is read again; the time is read last. */
async function beginSession(context: IssuerContext, tx: Transaction, login: BeginSession): Promise<TokenAnswer> {
  requireLogin(login);
  const client = await context.clients.requireEnabled(tx.store.clients, login.clientId);
  const policy = policyOf(context.policy, client.policy, login.policy ?? null);
  const subject = requireCredentialVersion(await context.subject(tx.store, login.sub), login.credentialVersion);
  const allowed = allowedScope(subject, client);
  const audience = audienceOf(context, login, client);
  const scope = scopeOf(context, login, audience, allowed);
  const at = tx.mintTime();
  const refreshToken = createOpaqueToken();
  const storedAudience =
    login.audience === undefined && login.resource === undefined && context.audiences.isLimited ? null : audience;
  const session = toSession({ login, client, policy, audience: storedAudience, refreshToken, at });
  await tx.store.sessions.insert(session);
  await context.userEvents.record(tx, { type: 'login', at, actor: 'user', ...eventMembersOf(session) });
  const access = await answerAccess(context, tx, {
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

/**
 * Issues an access token of a client itself (RFC 6749 section 4.4). Its session ends with it and its refresh token is
 * never returned, so every cut-off of sessions and tokens applies to it.
 */
export async function issueClientToken(
  context: IssuerContext,
  tx: Transaction,
  { clientId, scope: requested, resource }: ClientTokenRequest,
): Promise<AccessAnswer> {
  const client = await context.clients.requireEnabled(tx.store.clients, clientId);
  if (client.policy.clientCredentials !== true) throw new RescindError('client_unauthorized');
  const ofClient = policyOf(context.policy, client.policy, null);
  const { accessTokenTtlMs: ttlMs } = ofClient;
  const policy = { ...ofClient, refreshTokenTtlMs: ttlMs, refreshIdleTtlMs: ttlMs, renewByToken: false };
  const subject: SubjectRecord = { claims: { scope: client.scope ?? '' }, credentialVersion: 0, active: true };
  const login: BeginSession = {
    ...{ sub: clientId, clientId, credentialVersion: 0 },
    ...(requested === undefined ? {} : { scope: requested }),
    ...(resource === undefined ? {} : { resource }),
  };
  const audience = audienceOf(context, login, client);
  const scope = scopeOf(context, login, audience, allowedScope(subject, client));
  const at = tx.mintTime();
  const storage = client.policy.storage === 'cookie' ? 'cookie' : 'body';
  const refreshToken = createOpaqueToken();
  const session = toSession({ login: { ...login, storage }, client, policy, audience, refreshToken, at });
  await tx.store.sessions.insert(session);
  const access = await answerAccess(context, tx, {
    session: { ...session, ...UNUSED_SESSION },
    ...{ subject, policy, audience, scope, narrowedTo: null, at, isOfClient: true },
  });
  return signNow(access);
}

/** The subject, if its credential still has the verified version. @throws RescindError `credentials_wrong`, `subject_inactive` */
export function requireCredentialVersion(subject: SubjectRecord | undefined, credentialVersion: number): SubjectRecord {
  // The subject was deleted, or its password changed, since the caller verified the password.
  if (subject === undefined || subject.credentialVersion !== credentialVersion) {
    throw new RescindError('credentials_wrong');
  }
  if (subject.active) return subject;
  throw new RescindError('subject_inactive', reasonOf(subject.reason));
}

/** The audience that the client requested, or else that of the login, within those of the client. */
function audienceOf({ audiences }: IssuerContext, login: BeginSession, client: RegisteredClient): Audience {
  const { audience, resource } = login;
  if (audience === undefined && resource === undefined && client.audience === undefined && !audiences.isLimited) {
    throw new TypeError('audience must be given: the client has none');
  }
  return audiences.choose({ requested: resource, usual: audience ?? null, client });
}

/** @throws RescindError `scope_invalid`: not allowed, or nothing of it belongs to the audience */
function scopeOf(
  { audiences }: IssuerContext,
  login: BeginSession,
  audience: Audience,
  allowed: readonly string[],
): readonly string[] {
  if (login.scope === undefined) return audiences.scopesFor(audience, allowed);
  const requested = requireWithin(login.scope, allowed);
  const scope = audiences.scopesFor(audience, requested);
  if (requested.length > 0 && scope.length === 0) throw new RescindError('scope_invalid');
  return scope;
}

interface SessionInput {
  readonly login: BeginSession;
  readonly client: RegisteredClient;
  readonly policy: FullPolicy;
  readonly audience: Audience | null;
  readonly refreshToken: OpaqueToken;
  readonly at: EpochMillis;
}

function toSession({ login, client, policy, audience, refreshToken, at }: SessionInput): NewSession {
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

/** The longest name of an event: a session with a longer one could not be ended by a cut-off. */
const MAX_NAME_LENGTH = 1_024;
const MAX_LABEL_LENGTH = 128;
/** An IPv6 address with a zone; the first words of a user agent identify it. */
const MAX_ADDRESS_LENGTH = 64;
const MAX_USER_AGENT_LENGTH = 256;
/** Controls, characters that turn the direction of others or are invisible, and line ends. */
const NOT_VISIBLE = /[\p{Cc}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\u2028\u2029\ufff9-\ufffb]/gu;

/** @throws TypeError for a mistake of the host */
function requireLogin(login: BeginSession): void {
  const { sub, clientId, audience, resource, credentialVersion, deviceName, deviceId, storage, amr, acr, policy } =
    login;
  if (!isValidName(sub)) throw new TypeError(`sub must be text of 1 to ${MAX_NAME_LENGTH} characters`);
  if (!isValidName(clientId)) throw new TypeError(`clientId must be text of 1 to ${MAX_NAME_LENGTH} characters`);
  const audiences = audience === undefined ? undefined : [audience].flat();
  if (audiences !== undefined && !(audiences.length > 0 && audiences.every((one) => typeof one === 'string' && one))) {
    throw new TypeError('audience must be text or a list of text');
  }
  if (resource !== undefined && !(Array.isArray(resource) && resource.every((one) => typeof one === 'string'))) {
    throw new TypeError('resource must be a list of text');
  }
  if (!Number.isSafeInteger(credentialVersion)) throw new TypeError('credentialVersion must be a whole number');
  if (deviceName !== undefined) requireLabel('deviceName', deviceName);
  if (deviceId !== undefined) requireLabel('deviceId', deviceId);
  if (storage !== undefined && storage !== 'body' && storage !== 'cookie') {
    throw new TypeError('storage must be body or cookie');
  }
  if (amr !== undefined && !(Array.isArray(amr) && amr.every(isValidName)))
    throw new TypeError('amr must be a list of text');
  if (acr !== undefined && !isValidName(acr)) throw new TypeError('acr must be text');
  if (policy !== undefined) requireSessionPolicy(policy);
}

/** @throws TypeError */
export function requireLabel(name: string, label: string): void {
  const isVisible = typeof label === 'string' && label.isWellFormed() && label.search(NOT_VISIBLE) < 0;
  if (isVisible && label !== '' && label.length <= MAX_LABEL_LENGTH) return;
  throw new TypeError(
    `${name} must be text of 1 to ${MAX_LABEL_LENGTH} characters without control or invisible characters`,
  );
}

/** Clients choose their user agent: it is truncated, and terminal sequences are removed. */
export function toOrigin({ address, userAgent }: Origin = {}) {
  return {
    address: address?.slice(0, MAX_ADDRESS_LENGTH) ?? null,
    userAgent: userAgent?.toWellFormed().replaceAll(NOT_VISIBLE, ' ').slice(0, MAX_USER_AGENT_LENGTH) ?? null,
  };
}

function isValidName(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_LENGTH;
}
