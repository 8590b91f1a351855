import { getRequestListener } from '@hono/node-server';
import type { Guard, VerifiedToken } from '@rescind/guard';
import type { FetchRoute } from '@rescind/guard/fetch';
import { probe, requireToken } from '@rescind/guard/fetch';
import { Hono } from 'hono';
import { createMiddleware } from 'hono/factory';

interface Environment {
  Variables: { auth: VerifiedToken | undefined };
}

/** Hono. `requireToken` has the same form for every framework with a `Request` of the Fetch standard. */
export function createApp(guard: Guard) {
  const signedIn = (route: FetchRoute = {}) => {
    const admit = requireToken(guard, route);
    return createMiddleware<Environment>(async (context, next) => {
      const admission = await admit(context.req.raw);
      if (admission.response !== undefined) return admission.response;
      context.set('auth', admission.auth);
      return next();
    });
  };
  const app = new Hono<Environment>();
  app.use(async (context, next) => (await probe(guard, context.req.raw)) ?? next());
  app.get('/prices', signedIn(), (context) => context.json({ for: context.get('auth')?.payload.sub }));
  app.get('/prices/premium', signedIn({ scopes: ['prices:premium'] }), (context) => context.json({ prices: [] }));
  app.post('/transfers', signedIn({ maxAuthAgeSeconds: 300 }), (context) => context.json({ status: 'done' }));
  // A listener for `createServer` of node:http.
  return getRequestListener(app.fetch);
}
