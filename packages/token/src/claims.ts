import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

type Claims = Readonly<Record<string, unknown>>;

/** The greatest time of a `Date`, in seconds. Sums in milliseconds of greater ones are not exact. */
const MAX_TIME_SECONDS = 8.64e12;

/** RFC 7519 section 4.1.1. @throws RescindError `token_issuer_unknown` */
export function requireIssuer(claims: Claims, issuer: string): void {
  if (claims.iss !== issuer) throw new RescindError('token_issuer_unknown');
}

/**
 * RFC 7519 section 4.1.3: text, or a list of text, that contains one of `audiences`.
 * @param otherwise the claim that is compared in a token without `aud`
 * @throws RescindError `token_audience_wrong`
 */
export function requireAudience(claims: Claims, audiences: readonly string[], otherwise: string | undefined): void {
  const aud = Object.hasOwn(claims, 'aud') || otherwise === undefined ? claims.aud : claims[otherwise];
  const named = Array.isArray(aud) ? aud : [aud];
  const isForUs = named.every((one) => typeof one === 'string') && named.some((one) => audiences.includes(one));
  if (!isForUs) throw new RescindError('token_audience_wrong');
}

/** RFC 7519 section 4.1.4: a token is expired at its `exp`, and after. @throws RescindError `token_claim_wrong`, `token_expired` */
export function requireUnexpired(claims: Claims, at: EpochMillis, toleranceMs: DurationMs): void {
  const exp = numericDate(claims, 'exp');
  if (exp === undefined) throw invalidClaim('exp is missing');
  if (!(at < exp * 1000 + toleranceMs)) throw new RescindError('token_expired');
}

/** Refuses `exp` in kinds of token that do not expire. @throws RescindError `token_claim_wrong` */
export function requireNoExpiry(claims: Claims): void {
  if (Object.hasOwn(claims, 'exp')) throw invalidClaim('exp is present');
}

/** How far each time may be in the future, in ms. */
export interface NotBeforeTolerances {
  readonly iat: DurationMs;
  readonly nbf: DurationMs;
}

/**
 * RFC 7519 sections 4.1.5 and 4.1.6.
 * @param issuedAt whether `iat` is required: a token without it cannot be compared with a cut-off
 * @throws RescindError `token_claim_wrong`, `token_not_yet_valid`
 */
export function requireStarted(
  claims: Claims,
  at: EpochMillis,
  tolerances: NotBeforeTolerances,
  issuedAt: 'required' | 'optional',
): void {
  const iat = numericDate(claims, 'iat');
  if (iat === undefined && issuedAt === 'required') throw invalidClaim('iat is missing');
  const nbf = numericDate(claims, 'nbf');
  const isAhead = (time: number | undefined, toleranceMs: DurationMs) =>
    time !== undefined && !(time * 1000 <= at + toleranceMs);
  if (isAhead(iat, tolerances.iat) || isAhead(nbf, tolerances.nbf)) throw new RescindError('token_not_yet_valid');
}

/**
 * Requires each claim as non-empty text or as a number, which identifiers and times are. Of a list of names it requires one, which may
 * also be a list, as permissions are.
 * @throws RescindError `token_claim_wrong`
 */
export function requireClaims(claims: Claims, required: readonly RequiredClaim[]): void {
  for (const names of required) {
    const isPresent =
      typeof names === 'string'
        ? isIdentifier(claims, names)
        : names.some((name) => isIdentifier(claims, name) || isList(claims, name));
    if (!isPresent) throw invalidClaim(`${typeof names === 'string' ? names : names.join(' or ')} is missing or wrong`);
  }
}

/** A required claim; of a list, one of them is required. */
export type RequiredClaim = string | readonly string[];

function isIdentifier(claims: Claims, name: string): boolean {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  return typeof value === 'string' ? value !== '' : typeof value === 'number' && Number.isFinite(value);
}

const isList = (claims: Claims, name: string) => Object.hasOwn(claims, name) && Array.isArray(claims[name]);

/** Registered claims that identify something (RFC 7519 section 4.1, RFC 9068 section 2.2, OpenID Connect Core section 2). */
const IDENTIFIERS: readonly string[] = ['iss', 'sub', 'jti', 'sid', 'client_id', 'azp'];
/** Times may have a fraction (RFC 7519 section 2); they are compared as numbers. */
const TIMES: readonly string[] = ['exp', 'nbf', 'iat', 'auth_time', 'updated_at'];

/** Names of the claims whose numbers must be exact: a cut-off compares them as text. */
export function exactClaims(required: readonly RequiredClaim[]): ReadonlySet<string> {
  return new Set([...IDENTIFIERS, ...required.flat().filter((name) => !TIMES.includes(name))]);
}

/** @param inexact the claims with an inexact number, as `parseCompactJws` returns them. @throws RescindError `token_claim_wrong` */
export function requireExact(inexact: readonly string[], names: ReadonlySet<string>): void {
  const inexactClaim = inexact.find((name) => names.has(name));
  if (inexactClaim !== undefined) throw invalidClaim(`${inexactClaim} is a number that JSON parsers read differently`);
}

/** Refuses claims that only other kinds of token have. @throws RescindError `token_claim_wrong` */
export function requireAbsent(claims: Claims, names: readonly string[]): void {
  for (const name of names) if (Object.hasOwn(claims, name)) throw invalidClaim(`${name} is present`);
}

/** A NumericDate (RFC 7519 section 2); undefined when absent. JSON.parse reads `1e400` as Infinity. @throws RescindError */
function numericDate(claims: Claims, name: string): number | undefined {
  if (!Object.hasOwn(claims, name)) return undefined;
  const value = claims[name];
  if (typeof value !== 'number' || !(Math.abs(value) <= MAX_TIME_SECONDS)) throw invalidClaim(`${name} is not a time`);
  return value;
}

function invalidClaim(detail: string): RescindError {
  return new RescindError('token_claim_wrong', { detail });
}
