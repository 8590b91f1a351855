import type { VerifiedToken } from '@rescind/token';
import type { FastifyPluginCallback, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Guard } from '../guard.ts';
import type { AdapterRoute, Admission } from './admission.ts';
import { createAdmit } from './admission.ts';
import { readBearerToken } from './credentials.ts';
import { refusalOf } from './refusal.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The access token of the request, verified and not revoked. Set by `requireToken()`. */
    auth?: VerifiedToken;
  }
}

/** What a guarded route requires. */
export interface FastifyRoute extends AdapterRoute<FastifyRequest> {}

/**
 * Creates a hook that passes a request with a valid access token that is not revoked, and sets `request.auth`. It refuses other requests
 * as RFC 6750 section 3 defines, with the body `{ error?, code, message }`.
 *
 * `app.addHook('onRequest', requireToken(guard))` guards every route of the context, `app.get(url, { onRequest: requireToken(guard, { scopes }) }, …)`
 * one route.
 *
 * @throws TypeError for a wrong guard or route
 */
export function requireToken(guard: Guard, route: FastifyRoute = {}): onRequestHookHandler {
  const admit = createAdmit('requireToken', guard, route, (request: FastifyRequest) =>
    readBearerToken({ rawHeaders: request.raw.rawHeaders, url: request.originalUrl, body: request.body }),
  );
  return (request, reply, done) => {
    const conclude = (admission: Admission) => {
      if (admission.error === undefined) {
        if (admission.auth !== undefined) request.auth = admission.auth;
        done();
        return;
      }
      const { status, headers, body } = refusalOf(admission.error);
      reply.code(status).headers(headers).send(body);
    };
    const fail = (error: unknown) => done(error instanceof Error ? error : new Error('the route failed'));
    try {
      const admission = admit(request);
      if (admission instanceof Promise) admission.then(conclude).catch(fail);
      else conclude(admission);
    } catch (error) {
      fail(error);
    }
  };
}

/** Creates a plugin that serves `/livez`, `/readyz` and `/metrics` of a guard: `app.register(probes(guard))`. */
export function probes(guard: Guard): FastifyPluginCallback {
  return (app, _options, done) => {
    for (const path of ['/livez', '/readyz', '/metrics']) {
      app.get(path, async (_request, reply) => {
        const found = await guard.probe(path);
        if (found === undefined) return reply.callNotFound();
        return reply.code(found.status).headers(found.headers).send(found.body);
      });
    }
    done();
  };
}
