import type { Clock } from './environment.ts';
import { ignore, within } from './environment.ts';
import { textOf } from './record.ts';

/** What a route requires of the login (RFC 9470 section 3). Both are undefined if the page may not read `WWW-Authenticate`. */
export interface StepUpRequirement {
  /** The acceptable `acr` values, the preferred first. */
  readonly acrValues: readonly string[] | undefined;
  /** Seconds. */
  readonly maxAge: number | undefined;
}

/** What a 401 response asks for: another token, or if there is something `required`, another authentication. */
interface Challenge {
  readonly required?: StepUpRequirement;
}

/** Refusals that another access token of the same session can mend. */
const RENEWABLE: ReadonlySet<string> = new Set([
  'token_expired',
  'token_soft_expired',
  'token_revoked',
  'token_inactive',
]);

/**
 * Reads a 401 response.
 * @param header `WWW-Authenticate`; null: there is none, or CORS hides it
 * @param code the member `code` of its JSON body, if it has one
 * @returns undefined: it is not about the token, or another token would not help
 */
export function challengeOf(header: string | null, code: string | undefined): Challenge | undefined {
  if (header && !/\bBearer\b/i.test(header)) return undefined;
  const parameter = (name: string) => new RegExp(`\\b${name}="?([^",]*)`).exec(header ?? '')?.[1];
  const error = parameter('error');
  if (error === 'insufficient_user_authentication' || code === 'authentication_insufficient') {
    const age = parameter('max_age');
    return { required: { acrValues: parameter('acr_values')?.split(' '), maxAge: age ? Number(age) : undefined } };
  }
  const mayRenew = code === undefined ? error === 'invalid_token' : RENEWABLE.has(code);
  return mayRenew ? {} : undefined;
}

const BODY_TIME_MS = 2_000;

/** The same of a response of `fetch`, whose own body stays unread. */
export async function readChallenge(response: Response, clock: Clock): Promise<Challenge | undefined> {
  const body: unknown = await within(clock, BODY_TIME_MS, response.clone().json().catch(ignore));
  return challengeOf(response.headers.get('www-authenticate'), codeOf(body));
}

/** @param body what a JSON body contained */
export const codeOf = (body: unknown): string | undefined => textOf(Object(body).code);
