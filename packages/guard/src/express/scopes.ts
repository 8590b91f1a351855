import { RescindError } from '@rescind/revocation';
import type { RequestHandler } from 'express';
import { hasScopes, requireScopeNames } from '../scope.ts';
import { toRequestError } from './answer.ts';

/**
 * Middleware behind `guard()`: only tokens with all of these scopes pass; others are answered 403 `scope_insufficient` with
 * the scopes that are needed (RFC 6750 section 3.1).
 *
 * @throws TypeError for no scope at all, or for what is none
 */
export function requiredScopes(...scopes: string[]): RequestHandler {
  if (scopes.length === 0) throw new TypeError('requiredScopes must be given at least one scope');
  requireScopeNames(scopes);
  return (request, _response, next) => {
    if (request.auth === undefined) next(toRequestError(new RescindError('token_missing')));
    else if (hasScopes(request.auth.payload, scopes)) next();
    else next(toRequestError(new RescindError('scope_insufficient'), scopes));
  };
}
