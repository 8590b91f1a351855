import { requireOfRoute } from '@rescind/guard';
import { readBearerToken, toRequestError } from '@rescind/guard/express';
import type { Issuer } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { RequestHandler } from 'express';

/** The requirements of an endpoint on an access token (RFC 6750, RFC 9470). */
interface TokenRequirements {
  readonly scopes?: readonly string[];
  /** How long ago the login may be, in seconds; bounded by a third of the life of a token that lives no longer. */
  readonly maxAuthAgeSeconds?: number;
}

/** The claims of an access token that was verified. */
export type VerifiedClaims = Readonly<Record<string, unknown>>;

export interface TokenCheck {
  /**
   * Verifies a token by the rules of the guard (`@rescind/guard`), and judges it by the issuer's own rows: a revocation
   * holds from its commit on.
   * @throws RescindError `token_malformed`, `token_audience_wrong`, `token_revoked`, `scope_insufficient`, …, each with
   *   its challenge
   */
  verify(token: string, requirements?: Pick<TokenRequirements, 'scopes'>): Promise<VerifiedClaims>;
  /** Requires more of claims that `verify` has returned. @throws RescindError as `verify` */
  require(claims: VerifiedClaims, requirements: TokenRequirements): void;
}

/**
 * @param now ms
 * @param audience what `aud` must contain (RFC 9068 section 4)
 */
export function createTokenCheck(issuer: Pick<Issuer, 'verify'>, now: () => EpochMillis, audience: string): TokenCheck {
  const challenged = (error: unknown, requirements: TokenRequirements): unknown =>
    error instanceof RescindError ? toRequestError(advised(error, audience), requirements) : error;

  return {
    async verify(token, requirements = {}) {
      try {
        const { payload } = await issuer.verify(token, { audience });
        requireOfRoute(payload, requirements, now());
        return payload;
      } catch (error) {
        throw challenged(error, requirements);
      }
    },
    require(claims, requirements) {
      const bounded = withinLife(claims, requirements);
      try {
        requireOfRoute(claims, bounded, now());
      } catch (error) {
        throw challenged(error, bounded);
      }
    },
  };
}

/**
 * Bounds the age of a recent login by a third of the token's life. A login that is recent for as long as its token lives would permit a
 * stolen token what requires a recent login.
 */
function withinLife({ iat, exp }: VerifiedClaims, requirements: TokenRequirements): TokenRequirements {
  const { maxAuthAgeSeconds: maxAgeSeconds } = requirements;
  const lifeSeconds = Number(exp) - Number(iat);
  if (maxAgeSeconds === undefined || maxAgeSeconds < lifeSeconds) return requirements;
  return { ...requirements, maxAuthAgeSeconds: Math.max(1, Math.floor(lifeSeconds / 3)) };
}

/** Adds how the client gets a token for this audience (RFC 8707). */
function advised(error: RescindError, audience: string): RescindError {
  if (error.code !== 'token_audience_wrong') return error;
  const publicDetail = `Required is a token for ${audience}: send resource=${audience} at login or refresh (RFC 8707)`;
  return new RescindError('token_audience_wrong', { publicDetail, cause: error });
}

/** The session of the access token of a request. */
interface Caller {
  readonly sub: string;
  readonly sid: string;
  readonly clientId: string;
  /** A token in the response has no more scope and no other audience. */
  readonly scope: string | undefined;
  readonly audience: readonly string[];
  /** Requires more of the token. @throws RescindError with its challenge, as `TokenCheck.require` */
  require(requirements: TokenRequirements): void;
}

/** The locals of a response after `identify`. */
export interface CallerLocals {
  caller: Caller;
}

/**
 * Requires an access token that `check` accepts and that has all of these scopes, and sets `response.locals.caller`.
 */
export function identify(check: TokenCheck, scopes: readonly string[] = []): RequestHandler {
  return async (request, response, next) => {
    const token = readBearerToken(request);
    if (token === undefined) throw new RescindError('token_missing');
    const claims = await check.verify(token, { scopes });
    const caller = { ...callerOf(claims), require: (more: TokenRequirements) => check.require(claims, more) };
    response.locals.caller = caller satisfies Caller;
    next();
  };
}

function callerOf({ sub, sid, client_id, scope, aud }: VerifiedClaims): Omit<Caller, 'require'> {
  return {
    sub: text(sub),
    sid: text(sid),
    clientId: text(client_id),
    scope: typeof scope === 'string' ? scope : undefined,
    audience: [aud].flat().map(text),
  };
}

function text(claim: unknown): string {
  if (typeof claim !== 'string') throw new RescindError('token_claim_wrong');
  return claim;
}
