import type { ClaimValue } from './issuer-options.ts';
import { isClaimValue } from './issuer-options.ts';
import { requireCount } from './require.ts';
import { requireScopeNames } from './scope.ts';
import type { SoftExpiry } from './soft-expiry.ts';
import { requireSoftExpiry } from './soft-expiry.ts';
import type { Claims } from './trusted.ts';

/**
 * What a route does with a token that nothing denies when the view is older than it may be: refuse it (503), take it, or
 * ask its issuer (RFC 7662).
 */
export type StalePolicy = 'deny' | 'allow' | 'introspect';

/** What one route wants of a token. */
export interface RoutePolicy {
  /** Default: the guard's. */
  readonly stale?: StalePolicy | undefined;
  /** Whether the view may be no older than `criticalStalenessMs`. Default false. */
  readonly critical?: boolean | undefined;
  /** `always`: the issuer is asked about every token that is good by what is known here (RFC 7662). Default: not. */
  readonly introspect?: 'always' | undefined;

  /** Scopes that are all needed. Default none. */
  readonly scopes?: readonly string[] | undefined;
  /** Claims that must have this value. */
  readonly claimEquals?: Readonly<Record<string, ClaimValue | null>> | undefined;
  /** Claims, lists or text with spaces, that must have all of these. */
  readonly claimIncludes?: Readonly<Record<string, readonly ClaimValue[]>> | undefined;
  /** Anything else about the claims. What it throws is answered 500. */
  readonly claimCheck?: ((claims: Claims) => boolean) | undefined;

  /** How long ago the person may have authenticated (`auth_time`), in seconds: RFC 9470. */
  readonly maxAuthAgeSeconds?: number | undefined;
  /** One of which `acr` must be: RFC 9470. */
  readonly acrValues?: readonly string[] | undefined;
  /** Default: the guard's. `false`: none here. */
  readonly softExpiry?: SoftExpiry | false | undefined;
}

const STALE_POLICIES: readonly unknown[] = ['deny', 'allow', 'introspect'];

export function requireStalePolicy(stale: unknown): void {
  if (!STALE_POLICIES.includes(stale)) throw new TypeError(`stale must be deny, allow or introspect, got ${stale}`);
}

/** @throws TypeError naming what is wrong */
export function requireRoutePolicy(route: RoutePolicy): void {
  const { stale, introspect, scopes = [], claimEquals = {}, claimIncludes = {}, claimCheck } = route;
  if (stale !== undefined) requireStalePolicy(stale);
  if (introspect !== undefined && introspect !== 'always') {
    throw new TypeError(`introspect must be always, or left out, got ${introspect}`);
  }
  requireScopeNames(scopes);
  for (const [name, value] of Object.entries(claimEquals)) {
    if (value !== null && !isClaimValue(value)) {
      throw new TypeError(`claimEquals.${name} must be text, a number, a boolean or null`);
    }
  }
  for (const [name, values] of Object.entries(claimIncludes)) {
    if (Array.isArray(values) && values.length > 0 && values.every(isClaimValue)) continue;
    throw new TypeError(`claimIncludes.${name} must be a list of values, one at least`);
  }
  if (claimCheck !== undefined && typeof claimCheck !== 'function')
    throw new TypeError('claimCheck must be a function');
  requireStepUp(route);
  if (route.softExpiry) requireSoftExpiry(route.softExpiry);
}

/** @throws TypeError when an issuer is to be asked and none can be */
export function requireIntrospection(
  { stale, introspect }: Pick<RoutePolicy, 'stale' | 'introspect'>,
  issuers: readonly { readonly introspection: unknown }[],
): void {
  if (stale !== 'introspect' && introspect !== 'always') return;
  if (issuers.some(({ introspection }) => introspection !== undefined)) return;
  throw new TypeError(
    'introspection must be { clientId, clientSecret, … } where the issuer is to be asked about tokens',
  );
}

function requireStepUp({ maxAuthAgeSeconds, acrValues }: RoutePolicy): void {
  if (maxAuthAgeSeconds !== undefined) requireCount('maxAuthAgeSeconds', maxAuthAgeSeconds, 0);
  // They are separated by spaces in the challenge (RFC 9470 section 3).
  if (acrValues !== undefined && !(acrValues.length > 0 && acrValues.every(isAcrValue))) {
    throw new TypeError('acrValues must be a list of visible ASCII without space, " and \\, one at least');
  }
}

function isAcrValue(value: unknown): boolean {
  return typeof value === 'string' && /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(value);
}
