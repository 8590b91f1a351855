import type { Issuer, SessionView } from '@rescind/issuer';
import type { IssuerResponse } from '@rescind/issuer/http';
import { clearedEndedCookies, clearedRefreshCookie } from '@rescind/issuer/http';
import type { Request, Response } from 'express';

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
