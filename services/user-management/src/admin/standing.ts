import type { Administrator } from './authentication.ts';
import { scopeMissing } from './refusals.ts';
import { GRANTABLE_SCOPES, missingScopes } from './scopes.ts';

/**
 * Whoever gives an admin scope, or gets at the account of who has one, must have it: else the least of administrators
 * could make themselves the greatest.
 * @throws RescindError `scope_insufficient` naming what is missing
 */
export function requireWithin({ scopes }: Administrator, given: readonly string[]): void {
  const missing = missingScopes(scopes, given.filter((scope) => GRANTABLE_SCOPES.has(scope)).flatMap(parts));
  if (missing.length > 0) throw scopeMissing(missing);
}

/** `admin:users` is both of its halves. */
function parts(scope: string): string[] {
  return scope.split(':').length > 2 ? [scope] : [`${scope}:read`, `${scope}:write`];
}
