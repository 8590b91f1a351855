import type { RescindError } from '@rescind/revocation';
import { ERRORS } from '@rescind/revocation';
import type { RoutePolicy } from './route.ts';

/**
 * The value of `WWW-Authenticate` for a refused token (RFC 6750 section 3, RFC 9470 section 3), or undefined where there is
 * nothing the client could do about it.
 */
export function challengeOf({ code, oauth }: RescindError, route: RoutePolicy = {}): string | undefined {
  // No error code where no token was sent.
  if (code === 'token_missing') return 'Bearer';
  if (oauth === undefined) return undefined;
  const parts = [`error="${oauth}"`, `error_description="${ERRORS[code].message}"`];
  const { scopes = [], acrValues, maxAuthAgeSeconds } = route;
  if (code === 'scope_insufficient' && scopes.length > 0) parts.push(`scope="${scopes.join(' ')}"`);
  if (code === 'authentication_insufficient') {
    if (acrValues !== undefined) parts.push(`acr_values="${acrValues.join(' ')}"`);
    if (maxAuthAgeSeconds !== undefined) parts.push(`max_age="${maxAuthAgeSeconds}"`);
  }
  return `Bearer ${parts.join(', ')}`;
}
