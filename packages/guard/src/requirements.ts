import type { EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, RescindError } from '@rescind/revocation';
import type { RoutePolicy } from './route.ts';
import { checkedRoute } from './route.ts';
import { hasScopes } from './scope.ts';
import type { Claims } from './trusted.ts';

/**
 * What a route wants of a token that is good: by its claims alone, no look-up.
 *
 * @param route checked once, by its identity: keep the object, and change nothing in it
 * @throws RescindError `authentication_insufficient`, `scope_insufficient`, `claim_insufficient`
 * @throws TypeError for a route with an unknown name or a wrong value
 */
export function requireOfRoute(claims: Claims, route: RoutePolicy, at: EpochMillis): void {
  requireOfCheckedRoute(claims, checkedRoute(route), at);
}

/** The same of a route that has been checked. */
export function requireOfCheckedRoute(claims: Claims, route: RoutePolicy, at: EpochMillis): void {
  // The person is asked to prove who he is before he is told that he may not.
  if (!isRecent(claims, route, at) || !isStrong(claims, route)) throw new RescindError('authentication_insufficient');
  requireRights(claims, route);
}

/** The same without the authentication, so that no time is needed. @throws RescindError `scope_insufficient`, `claim_insufficient` */
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

/** The name of the first claim that is not as it should be. */
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
