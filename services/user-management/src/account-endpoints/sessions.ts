import type { SessionView } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import type { Operation } from '@rescind/service/http';
import { operation, pageOf, pageQuery } from '@rescind/service/http';
import { clearEndedCookies, NO_STORE, WRITES } from '../http/responses.ts';
import type { CallerResponse, EndpointContext } from './context.ts';
import { renameBody, sessionAnswer, sidParams } from './schemas.ts';

const TAG = 'Sessions';

/** Lists, names and ends the user's own sessions. */
export function ownSessionOperations(context: EndpointContext): Operation[] {
  const { issuer, recentLoginMs, telemetry } = context;
  // A stolen token must not end the sessions of its owner, or keep the owner out (OWASP ASVS 5.0 section 7.5.2).
  const recentLogin = { maxAuthAgeSeconds: Math.ceil(recentLoginMs / 1_000) };

  return [
    operation({
      id: 'listSessions',
      method: 'get',
      path: '/sessions',
      summary: 'Your open sessions, the newest first',
      tag: TAG,
      security: 'bearer',
      query: pageQuery,
      responses: { 200: { description: 'A page of open sessions', schema: pageOf(sessionAnswer) } },
      errors: [],
      async handle(_request, response: CallerResponse, { query }) {
        const { sub, sid: currentSid } = response.locals.caller;
        const { limit, after } = query;
        const { items, next } = await issuer.sessions.list({
          sub,
          currentSid,
          limit,
          ...(after === undefined ? {} : { after }),
        });
        response.set(NO_STORE).json({ items: items.map(toJson), ...(next === undefined ? {} : { next }) });
      },
    }),

    operation({
      id: 'renameSession',
      method: 'patch',
      path: '/sessions/{sid}',
      summary: 'Give a device another name',
      tag: TAG,
      security: 'bearer',
      params: sidParams,
      body: { type: 'json', schema: renameBody },
      responses: { 200: { description: 'The session as it is now', schema: sessionAnswer } },
      errors: ['not_found', ...WRITES],
      async handle(_request, response: CallerResponse, { params: { sid }, body: { deviceName } }) {
        const { sub, sid: currentSid } = response.locals.caller;
        const renamed = await issuer.transaction((tx) => tx.renameSession({ sid, sub, deviceName }));
        // Another user's session and an unknown one get the same response.
        if (renamed === undefined) throw new RescindError('not_found');
        response.set(NO_STORE).json(toJson({ ...renamed, current: sid === currentSid }));
      },
    }),

    operation({
      id: 'endSession',
      method: 'delete',
      path: '/sessions/{sid}',
      summary: 'Log a device out; requires a recent login',
      tag: TAG,
      security: 'bearer',
      params: sidParams,
      responses: { 204: { description: 'Durable: every service refuses its tokens' } },
      errors: ['not_found', 'authentication_insufficient', ...WRITES],
      async handle(request, response: CallerResponse, { params: { sid } }) {
        const { sub, require } = response.locals.caller;
        require(recentLogin);
        const ended = await issuer.transaction((tx) => tx.endSession({ sid, sub, reason: 'device_logged_out' }));
        if (ended === undefined) throw new RescindError('not_found');
        telemetry.log('info', 'session_logout', { sub, scope: 'device' });
        await clearEndedCookies(request, response, issuer.sessions);
        response.status(204).end();
      },
    }),

    operation({
      id: 'endOtherSessions',
      method: 'delete',
      path: '/sessions',
      summary: 'Log every other device out; requires a recent login',
      tag: TAG,
      security: 'bearer',
      responses: { 204: { description: 'Durable: every service refuses their tokens' } },
      errors: ['authentication_insufficient', ...WRITES],
      async handle(request, response: CallerResponse) {
        const { sub, sid, require } = response.locals.caller;
        require(recentLogin);
        await issuer.transaction((tx) => tx.endAllSessions({ sub, exceptSid: sid, reason: 'others_logged_out' }));
        telemetry.log('info', 'session_logout', { sub, scope: 'others' });
        await clearEndedCookies(request, response, issuer.sessions);
        response.status(204).end();
      },
    }),
  ];
}

function toJson(view: SessionView) {
  const { sid, clientId, deviceName, createdAt, lastUsedAt, origin, authTime, amr, acr } = view;
  const { idleExpiresAt, absoluteExpiresAt, current } = view;
  return {
    ...{ sid, clientId, deviceName, createdAt, lastUsedAt, origin, authTime, amr, acr },
    ...{ idleExpiresAt, absoluteExpiresAt, current },
  };
}
