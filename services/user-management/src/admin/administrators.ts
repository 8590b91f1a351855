import { createHash, timingSafeEqual } from 'node:crypto';
import { readBearerToken } from '@rescind/guard/express';
import type { ErrorCode } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { basicChallenge, bearerChallenge, oneHeader, readBasic } from '@rescind/revocation/http';
import type { Request } from 'express';
import { z } from 'zod';
import type { TokenCheck, VerifiedClaims } from '../http/caller.ts';
import { readPrivateJson, secretText } from '../private-file.ts';
import { GRANTABLE_SCOPES, halvesOf, missingScopes } from '../scopes.ts';

/** An authenticated administrator. */
export interface Administrator {
  /** `operator:<name>` or `sub:<pseudonym>`, as in the audit. */
  readonly who: string;
  readonly scopes: ReadonlySet<string>;
  /** The claims of a user's token; absent for an operator, who sends the secret with each request. */
  readonly claims?: VerifiedClaims;
  /**
   * Authenticates again: a body may take half a minute to arrive, and a transaction may wait. Reads committed rows.
   * @returns the scopes that the administrator has now
   * @throws as `Authenticate`
   */
  confirm(): Promise<Pick<Administrator, 'scopes'>>;
}

/** @throws RescindError `operator_invalid`, `token_malformed`, `token_expired`, `token_revoked`, … */
export type Authenticate = (credentials: Credentials) => Promise<Administrator>;

/** Authenticates operators by their secret, as the file has it now, and users by an access token for the administration. */
export function createAuthentication(operators: () => ReadonlyMap<string, Operator>, tokens: TokenCheck): Authenticate {
  function requireOperator(name: string, secret: string): Operator {
    const operator = operators().get(name);
    // Digests have one length, and an unknown name is compared as well: the time is the same for all.
    const same = timingSafeEqual(digest(secret), digest(operator?.secret ?? ''));
    if (!same || operator === undefined) throw operatorWrong();
    return operator;
  }

  return async (credentials) => {
    if (credentials.kind === 'bearer') {
      const verify = () => tokens.verify(credentials.token);
      const confirm = async () => administratorOf(await verify());
      return { ...administratorOf(await verify()), confirm };
    }
    const { name, secret } = credentials;
    const { scopes } = requireOperator(name, secret);
    return { who: `operator:${name}`, scopes, confirm: async () => requireOperator(name, secret) };
  };
}

const digest = (text: string) => createHash('sha256').update(text).digest();

function administratorOf(claims: VerifiedClaims): Omit<Administrator, 'confirm'> {
  const { sub, scope } = claims;
  return {
    who: `sub:${String(sub)}`,
    scopes: new Set(typeof scope === 'string' ? scope.split(' ') : []),
    claims,
  };
}

/** The detail `via` of the audit: the client application to which the user's token was issued. An operator has none. */
export function viaOf({ claims }: Pick<Administrator, 'claims'>): { readonly via?: string } {
  return typeof claims?.client_id === 'string' ? { via: claims.client_id } : {};
}

/** The credentials of a request. */
export type Credentials =
  | { readonly kind: 'basic'; readonly name: string; readonly secret: string }
  | { readonly kind: 'bearer'; readonly token: string };

/**
 * Reads the `Authorization` header and nothing else (RFC 6750 section 2, RFC 7617 section 2).
 * @returns undefined when it has neither scheme
 * @throws RescindError `request_invalid`: two of them, or a token in the URL
 */
export function readCredentials(request: Request): Credentials | undefined {
  const token = readBearerToken(request);
  if (token !== undefined) return { kind: 'bearer', token };
  const basic = readBasic(oneHeader(request.rawHeaders, 'authorization'));
  return basic === undefined ? undefined : { kind: 'basic', name: basic.id, secret: basic.secret };
}

/** A refusal with its challenge. */
class ChallengedError extends RescindError {
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, challenge: string) {
    super(code);
    this.headers = { 'WWW-Authenticate': challenge };
  }
}

const BASIC = basicChallenge('rescind admin');

/** No credentials: both schemes are named (RFC 9110 section 11.6.1), and no error code (RFC 6750 section 3.1). */
export const missingCredentials = () => new ChallengedError('token_missing', `${BASIC}, Bearer`);

/** RFC 7617 section 2. */
const operatorWrong = () => new ChallengedError('operator_invalid', BASIC);

/** RFC 6750 section 3.1. */
export const scopeMissing = (needed: readonly string[]) =>
  new ChallengedError(
    'scope_insufficient',
    bearerChallenge(new RescindError('scope_insufficient'), { scopes: needed }) ?? 'Bearer',
  );

/**
 * Requires an administrator to have each admin scope that he gives, or that the affected user has. Otherwise an administrator could raise
 * his own rights, or lock others out.
 * @throws RescindError `scope_insufficient` naming what is missing
 */
export function requireWithin(administrator: Administrator, needed: readonly string[]): void {
  const missing = missingAdminScopes(administrator, needed);
  if (missing.length > 0) throw scopeMissing(missing);
}

/** Whether these scopes include an admin scope that the administrator lacks. */
export function isGreater(administrator: Administrator, scopes: readonly string[]): boolean {
  return missingAdminScopes(administrator, scopes).length > 0;
}

function missingAdminScopes({ scopes }: Administrator, needed: readonly string[]): string[] {
  return missingScopes(scopes, needed.filter((scope) => GRANTABLE_SCOPES.has(scope)).flatMap(halvesOf));
}

/** @throws RescindError `scope_insufficient` naming what is needed */
export function requireScopes({ scopes }: Pick<Administrator, 'scopes'>, needed: readonly string[]): void {
  if (missingScopes(scopes, needed).length > 0) throw scopeMissing(needed);
}

/** A person or program that administers by a secret. */
export interface Operator {
  readonly secret: string;
  readonly scopes: ReadonlySet<string>;
}

/** 32 characters of base64 have 192 bits, of hex 128: they cannot be guessed. */
const MIN_SECRET_LENGTH = 32;

const operators = z.record(
  z.string().regex(/^[\w.@-]{1,64}$/),
  z.strictObject({
    secret: secretText(MIN_SECRET_LENGTH),
    scopes: z
      .array(z.string().refine((scope) => GRANTABLE_SCOPES.has(scope)))
      .min(1)
      .transform((scopes) => new Set(scopes)),
  }),
);

/**
 * Reads `{ "<name>": { "secret": "<secret>", "scopes": ["admin:users:read", …] } }`. Without a file there is no operator.
 * @throws ConfigurationError the file cannot be read, is open to others, or is not of that shape; never with a secret
 */
export function readOperators(path: string | undefined): ReadonlyMap<string, Operator> {
  if (path === undefined) return new Map();
  const read = readPrivateJson<Record<string, Operator>>({
    variable: 'ADMIN_OPERATORS_FILE',
    path,
    schema: operators,
    shape:
      'a JSON object { "<name>": { "secret": "<32 to 256 random characters>", "scopes": [<of the admin scopes>] } }, names of 1 to 64 letters, digits, . _ @ -',
  });
  return new Map(Object.entries(read));
}
