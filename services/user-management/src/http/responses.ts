import type { Issuer, SessionView } from '@rescind/issuer';
import type { IssuerResponse } from '@rescind/issuer/http';
import { clearedEndedCookies, clearedRefreshCookie } from '@rescind/issuer/http';
import type { ErrorCode } from '@rescind/revocation';
import type { OperationResponse } from '@rescind/service/http';
import type { Request, Response } from 'express';
import { accessAnswer, tokenAnswer } from './schemas.ts';

/** RFC 6749 section 5.1. */
export const NO_STORE = { 'Cache-Control': 'no-store', Pragma: 'no-cache' } as const;

/** The declared response with tokens. */
export const TOKENS: OperationResponse = {
  description: 'Tokens',
  schema: tokenAnswer,
  headers: { 'Cache-Control': '`no-store`' },
};

/** The declared response with an access token only, to a request with an access token. */
export const ACCESS: OperationResponse = {
  ...TOKENS,
  description: 'An access token of no more scope than the one sent, and no refresh token',
  schema: accessAnswer,
};

/** Error codes of every operation that writes. */
export const WRITES: readonly ErrorCode[] = ['database_restored', 'storage_unavailable', 'clock_ahead', 'stopping'];
/** Error codes of every operation that mints a token. */
export const MINTS: readonly ErrorCode[] = [
  'database_restored',
  'storage_unavailable',
  'clock_ahead',
  'clock_parted',
  'stopping',
];
/** Error codes of every operation that costs a password hash. */
export const LIMITED: readonly ErrorCode[] = ['rate_limited', 'busy'];

/** Sends the response of an endpoint of the issuer. */
export function sendAnswer(response: Response, { status, headers, body }: IssuerResponse): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.status(status).json(body);
}

/** Clears the refresh cookie of a client, if the browser has one. */
export function clearRefreshCookie(response: Response, clientId: string): void {
  response.append('Set-Cookie', clearedRefreshCookie(clientId));
}

/**
 * Clears each refresh cookie of the request whose session has ended; the cookie of an open session stays.
 * @param ended a session of this browser that has just ended: without a cookie in the request its own is cleared too
 */
export async function clearEndedCookies(
  request: Request,
  response: Response,
  sessions: Issuer['sessions'],
  ended?: Pick<SessionView, 'clientId' | 'storage'>,
): Promise<void> {
  for (const cookie of await clearedEndedCookies(request, sessions, ended)) response.append('Set-Cookie', cookie);
}
