import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

type Claims = Readonly<Record<string, unknown>>;

/** The last second that a `Date` can hold. Beyond it a time is a mistake, and sums in milliseconds are no longer exact. */
const MAX_SECONDS = 8.64e12;

export function requireIssuer(claims: Claims, issuer: string): void {
  if (claims.iss !== issuer) throw new RescindError('token_issuer_unknown');
}

/** RFC 7519 section 4.1.3: text, or a list of text, with one of ours in it. */
export function requireAudience(claims: Claims, audiences: readonly string[]): void {
  const { aud } = claims;
  const named = Array.isArray(aud) ? aud : [aud];
  const isMeant = named.every((one) => typeof one === 'string') && named.some((one) => audiences.includes(one));
  if (!isMeant) throw new RescindError('token_audience_wrong');
}

/** RFC 7519 section 4.1.4. The token has expired at its `exp`, not after it. */
export function requireUnexpired(claims: Claims, at: EpochMillis, toleranceMs: DurationMs): void {
  const exp = numericDate(claims, 'exp');
  if (exp === undefined) throw wrong('exp is missing');
  if (!(at < exp * 1000 + toleranceMs)) throw new RescindError('token_expired');
}

/** A kind of token that does not expire is not one that does. */
export function requireNoExpiry(claims: Claims): void {
  if (Object.hasOwn(claims, 'exp')) throw wrong('exp is there');
}

/**
 * RFC 7519 sections 4.1.5 and 4.1.6. @param issuedAt whether `iat` must be there: without it a token cannot be compared with a
 * cut-off
 */
export function requireBegun(
  claims: Claims,
  at: EpochMillis,
  toleranceMs: DurationMs,
  issuedAt: 'required' | 'optional',
): void {
  const iat = numericDate(claims, 'iat');
  if (iat === undefined && issuedAt === 'required') throw wrong('iat is missing');
  const latest = Math.max(iat ?? Number.NEGATIVE_INFINITY, numericDate(claims, 'nbf') ?? Number.NEGATIVE_INFINITY);
  if (!(latest * 1000 <= at + toleranceMs)) throw new RescindError('token_not_yet_valid');
}

/** Present, and text that is not empty or a number: what an identifier or a time can be. */
export function requireClaims(claims: Claims, names: readonly string[]): void {
  for (const name of names) {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
    const isGood = typeof value === 'string' ? value !== '' : typeof value === 'number' && Number.isFinite(value);
    if (!isGood) throw wrong(`${name} is missing or wrong`);
  }
}

/** A NumericDate (RFC 7519 section 2); undefined when absent. JSON reads `1e400` as Infinity. */
function numericDate(claims: Claims, name: string): number | undefined {
  if (!Object.hasOwn(claims, name)) return undefined;
  const value = claims[name];
  if (typeof value !== 'number' || !(Math.abs(value) <= MAX_SECONDS)) throw wrong(`${name} is not a time`);
  return value;
}

function wrong(detail: string): RescindError {
  return new RescindError('token_claim_wrong', { detail });
}
