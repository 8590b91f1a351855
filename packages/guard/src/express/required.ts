import { RescindError } from '@rescind/revocation';
import { option } from '@rescind/revocation/options';
import type { RequestHandler } from 'express';
import { toRequestError } from '../adapters/refusal.ts';
import type { ClaimValue } from '../issuer-options.ts';
import type { RoutePolicy } from '../route.ts';
import { checkedRoute, requireRights } from '../route.ts';
import type { Claims } from '../trusted-issuer.ts';

/**
 * Creates middleware for use after `guard()`: passes tokens with all of these scopes, and refuses others with 403 `scope_insufficient` and
 * the required scopes (RFC 6750 section 3.1).
 *
 * @throws TypeError without a scope, or for a text that is no scope
 */
export function requiredScopes(...scopes: string[]): RequestHandler {
  if (scopes.length === 0) throw new TypeError('requiredScopes must be given at least one scope');
  return requiring({ scopes });
}

/**
 * As `requiredScopes`: passes tokens whose claim has this value, and refuses others with 403 `claim_insufficient`.
 * @throws TypeError for a claim without a name, a value that is no text, finite number, boolean or null, or a second value
 */
export function claimEquals(claim: string, value: ClaimValue | null, ...surplus: readonly never[]): RequestHandler {
  requireNoMoreArguments(surplus, 'claimEquals must be given one value: use claimIncludes, claimCheck, or it twice');
  return requiring({ claimEquals: { [requireName(claim)]: value } });
}

/**
 * As `claimEquals`: passes tokens whose claim, a list or text with spaces, contains all of these.
 * @throws TypeError for a claim without a name, for no value at all, or one that is no text, finite number or boolean
 */
export function claimIncludes(claim: string, ...values: ClaimValue[]): RequestHandler {
  return requiring({ claimIncludes: { [requireName(claim)]: values } });
}

/**
 * As `claimEquals`: passes tokens for whose claims the function returns true. An error it throws goes to `next`.
 * @throws TypeError for a value that is no function, or a second one
 */
export function claimCheck(isGood: (claims: Claims) => boolean, ...surplus: readonly never[]): RequestHandler {
  requireNoMoreArguments(surplus, 'claimCheck must be given one function: use it twice');
  if (isGood === undefined) throw new TypeError('claimCheck must be given a function of the claims');
  return requiring({ claimCheck: isGood });
}

/** @throws TypeError for arguments without effect */
export function requireNoMoreArguments(surplus: readonly unknown[], problem: string): void {
  if (surplus.length > 0) throw new TypeError(problem);
}

const claimName = option.text('the name of a claim');
const requireName = (claim: unknown) => claimName(claim, 'claim');

function requiring(given: RoutePolicy): RequestHandler {
  const route = checkedRoute(given);
  return (request, _response, next) => {
    if (request.auth === undefined) {
      next(toRequestError(new RescindError('token_missing')));
      return;
    }
    try {
      requireRights(request.auth.payload, route);
    } catch (error) {
      next(error instanceof RescindError ? toRequestError(error, route) : error);
      return;
    }
    next();
  };
}
