import { requireOfRoute } from '@rescind/guard';
import { toRequestError } from '@rescind/guard/express';
import type { Issuer } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

/** What an endpoint requires of an access token (RFC 6750, RFC 9470). */
export interface TokenRequirements {
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
 * A login that stays recent for as long as its token lives would let whoever stole the token do what requires a recent one:
 * of a client or an account whose tokens live no longer than that, a third of their life is recent.
 */
function withinLife({ iat, exp }: VerifiedClaims, requirements: TokenRequirements): TokenRequirements {
  const { maxAuthAgeSeconds: most } = requirements;
  const lifeSeconds = Number(exp) - Number(iat);
  if (most === undefined || most < lifeSeconds) return requirements;
  return { ...requirements, maxAuthAgeSeconds: Math.max(1, Math.floor(lifeSeconds / 3)) };
}

/** Says how to get a token that is accepted (RFC 8707). */
function advised(error: RescindError, audience: string): RescindError {
  if (error.code !== 'token_audience_wrong') return error;
  const publicDetail = `Required is a token for ${audience}: send resource=${audience} at login or refresh (RFC 8707)`;
  return new RescindError('token_audience_wrong', { publicDetail, cause: error });
}
