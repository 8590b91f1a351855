import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

type Claims = Readonly<Record<string, unknown>>;

/** The last second that a `Date` can hold. Beyond it a time is a mistake, and sums in milliseconds are no longer exact. */
const MAX_SECONDS = 8.64e12;

export function requireIssuer(claims: Claims, issuer: string): void {
  if (claims.iss !== issuer) throw new RescindError('token_issuer_unknown');
}

/**
 * RFC 7519 section 4.1.3: text, or a list of text, with one of ours in it.
 * @param otherwise the claim that says it of a token without `aud`
 */
export function requireAudience(claims: Claims, audiences: readonly string[], otherwise: string | undefined): void {
  const aud = Object.hasOwn(claims, 'aud') || otherwise === undefined ? claims.aud : claims[otherwise];
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

/** How far ahead of the time each may be, in ms. */
export interface BegunTolerances {
  readonly iat: DurationMs;
  readonly nbf: DurationMs;
}

/**
 * RFC 7519 sections 4.1.5 and 4.1.6. @param issuedAt whether `iat` must be there: without it a token cannot be compared with a
 * cut-off
 */
export function requireBegun(
  claims: Claims,
  at: EpochMillis,
  tolerances: BegunTolerances,
  issuedAt: 'required' | 'optional',
): void {
  const iat = numericDate(claims, 'iat');
  if (iat === undefined && issuedAt === 'required') throw wrong('iat is missing');
  const nbf = numericDate(claims, 'nbf');
  const isAhead = (time: number | undefined, toleranceMs: DurationMs) =>
    time !== undefined && !(time * 1000 <= at + toleranceMs);
  if (isAhead(iat, tolerances.iat) || isAhead(nbf, tolerances.nbf)) throw new RescindError('token_not_yet_valid');
}

/**
 * Present, and text that is not empty or a number: what an identifier or a time can be. Of a list of names, one at least, which may
 * be a list too: what somebody may do.
 */
export function requireClaims(claims: Claims, required: readonly RequiredClaim[]): void {
  for (const names of required) {
    const isThere =
      typeof names === 'string'
        ? isGood(claims, names)
        : names.some((name) => isGood(claims, name) || isList(claims, name));
    if (!isThere) throw wrong(`${typeof names === 'string' ? names : names.join(' or ')} is missing or wrong`);
  }
}

/** A claim that must be there; of a list, one of them. */
export type RequiredClaim = string | readonly string[];

function isGood(claims: Claims, name: string): boolean {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  return typeof value === 'string' ? value !== '' : typeof value === 'number' && Number.isFinite(value);
}

const isList = (claims: Claims, name: string) => Object.hasOwn(claims, name) && Array.isArray(claims[name]);

/** Registered claims that identify something (RFC 7519 section 4.1, RFC 9068 section 2.2, OpenID Connect Core section 2). */
const IDENTIFIERS: readonly string[] = ['iss', 'sub', 'jti', 'sid', 'client_id', 'azp'];
/** Times may have a fraction (RFC 7519 section 2), and are compared as numbers. */
const TIMES: readonly string[] = ['exp', 'nbf', 'iat', 'auth_time', 'updated_at'];

/** The names of claims whose numbers must be exact: a cut-off names what they identify by text. */
export function exactClaims(required: readonly RequiredClaim[]): ReadonlySet<string> {
  return new Set([...IDENTIFIERS, ...required.flat().filter((name) => !TIMES.includes(name))]);
}

/** @param inexact the claims with an inexact number, as `parseCompactJws` finds them */
export function requireExact(inexact: readonly string[], names: ReadonlySet<string>): void {
  const wrongOne = inexact.find((name) => names.has(name));
  if (wrongOne !== undefined) throw wrong(`${wrongOne} is a number that readers of JSON disagree about`);
}

/** Claims that only other kinds of token have. */
export function requireAbsent(claims: Claims, names: readonly string[]): void {
  for (const name of names) if (Object.hasOwn(claims, name)) throw wrong(`${name} is there`);
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
