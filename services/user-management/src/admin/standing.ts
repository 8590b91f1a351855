import { GRANTABLE_SCOPES, halvesOf, missingScopes } from '../scopes.ts';
import type { Administrator } from './authentication.ts';
import { scopeMissing } from './refusals.ts';

/**
 * Whoever gives an admin scope, or acts on a person who has one, must have it: else the least of administrators could make
 * themselves the greatest, or lock the others out.
 * @throws RescindError `scope_insufficient` naming what is missing
 */
export function requireWithin(administrator: Administrator, given: readonly string[]): void {
  const missing = beyond(administrator, given);
  if (missing.length > 0) throw scopeMissing(missing);
}

/** Whether among these scopes is one of administrators that this one has not. */
export function isGreater(administrator: Administrator, scopes: readonly string[]): boolean {
  return beyond(administrator, scopes).length > 0;
}

function beyond({ scopes }: Administrator, given: readonly string[]): string[] {
  return missingScopes(scopes, given.filter((scope) => GRANTABLE_SCOPES.has(scope)).flatMap(halvesOf));
}

/** @throws RescindError `scope_insufficient` naming what is needed */
export function requireScopes({ scopes }: Administrator, needed: readonly string[]): void {
  if (missingScopes(scopes, needed).length > 0) throw scopeMissing(needed);
}
