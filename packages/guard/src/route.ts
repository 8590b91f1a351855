import type { EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, RescindError } from '@rescind/revocation';
import { scopeToken } from '@rescind/revocation/http';
import type { OptionShape } from '@rescind/revocation/options';
import { checkedOnce, option, optionsOf } from '@rescind/revocation/options';
import type { ClaimValue } from './issuer-options.ts';
import { claimValueOption } from './issuer-options.ts';
import type { SoftExpiry } from './soft-expiry.ts';
import { softExpiryOption } from './soft-expiry.ts';
import type { Claims } from './trusted-issuer.ts';

/**
 * What a route does with a token that no row denies if the view is too old: refuse it (503), accept it, or introspect it at
 * its issuer (RFC 7662).
 */
export type StalePolicy = 'deny' | 'allow' | 'introspect';

/** What one route requires of a token. */
export interface RoutePolicy {
  /** Default: the guard's. */
  readonly stale?: StalePolicy | undefined;
  /** Whether the view may be no older than `criticalStalenessMs`. Default false. */
  readonly critical?: boolean | undefined;
  /** `always`: introspects every token that passes the other checks (RFC 7662). Default: only as `stale` says. */
  readonly introspect?: 'always' | undefined;

  /** Scopes that the token must have, all of them. Default none. */
  readonly scopes?: readonly string[] | undefined;
  /** Claims that must have this value. Default: none. */
  readonly claimEquals?: Readonly<Record<string, ClaimValue | null>> | undefined;
  /** Claims, lists or text with spaces, that must have all of these. Default: none. */
  readonly claimIncludes?: Readonly<Record<string, readonly ClaimValue[]>> | undefined;
  /** Any other condition on the claims. If it throws, the response is 500. Default: none. */
  readonly claimCheck?: ((claims: Claims) => boolean) | undefined;

  /** The longest time since the user authenticated (`auth_time`), in seconds: RFC 9470. Default: any. */
  readonly maxAuthAgeSeconds?: number | undefined;
  /** The values of which `acr` must be one: RFC 9470. Default: any, or none. */
  readonly acrValues?: readonly string[] | undefined;
  /** Default: the guard's. `false`: none on this route. */
  readonly softExpiry?: SoftExpiry | false | undefined;
}

/** The check of the option `stale`, of a guard and of a route. */
export const stalePolicyOption = option.oneOf<StalePolicy>('deny', 'allow', 'introspect');

/** The check of one scope (RFC 6749 section 3.3). */
const scopeOption = option.text(
  'a scope of visible ASCII without space, " and \\ (RFC 6749 section 3.3)',
  scopeToken(),
);

/** Each option of a route with its check. */
export const routeShape: OptionShape<RoutePolicy> = {
  stale: stalePolicyOption,
  critical: option.flag(),
  introspect: option.oneOf('always'),
  scopes: option.list(scopeOption),
  claimEquals: option.record(option.either(null, claimValueOption)),
  claimIncludes: option.record(option.list(claimValueOption)),
  claimCheck: option.callable<(claims: Claims) => boolean>('a function of the claims'),
  maxAuthAgeSeconds: option.count(),
  // The challenge separates them by spaces (RFC 9470 section 3).
  acrValues: option.list(option.text('visible ASCII without space, " and \\', scopeToken())),
  softExpiry: softExpiryOption,
};

/**
 * Checks a route, and copies it. It checks the same object once only.
 * @throws TypeError naming what is wrong
 */
export const checkedRoute = checkedOnce<RoutePolicy>(optionsOf<RoutePolicy>('a route', routeShape));

/** A route without requirements. One object, since a route is checked once by its identity. */
export const ANY_ROUTE: RoutePolicy = Object.freeze({});

/** @throws TypeError if the policy introspects and no issuer has introspection */
export function requireIntrospection(
  { stale, introspect }: Pick<RoutePolicy, 'stale' | 'introspect'>,
  issuers: readonly { readonly introspection: unknown }[],
): void {
  if (stale !== 'introspect' && introspect !== 'always') return;
  if (issuers.some(({ introspection }) => introspection !== undefined)) return;
  throw new TypeError('introspection must be { clientId, clientSecret, … } where a policy introspects tokens');
}

/**
 * Checks the claims of a valid token against the requirements of a route. It reads no file and calls no process.
 *
 * @param route checked once, by its identity: keep the object, and do not change it
 * @throws RescindError `authentication_insufficient`, `scope_insufficient`, `claim_insufficient`
 * @throws TypeError for a route with an unknown name or a wrong value
 */
export function requireOfRoute(claims: Claims, route: RoutePolicy, at: EpochMillis): void {
  requireOfCheckedRoute(claims, checkedRoute(route), at);
}

/** As `requireOfRoute`, for a route that has been checked. */
export function requireOfCheckedRoute(claims: Claims, route: RoutePolicy, at: EpochMillis): void {
  // First the authentication: a user who lacks a scope learns that only after the step-up.
  if (!isRecent(claims, route, at) || !isStrong(claims, route)) throw new RescindError('authentication_insufficient');
  requireRights(claims, route);
}

/** As `requireOfRoute`, without the authentication. @throws RescindError `scope_insufficient`, `claim_insufficient` */
export function requireRights(claims: Claims, route: RoutePolicy): void {
  if (route.scopes !== undefined && !hasScopes(claims, route.scopes)) throw new RescindError('scope_insufficient');
  const lacking = lackingClaim(claims, route);
  if (lacking !== undefined) throw new RescindError('claim_insufficient', { detail: lacking });
}

function isRecent({ auth_time: authTime }: Claims, { maxAuthAgeSeconds }: RoutePolicy, at: EpochMillis): boolean {
  if (maxAuthAgeSeconds === undefined) return true;
  if (typeof authTime !== 'number') return false;
  const age = at - authTime * 1000;
  return age <= maxAuthAgeSeconds * 1000 && age >= -CLOCK_TOLERANCE_MS;
}

function isStrong({ acr }: Claims, { acrValues }: RoutePolicy): boolean {
  return acrValues === undefined || (typeof acr === 'string' && acrValues.includes(acr));
}

/** The name of the first claim that does not meet the requirements. */
function lackingClaim(claims: Claims, { claimEquals, claimIncludes, claimCheck }: RoutePolicy): string | undefined {
  for (const name in claimEquals) if (ownClaim(claims, name) !== claimEquals[name]) return name;
  for (const name in claimIncludes) if (!includesAll(ownClaim(claims, name), claimIncludes[name] ?? [])) return name;
  return claimCheck === undefined || claimCheck(claims) === true ? undefined : 'claimCheck';
}

function includesAll(held: unknown, wanted: readonly unknown[]): boolean {
  const values: readonly unknown[] = Array.isArray(held) ? held : typeof held === 'string' ? held.split(' ') : [];
  return wanted.every((value) => values.includes(value));
}

function ownClaim(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

/** Whether a token has all of these scopes: `scope` is text with spaces (RFC 9068 section 2.2.3), or a list. */
function hasScopes(payload: Readonly<Record<string, unknown>>, scopes: readonly string[]): boolean {
  const { scope } = payload;
  const held: readonly unknown[] = typeof scope === 'string' ? scope.split(' ') : Array.isArray(scope) ? scope : [];
  return scopes.every((one) => held.includes(one));
}
