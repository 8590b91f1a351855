import type { OptionCheck, OptionShape } from '@rescind/revocation/options';
import { option, optionError, optionsOf, required } from '@rescind/revocation/options';
import type { VerifyOptions } from './issuer.ts';
import type { Client, ClientPolicy, ClientProof, Lifetime, SessionPolicy } from './issuer-clients.ts';
import type { RevokeKey, RotateKey } from './issuer-keys.ts';
import type {
  CutOffRequest,
  EndAllSessions,
  EndSession,
  ExplainQuestion,
  RevocationQuery,
  RevokeToken,
  SubjectChange,
} from './issuer-revocations.ts';
import type {
  BeginSession,
  ClientTokenRequest,
  Origin,
  Reauthentication,
  ReauthenticationDemand,
  RefreshRequest,
  Reissue,
  RenameSession,
  RenewRequest,
  SessionQuery,
  StepUp,
} from './issuer-sessions.ts';
import type { RecordedUserEvent, RefusedUserEvent, UserEventQuery } from './issuer-user-events.ts';
import { USER_EVENT_TYPES } from './store/user-events.ts';

/**
 * The objects that the issuer's methods take: their names and types. Their texts may come from an
 * unauthenticated request, so the method itself answers invalid text, empty text included, with a coded error.
 */
const string = option.string();
const flag = option.flag();
/** RFC 8707: the client's registration decides which of them are valid. */
const resource = option.list(string, { min: 0 });

const lifetime: OptionCheck<Lifetime> = option.either('never', number);

/** How long is for the policy's own rules. */
function number(value: unknown, path: string): number {
  if (typeof value === 'number') return value;
  throw optionError(path, 'a number', value);
}

const sessionPolicyShape: OptionShape<SessionPolicy> = {
  accessTokenTtlMs: number,
  refreshIdleTtlMs: lifetime,
  refreshTokenTtlMs: lifetime,
  refreshGraceMs: number,
  rotation: flag,
  renewByToken: flag,
};

const sessionPolicyOptions = optionsOf<SessionPolicy>('policy', sessionPolicyShape);

export const clientOptions = optionsOf<Client>('a client', {
  clientId: required(string),
  name: required(string),
  authMethod: required(option.oneOf('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')),
  secretHashes: option.list(string, { min: 0 }),
  jwks: optionsOf<NonNullable<Client['jwks']>>('jwks', { keys: required(option.list(keyOption, { min: 0 })) }),
  mayIntrospect: flag,
  scope: string,
  audience: option.list(string, { min: 0 }),
  policy: optionsOf<ClientPolicy>('policy', {
    ...sessionPolicyShape,
    storage: option.oneOf('body', 'cookie', 'either'),
    clientCredentials: flag,
  }),
  disabled: flag,
});

/** A JSON Web Key has members of every kind (RFC 7517 section 4); the key set checks them. */
function keyOption(value: unknown, path: string): object {
  return { ...option.having<object>('a public key as JSON (RFC 7517)')(value, path) };
}

const origin = optionsOf<Origin>('origin', { address: string, userAgent: string });

export const beginSessionOptions = optionsOf<BeginSession>('beginSession', {
  sub: required(string),
  clientId: required(string),
  audience: option.oneOrList(option.text()),
  resource,
  scope: string,
  deviceName: string,
  deviceId: string,
  origin,
  storage: option.oneOf('body', 'cookie'),
  policy: sessionPolicyOptions,
  credentialVersion: required(option.count()),
  amr: option.list(option.text(), { min: 0 }),
  acr: option.text(),
  replacesSid: string,
});

export const clientTokenOptions = optionsOf<ClientTokenRequest>('issueClientToken', {
  clientId: required(string),
  scope: string,
  resource,
});

export const refreshOptions = optionsOf<RefreshRequest>('refresh', {
  refreshToken: required(string),
  clientId: required(string),
  scope: string,
  resource,
  via: option.oneOf('body', 'cookie'),
  onRecovered: option.callable<NonNullable<RefreshRequest['onRecovered']>>('a function that takes a recovered session'),
});

export const renewOptions = optionsOf<RenewRequest>('renew', {
  accessToken: required(string),
  clientId: required(string),
  scope: string,
  resource,
});

const reauthenticationShape: OptionShape<Reauthentication> = {
  sid: required(string),
  sub: required(string),
  credentialVersion: required(option.count()),
  amr: required(option.list(option.text(), { min: 0 })),
  acr: option.text(),
  resource,
};

export const reauthenticationOptions = optionsOf<Reauthentication>('reauthenticate', reauthenticationShape);
export const stepUpOptions = optionsOf<StepUp>('stepUp', { ...reauthenticationShape, scope: string });
export const reissueOptions = optionsOf<Reissue>('reissue', {
  sid: required(string),
  sub: required(string),
  scope: string,
  resource,
});

const demandOptions = optionsOf<{ readonly reason: string; readonly sub?: string; readonly sid?: string }>(
  'requireReauthentication',
  { reason: required(string), sub: string, sid: string },
);

export function reauthenticationDemand(given: unknown): ReauthenticationDemand {
  const { reason, sub, sid } = demandOptions(given);
  if (sub !== undefined && sid === undefined) return { reason, sub };
  if (sid !== undefined && sub === undefined) return { reason, sid };
  throw new TypeError('requireReauthentication must be given sub or sid, one of them');
}

export const renameOptions = optionsOf<RenameSession>('rename', {
  sid: required(string),
  sub: required(string),
  deviceName: required(string),
});

/** Rows of a page where the query has no `limit`. */
export const DEFAULT_PAGE = 100;
const limit = option.count({ min: 1, max: 1_000 });

export const sessionQuery = optionsOf<SessionQuery>('sessions.list', {
  sub: string,
  clientId: string,
  ended: flag,
  currentSid: string,
  after: string,
  limit,
});

const eventType = option.oneOf(...USER_EVENT_TYPES);
const time = option.count();

export const userEventQuery = optionsOf<UserEventQuery>('userEvents.list', {
  sub: string,
  sid: string,
  type: eventType,
  since: time,
  until: time,
  after: string,
  limit,
});

export const recordedUserEvent = optionsOf<RecordedUserEvent>('recordEvent', {
  type: required(eventType),
  sub: required(option.text()),
  sid: option.text(),
  clientId: option.text(),
  reason: option.text(),
});

export const subject = (given: string): string => option.text()(given, 'sub');

export const refusedUserEvent = optionsOf<RefusedUserEvent>('userEvents.refused', {
  type: required(option.oneOf('login_refused', 'confirmation_refused', 'refresh_refused')),
  code: required(option.text()),
  sub: string,
  sid: string,
  clientId: string,
  reason: string,
  origin,
  deviceName: string,
});

export const endSessionOptions = optionsOf<EndSession>('endSession', {
  sid: required(string),
  sub: string,
  reason: required(string),
});

export const endAllSessionsOptions = optionsOf<EndAllSessions>('endAllSessions', {
  sub: required(string),
  exceptSid: string,
  reason: required(string),
});

export const subjectChangeOptions = optionsOf<SubjectChange>('subjectChanged', {
  sub: required(string),
  kind: required(option.oneOf('soft', 'hard')),
  reason: required(string),
  exceptSid: string,
});

export const revokeTokenOptions = optionsOf<RevokeToken>('revokeToken', {
  token: required(string),
  clientId: required(string),
  reason: string,
});

export const revocationQuery = optionsOf<RevocationQuery>('revocations.list', {
  after: string,
  limit,
});

const cutoff = optionsOf<CutOffRequest>('revoke', {
  claim: required(string),
  value: required(string),
  reason: required(string),
  endsSession: flag,
  expiresAt: option.count({ min: 1 }),
  issuer: string,
});
const cutoffs = option.list(cutoff, { min: 0 });

export function cutOffRequests(given: unknown): CutOffRequest | readonly CutOffRequest[] {
  return Array.isArray(given) ? cutoffs(given, 'cutoffs') : cutoff(given);
}

const subjectList = option.list(string, { min: 0 });
export const subjects = (given: readonly string[]) => subjectList(given, 'subs');

/** The argument of `preview`: that of `revoke`, `subjectChanged` or `endAllSessions`, distinguished by its members. */
export function previewRequest(given: CutOffRequest | readonly CutOffRequest[] | EndAllSessions | SubjectChange) {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return cutOffRequests(given);
  if (Object.hasOwn(given, 'claim')) return cutOffRequests(given);
  return Object.hasOwn(given, 'kind') ? subjectChangeOptions(given) : endAllSessionsOptions(given);
}

export const rotateKeyOptions = optionsOf<RotateKey>('keys.rotate', {
  purpose: required(option.oneOf('token', 'event')),
  alg: option.oneOf('RS256', 'ES256'),
});

export const revokeKeyOptions = optionsOf<RevokeKey>('keys.revoke', {
  kid: required(string),
  reason: required(string),
});

export const verifyOptions = optionsOf<VerifyOptions>('verify', { audience: option.text() });
export const introspectOptions = optionsOf<{ readonly clientId: string }>('introspect', { clientId: required(string) });

type Proof<M extends ClientProof['method']> = Extract<ClientProof, { readonly method: M }>;

type SecretProof = Extract<ClientProof, { readonly secret: string }>;

const noProof = optionsOf<Proof<'none'>>('authenticate', {
  method: required(option.oneOf('none')),
  clientId: required(string),
});
const secretProof = optionsOf<SecretProof>('authenticate', {
  method: required(option.oneOf('client_secret_basic', 'client_secret_post')),
  clientId: required(string),
  secret: required(string),
});
const assertionProof = optionsOf<Proof<'private_key_jwt'>>('authenticate', {
  method: required(option.oneOf('private_key_jwt')),
  assertion: required(string),
  clientId: string,
});

export function clientProof(given: ClientProof): ClientProof {
  const method: unknown = typeof given === 'object' && given !== null ? given.method : undefined;
  if (method === 'none') return noProof(given);
  return method === 'private_key_jwt' ? assertionProof(given) : secretProof(given);
}

const tokenQuestion = optionsOf<Extract<ExplainQuestion, { readonly token: string }>>('explain', {
  token: required(string),
});
const claimsQuestion = optionsOf<Extract<ExplainQuestion, { readonly claims: object }>>('explain', {
  claims: required(option.having<Readonly<Record<string, unknown>>>('an object of claims')),
  kid: string,
});

export function explainQuestion(given: ExplainQuestion): ExplainQuestion {
  const isAboutToken = typeof given === 'object' && given !== null && Object.hasOwn(given, 'token');
  return isAboutToken ? tokenQuestion(given) : claimsQuestion(given);
}
