import { readBearerToken } from '@rescind/guard/express';
import type { SessionView } from '@rescind/issuer';
import { hasCsrfHeader, readRefreshCookie, refreshCookieClients } from '@rescind/issuer/http';
import { RescindError } from '@rescind/revocation';
import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import type { Request, Response } from 'express';
import { clearEndedCookies, clearRefreshCookie, WRITES } from '../http/responses.ts';
import { DEFAULT_CLIENT_ID } from '../oauth/clients-file.ts';
import type { CallerResponse, EndpointContext } from './context.ts';
import { logoutBody } from './schemas.ts';

const LOGGED_OUT = { description: 'Durable: every service refuses its tokens' };

/** Logout of one session, and of all. */
export function logoutOperations({ issuer, telemetry }: EndpointContext): Operation[] {
  const { sessions } = issuer;

  /** `undefined`: its session is forgotten. @throws RescindError for a token that this issuer did not sign */
  const byAccessToken = async (request: Request): Promise<SessionView | undefined> => {
    const token = readBearerToken(request);
    if (token === undefined) throw new RescindError('token_missing');
    return sessions.findByAccessToken(token);
  };

  /** Selects one of several applications on one host: the named one, else the only one, else the first-party one. */
  const cookieClient = (request: Request, requested: string | undefined): string | undefined => {
    const clients = refreshCookieClients(request);
    if (requested !== undefined) return clients.includes(requested) ? requested : undefined;
    return clients.length === 1 ? clients[0] : clients.find((clientId) => clientId === DEFAULT_CLIENT_ID);
  };

  const byCookie = async (request: Request, response: Response, clientId: string): Promise<SessionView | undefined> => {
    const session = await sessions.findByRefreshToken(readRefreshCookie(request, clientId) ?? '');
    if (session !== undefined && session.clientId !== clientId) throw new RescindError('grant_invalid');
    // An unknown token is of no use to the browser either.
    if (session === undefined) clearRefreshCookie(response, clientId);
    return session;
  };

  /**
   * The session to end: that of the access token, expired or not, or, where there is none or a revoked one, that of the cookie.
   * Ending a session requires no more than continuing it.
   */
  const sessionToEnd = async (
    request: Request,
    response: Response,
    requested: string | undefined,
  ): Promise<SessionView | undefined> => {
    try {
      return await byAccessToken(request);
    } catch (error) {
      if (!(error instanceof RescindError) || error.status !== 401) throw error;
      const clientId = cookieClient(request, requested);
      // A page of another site sends the cookie along with no access token, or with one that it made up.
      const isForged = error.code !== 'token_missing' && !hasCsrfHeader(request);
      if (clientId === undefined || isForged) {
        await clearEndedCookies(request, response, sessions);
        throw error;
      }
      return byCookie(request, response, clientId);
    }
  };

  return [
    operation({
      id: 'logout',
      method: 'post',
      path: '/logout',
      summary: 'End this session',
      description:
        'The session is that of the access token, which may have expired, or of the refresh token in the cookie (with `X-Rescind-CSRF`).',
      tag: 'Sessions',
      security: 'session',
      body: { type: 'json', schema: logoutBody, optional: true },
      responses: { 204: LOGGED_OUT },
      errors: ['csrf_header_missing', 'grant_invalid', ...WRITES],
      async handle(request, response, { body }) {
        const session = await sessionToEnd(request, response, body.client_id);
        if (session !== undefined) {
          const { sid, sub } = session;
          const ended = await issuer.transaction((tx) => tx.endSession({ sid, reason: 'logout' }));
          if (ended !== undefined) telemetry.log('info', 'session_logout', { sub, scope: 'session' });
        }
        await clearEndedCookies(request, response, sessions, session);
        response.status(204).end();
      },
    }),

    operation({
      id: 'logoutEverywhere',
      method: 'post',
      path: '/logout-everywhere',
      summary: 'End every session of the user',
      tag: 'Sessions',
      security: 'bearer',
      responses: { 204: LOGGED_OUT },
      errors: WRITES,
      async handle(request, response: CallerResponse) {
        const { sub, sid } = response.locals.caller;
        const session = await sessions.find(sid);
        await issuer.transaction((tx) => tx.endAllSessions({ sub, reason: 'logout_everywhere' }));
        await clearEndedCookies(request, response, sessions, session);
        telemetry.log('info', 'session_logout', { sub, scope: 'everywhere' });
        response.status(204).end();
      },
    }),
  ];
}
