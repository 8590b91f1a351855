import type { AccessAnswer, Issuer, SessionView, TokenAnswer } from '@rescind/issuer';
import { RequestRefused, RescindError } from '@rescind/revocation';
import type { CookieOptions, Request, Response } from 'express';
import { NO_STORE } from './declared.ts';

/** What a page sends with a call by cookie; another site's page cannot without a preflight, which is refused. */
const CSRF_HEADER = 'X-Rescind-CSRF';
/** Browsers keep no cookie longer (RFC 6265bis section 5.5). */
const MAX_AGE_MS = 400 * 24 * 60 * 60 * 1_000;

/** The prefix `__Host-` wants Secure, Path=/ and no Domain (RFC 6265bis section 4.1.3.2). */
const COOKIE: CookieOptions = { secure: true, httpOnly: true, sameSite: 'strict', path: '/' };

/**
 * Answers tokens, and `more` beside them. Of a session that was begun with a cookie the refresh token goes into the cookie
 * and never into the body.
 */
export async function sendTokens(
  response: Response,
  issuer: Pick<Issuer, 'sessions'>,
  tokens: TokenAnswer | AccessAnswer,
  more: object = {},
): Promise<void> {
  const session = await issuer.sessions.find(tokens.sid);
  response.set(NO_STORE);
  if (!('refresh_token' in tokens) || session?.storage !== 'cookie') {
    response.json({ ...tokens, ...more });
    return;
  }
  const { refresh_token, ...rest } = tokens;
  response.cookie(cookieName(session.clientId), refresh_token, { ...COOKIE, maxAge: maxAgeOf(session) });
  response.json({ ...rest, ...more });
}

/** As long as the token itself, which was made when the session was last used. */
function maxAgeOf({ lastUsedAt, idleExpiresAt, absoluteExpiresAt }: SessionView): number {
  const ends = Math.min(idleExpiresAt ?? Number.POSITIVE_INFINITY, absoluteExpiresAt ?? Number.POSITIVE_INFINITY);
  return Math.max(0, Math.min(ends - lastUsedAt, MAX_AGE_MS));
}

/**
 * The refresh token in the cookie of a client; `undefined`: there is none.
 * @throws RescindError `csrf_header_missing`: nobody knows whether the page that sent it is the client's
 */
export function readRefreshCookie(request: Request, clientId: string): string | undefined {
  const token = cookieOf(request, cookieName(clientId));
  if (token !== undefined && request.get(CSRF_HEADER) === undefined) throw new RescindError('csrf_header_missing');
  return token;
}

/** Whether the request has the header that only a page of an allowed origin can send. */
export function hasCsrfHeader(request: Request): boolean {
  return request.get(CSRF_HEADER) !== undefined;
}

/** The clients of which the request has a refresh cookie. */
export function refreshCookieClients(request: Request): string[] {
  const names = cookiePairs(request).map(([name]) => name);
  return [...new Set(names)].flatMap((name) => (name.startsWith(PREFIX) ? [clientOf(name)] : []));
}

/** Clears the refresh cookie of a client, if the browser has one. */
export function clearRefreshCookie(response: Response, clientId: string): void {
  response.cookie(cookieName(clientId), '', { ...COOKIE, maxAge: 0 });
}

/**
 * Clears each refresh cookie of the request whose session is over; the cookie of a session that goes on stays.
 * @param ended a session of this browser that has just ended: without a cookie in the request its own is cleared too
 */
export async function clearEndedCookies(
  request: Request,
  response: Response,
  sessions: Issuer['sessions'],
  ended?: Pick<SessionView, 'clientId' | 'storage'>,
): Promise<void> {
  const clients = refreshCookieClients(request);
  for (const [name, token] of cookiePairs(request)) {
    if (!name.startsWith(PREFIX)) continue;
    const session = await sessions.findByRefreshToken(token);
    if (session !== undefined && !(await sessions.isOpen(session.sid))) clearRefreshCookie(response, clientOf(name));
  }
  if (ended?.storage === 'cookie' && !clients.includes(ended.clientId)) clearRefreshCookie(response, ended.clientId);
}

const PREFIX = '__Host-refresh-';

/** One for each application, so that two on one host do not log each other out. */
function cookieName(clientId: string): string {
  return PREFIX + encodeURIComponent(clientId).replaceAll(/[()]/g, (character) => PARENTHESES[character] ?? '_');
}

/** What `encodeURIComponent` leaves as it is and a cookie's name must not have (RFC 6265 section 4.1.1). */
const PARENTHESES: Readonly<Record<string, string>> = { '(': '%28', ')': '%29' };

function clientOf(name: string): string {
  try {
    return decodeURIComponent(name.slice(PREFIX.length));
  } catch {
    // Nobody's: no cookie of ours has such a name.
    return '';
  }
}

/** RFC 6265 section 4.2.1. */
function cookiePairs(request: Request): [name: string, value: string][] {
  return (request.headers.cookie ?? '').split(';').flatMap((pair) => {
    const [name, ...value] = pair.trim().split('=');
    return name === undefined || name === '' ? [] : [[name, value.join('=')]];
  });
}

function cookieOf(request: Request, name: string): string | undefined {
  const values = cookiePairs(request).flatMap(([each, value]) => (each === name ? [value] : []));
  if (values.length > 1) throw new RequestRefused([{ path: '', message: 'must have that cookie once' }]);
  return values[0] || undefined;
}
