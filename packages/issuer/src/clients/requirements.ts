import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { NEVER } from '@rescind/revocation/cut-off';
import { clientIdPattern } from '@rescind/revocation/http';
import { createKeySet } from '@rescind/token';
import type {
  Client,
  ClientPolicy,
  Lifetime,
  RegisteredClient,
  SessionPolicy,
  TokenStorage,
} from '../issuer-clients.ts';

import { lengthProblem } from '../options.ts';
import { parseScope } from '../session/audience.ts';

/** The policy of a session, with the defaults. */
export interface FullPolicy {
  readonly accessTokenTtlMs: DurationMs;
  readonly refreshTokenTtlMs: Lifetime;
  readonly refreshIdleTtlMs: Lifetime;
  readonly refreshGraceMs: DurationMs;
  readonly refreshRecoveryMs: DurationMs;
  readonly rotation: boolean;
  readonly renewByToken: boolean;
}

/** The issuer's options, which policies of clients and devices override. */
export type PolicyDefaults = Pick<
  FullPolicy,
  'accessTokenTtlMs' | 'refreshTokenTtlMs' | 'refreshIdleTtlMs' | 'refreshGraceMs' | 'refreshRecoveryMs'
>;

/** The device before the client, the client before the issuer. */
export function policyOf(
  { accessTokenTtlMs, refreshTokenTtlMs, refreshIdleTtlMs, refreshGraceMs, refreshRecoveryMs }: PolicyDefaults,
  client: ClientPolicy,
  device: SessionPolicy | null,
): FullPolicy {
  return {
    accessTokenTtlMs: device?.accessTokenTtlMs ?? client.accessTokenTtlMs ?? accessTokenTtlMs,
    refreshTokenTtlMs: device?.refreshTokenTtlMs ?? client.refreshTokenTtlMs ?? refreshTokenTtlMs,
    refreshIdleTtlMs: device?.refreshIdleTtlMs ?? client.refreshIdleTtlMs ?? refreshIdleTtlMs,
    refreshGraceMs: device?.refreshGraceMs ?? client.refreshGraceMs ?? refreshGraceMs,
    refreshRecoveryMs,
    rotation: device?.rotation ?? client.rotation ?? true,
    renewByToken: device?.renewByToken ?? client.renewByToken ?? false,
  };
}

export function deadline(at: EpochMillis, lifetime: Lifetime): EpochMillis {
  return lifetime === 'never' ? NEVER : at + lifetime;
}

/** Whether a client's refresh tokens may be transferred like this. */
export function allowsStorage({ storage = 'either' }: ClientPolicy, transfer: TokenStorage): boolean {
  return storage === 'either' || storage === transfer;
}

/** RFC 6749 appendix A.1; a colon would end it in HTTP Basic. */
const CLIENT_ID = clientIdPattern(256);
const MAX_NAME_LENGTH = 128;
/** SHA-256, base64url. */
const HASH = /^[A-Za-z0-9_-]{43}$/;
/** The secret in use, and the one that replaces it. */
export const MAX_SECRETS = 2;
const METHODS: ReadonlySet<unknown> = new Set<Client['authMethod']>([
  'none',
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
]);
const STORAGES: ReadonlySet<unknown> = new Set<ClientPolicy['storage']>(['body', 'cookie', 'either']);
/** The accepted algorithms of assertions. */
export const ALGORITHMS = ['RS256', 'ES256'] as const;
const FLAGS = ['rotation', 'renewByToken'] as const;
const DEVICE_MEMBERS: ReadonlySet<string> = new Set<keyof SessionPolicy>([
  'accessTokenTtlMs',
  'refreshIdleTtlMs',
  'refreshTokenTtlMs',
  'refreshGraceMs',
  ...FLAGS,
]);

/**
 * An invalid client. The message names the member and quotes no secret: a host that takes clients from others may
 * answer it to them. Any other TypeError is a mistake of the host's own.
 */
export class InvalidClientError extends TypeError {
  override readonly name = 'InvalidClientError';
}

/** Fills in what was left out. @throws InvalidClientError naming what is wrong and what would be right */
export function toRegistered(client: Client): RegisteredClient {
  const { clientId, name, authMethod, secretHashes = [], jwks, scope, audience, policy = {} } = client;
  if (!(typeof clientId === 'string' && CLIENT_ID.test(clientId))) {
    throw new InvalidClientError('clientId must be 1 to 256 visible ASCII characters without colon');
  }
  if (!(typeof name === 'string' && name !== '' && name.length <= MAX_NAME_LENGTH)) {
    throw new InvalidClientError(`name must be text of 1 to ${MAX_NAME_LENGTH} characters`);
  }
  if (!METHODS.has(authMethod)) throw new InvalidClientError(`authMethod must be one of ${[...METHODS].join(', ')}`);
  requireSecrets(authMethod, secretHashes);
  requireKeys(authMethod, jwks);
  if (scope !== undefined && typeof scope !== 'string')
    throw new InvalidClientError('scope must be space-separated text');
  if (audience !== undefined && !(Array.isArray(audience) && audience.length > 0 && audience.every(isText))) {
    throw new InvalidClientError('audience must be a list of text');
  }
  requireClientPolicy(policy);
  if (policy.clientCredentials === true && (authMethod === 'none' || audience === undefined)) {
    throw new InvalidClientError(
      'policy.clientCredentials must be false for a client that does not authenticate or has no audience',
    );
  }
  return {
    clientId,
    name,
    authMethod,
    secretHashes,
    ...(jwks === undefined ? {} : { jwks }),
    mayIntrospect: flag('mayIntrospect', client.mayIntrospect),
    ...(scope === undefined ? {} : { scope: parseScope(scope).join(' ') }),
    ...(audience === undefined ? {} : { audience }),
    policy,
    disabled: flag('disabled', client.disabled),
  };
}

/** Checks the policy of one session. @throws InvalidClientError */
export function requireSessionPolicy(policy: SessionPolicy): void {
  const unknown = Object.keys(policy).find((member) => !DEVICE_MEMBERS.has(member));
  if (unknown !== undefined) throw new InvalidClientError(`policy must not have ${unknown}`);
  for (const name of ['accessTokenTtlMs', 'refreshGraceMs', 'refreshIdleTtlMs', 'refreshTokenTtlMs'] as const) {
    const length = policy[name];
    const problem = length === 'never' ? undefined : lengthProblem(name, length);
    if (problem !== undefined) throw new InvalidClientError(problem);
  }
  for (const name of FLAGS) flag(name, policy[name]);
}

function requireClientPolicy({ storage, clientCredentials, ...policy }: ClientPolicy): void {
  flag('policy.clientCredentials', clientCredentials);
  if (storage !== undefined && !STORAGES.has(storage)) {
    throw new InvalidClientError('policy.storage must be body, cookie or either');
  }
  requireSessionPolicy(policy);
}

function requireSecrets(authMethod: Client['authMethod'], hashes: readonly string[]): void {
  if (!(Array.isArray(hashes) && hashes.every((hash) => typeof hash === 'string' && HASH.test(hash)))) {
    throw new InvalidClientError('secretHashes must be a list of SHA-256 in base64url');
  }
  if (hashes.length > MAX_SECRETS) throw new InvalidClientError(`secretHashes must be at most ${MAX_SECRETS}`);
  if (hashes.length > 0 && (authMethod === 'none' || authMethod === 'private_key_jwt')) {
    throw new InvalidClientError(
      `secretHashes must be empty: a client that authenticates by ${authMethod} has no secret`,
    );
  }
}

function requireKeys(authMethod: Client['authMethod'], jwks: Client['jwks']): void {
  if (authMethod !== 'private_key_jwt') {
    if (jwks !== undefined) throw new InvalidClientError('jwks must be given for private_key_jwt only');
    return;
  }
  try {
    const keys = createKeySet(jwks);
    const usable = keys.kids().filter((kid) => ALGORITHMS.some((alg) => keys.find(kid, alg) !== undefined));
    if (jwks?.keys.every(isNamedForOne) && usable.length === jwks.keys.length) return;
  } catch {
    // The error below names the key that cannot be used.
  }
  throw new InvalidClientError(
    'jwks must be a set of public keys with a kid each, RSA of 2048 bits or more for RS256 or P-256 for ES256',
  );
}

/** Registered keys are named and bound to one algorithm, which RFC 7517 leaves to the publisher of a set. */
function isNamedForOne(jwk: { readonly kid?: unknown; readonly alg?: unknown }): boolean {
  return typeof jwk.kid === 'string' && typeof jwk.alg === 'string';
}

function flag(name: string, value: boolean | undefined): boolean {
  if (value === undefined) return false;
  if (typeof value !== 'boolean') throw new InvalidClientError(`${name} must be true or false`);
  return value;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
