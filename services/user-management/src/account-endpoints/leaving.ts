import type { Operation } from '@rescind/service';
import { operation } from '@rescind/service';
import { WRITES } from '../http/declared.ts';
import { clearRefreshCookie } from '../http/refresh-cookie.ts';
import type { CallerResponse, EndpointRoom } from './room.ts';

const LOGGED_OUT = { description: 'Durable: no service takes its tokens any more' };

/** Logging out, here and everywhere. */
export function leavingOperations({ issuer, telemetry }: EndpointRoom): Operation[] {
  return [
    operation({
      id: 'logout',
      method: 'post',
      path: '/logout',
      summary: 'End this session',
      tag: 'Sessions',
      security: 'bearer',
      answers: { 204: LOGGED_OUT },
      errors: WRITES,
      async handle(_request, response: CallerResponse) {
        const { sub, sid, clientId } = response.locals.caller;
        await issuer.endSession({ sid, reason: 'logout' });
        clearRefreshCookie(response, clientId);
        telemetry.log('info', 'session_logout', { sub, scope: 'session' });
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
      answers: { 204: LOGGED_OUT },
      errors: WRITES,
      async handle(_request, response: CallerResponse) {
        const { sub, clientId } = response.locals.caller;
        await issuer.endAllSessions({ sub, reason: 'logout_everywhere' });
        clearRefreshCookie(response, clientId);
        telemetry.log('info', 'session_logout', { sub, scope: 'everywhere' });
        response.status(204).end();
      },
    }),
  ];
}
