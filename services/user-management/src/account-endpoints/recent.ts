import type { Clock, DurationMs } from '@rescind/revocation';
import { ERRORS, RescindError } from '@rescind/revocation';
import type { CallerResponse } from './room.ts';

/**
 * Lets a request pass only where the person proved who they are not long ago: a token that was stolen must not end the
 * sessions of its owner, or keep the owner out (OWASP ASVS 5.0 section 7.5.2).
 */
export function requireRecentLogin(response: CallerResponse, maxAgeMs: DurationMs, clock: Clock): void {
  // `auth_time` is in whole seconds: the login was up to one later.
  const latest = (response.locals.caller.authTime + 1) * 1000;
  if (clock.now() - latest <= maxAgeMs) return;
  throw Object.assign(new RescindError('authentication_insufficient'), {
    headers: { 'WWW-Authenticate': challenge(maxAgeMs) },
  });
}

/** RFC 9470 section 3. */
function challenge(maxAgeMs: DurationMs): string {
  const { oauth, message } = ERRORS.authentication_insufficient;
  return `Bearer error="${oauth}", error_description="${message}", max_age="${Math.floor(maxAgeMs / 1000)}"`;
}
