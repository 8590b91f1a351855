import { RescindError } from '@rescind/revocation';
import { RequestRefused } from '@rescind/revocation/errors';
import { oneHeader, readCookies } from '@rescind/revocation/http';
import type { Issuer } from '../issuer.ts';
import type { SessionView } from '../issuer-sessions.ts';
import type { IssuerRequest } from './form.ts';

/** The header that a page sends with a call by cookie. A page of another site cannot send it without a preflight, which is refused. */
const CSRF_HEADER = 'x-rescind-csrf';
/** Browsers keep no cookie longer (RFC 6265bis section 5.5). */
const MAX_AGE_MS = 400 * 24 * 60 * 60 * 1_000;
/** The prefix `__Host-` requires Secure, Path=/ and no Domain (RFC 6265bis section 4.1.3.2). */
const PREFIX = '__Host-refresh-';
const ATTRIBUTES = 'HttpOnly; Secure; SameSite=Strict';

/** The value of `Set-Cookie` that stores the refresh token of a session in the browser for as long as the token is valid. */
export function refreshCookie(session: SessionView, refreshToken: string): string {
  return setCookie(session.clientId, refreshToken, maxAgeOf(session));
}

/** The value of `Set-Cookie` that removes the refresh token of a client. */
export function clearedRefreshCookie(clientId: string): string {
  return setCookie(clientId, '', 0);
}

/** @param value a refresh token or nothing: no character of it requires an encoding */
function setCookie(clientId: string, value: string, maxAgeMs: number): string {
  return `${cookieName(clientId)}=${value}; Max-Age=${Math.floor(maxAgeMs / 1_000)}; Path=/; ${ATTRIBUTES}`;
}

/** As long as the token itself, which was made when the session was last used. */
function maxAgeOf({ lastUsedAt, idleExpiresAt, absoluteExpiresAt }: SessionView): number {
  const ends = Math.min(idleExpiresAt ?? Number.POSITIVE_INFINITY, absoluteExpiresAt ?? Number.POSITIVE_INFINITY);
  return Math.max(0, Math.min(ends - lastUsedAt, MAX_AGE_MS));
}

/**
 * The refresh token in the cookie of a client; `undefined`: there is none.
 * @throws RescindError `csrf_header_missing`: the page that sent it may be another site's; `request_invalid`: the cookie was sent twice
 */
export function readRefreshCookie(request: IssuerRequest, clientId: string): string | undefined {
  const name = cookieName(clientId);
  const values = cookiesOf(request).flatMap(([each, value]) => (each === name ? [value] : []));
  if (values.length > 1) throw new RequestRefused([{ path: '', message: 'must have that cookie once' }]);
  const token = values[0] || undefined;
  if (token !== undefined && !hasCsrfHeader(request)) throw new RescindError('csrf_header_missing');
  return token;
}

/** Whether the request has the header that only a page of an allowed origin can send. */
export function hasCsrfHeader({ rawHeaders }: IssuerRequest): boolean {
  return oneHeader(rawHeaders, CSRF_HEADER) !== undefined;
}

/** The clients of which the request has a refresh cookie. */
export function refreshCookieClients(request: IssuerRequest): string[] {
  const names = cookiesOf(request).map(([name]) => name);
  return [...new Set(names)].flatMap((name) => (name.startsWith(PREFIX) ? [clientOf(name)] : []));
}

/**
 * The values of `Set-Cookie` that remove each refresh cookie of the request whose session has ended; the cookie of an open session stays.
 * @param ended a session of this browser that has just ended: without a cookie in the request its own is removed too
 */
export async function clearedEndedCookies(
  request: IssuerRequest,
  sessions: Pick<Issuer['sessions'], 'findByRefreshToken' | 'isOpen'>,
  ended?: Pick<SessionView, 'clientId' | 'storage'>,
): Promise<string[]> {
  const clients = refreshCookieClients(request);
  const cleared: string[] = [];
  for (const [name, token] of cookiesOf(request)) {
    if (!name.startsWith(PREFIX)) continue;
    const session = await sessions.findByRefreshToken(token);
    if (session !== undefined && !(await sessions.isOpen(session.sid)))
      cleared.push(clearedRefreshCookie(clientOf(name)));
  }
  if (ended?.storage === 'cookie' && !clients.includes(ended.clientId)) {
    cleared.push(clearedRefreshCookie(ended.clientId));
  }
  return cleared;
}

function cookiesOf({ rawHeaders }: IssuerRequest): [name: string, value: string][] {
  return readCookies(oneHeader(rawHeaders, 'cookie'));
}

/** One for each application, so that two on one host do not log each other out. */
function cookieName(clientId: string): string {
  return PREFIX + encodeURIComponent(clientId).replaceAll(/[()]/g, (character) => PARENTHESES[character] ?? '_');
}

/** Characters that `encodeURIComponent` does not encode and that the name of a cookie must not contain (RFC 6265 section 4.1.1). */
const PARENTHESES: Readonly<Record<string, string>> = { '(': '%28', ')': '%29' };

function clientOf(name: string): string {
  try {
    return decodeURIComponent(name.slice(PREFIX.length));
  } catch {
    // No cookie of this issuer has such a name.
    return '';
  }
}
