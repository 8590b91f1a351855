import type { RescindError } from '@rescind/revocation';
import { ERRORS } from '@rescind/revocation';
import type { RoutePolicy } from './route.ts';

/**
 * Builds the value of `WWW-Authenticate` for a refused token (RFC 6750 section 3, RFC 9470 section 3).
 * @returns undefined if the client cannot correct the cause
 */
export function challengeOf({ code, oauth, publicDetail }: RescindError, route: RoutePolicy = {}): string | undefined {
  // RFC 6750 section 3.1: no error code if the request has no token.
  if (code === 'token_missing') return 'Bearer';
  if (oauth === undefined) return undefined;
  const parts = [`error="${oauth}"`, `error_description="${describe(ERRORS[code].message, publicDetail)}"`];
  const { scopes = [], acrValues, maxAuthAgeSeconds } = route;
  if (code === 'scope_insufficient' && scopes.length > 0) parts.push(`scope="${scopes.join(' ')}"`);
  if (code === 'authentication_insufficient') {
    if (acrValues !== undefined) parts.push(`acr_values="${acrValues.join(' ')}"`);
    if (maxAuthAgeSeconds !== undefined) parts.push(`max_age="${maxAuthAgeSeconds}"`);
  }
  return `Bearer ${parts.join(', ')}`;
}

/** RFC 6750 section 3: a quoted text, so neither `"` nor `\\` is in it. */
function describe(message: string, publicDetail: string | undefined): string {
  return publicDetail === undefined
    ? message
    : `${message}. ${publicDetail.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '')}`;
}
