import type { Guard } from '@rescind/guard';
import { probes, requireToken } from '@rescind/guard/fastify';
import type { FastifyInstance } from 'fastify';
import { fastify } from 'fastify';

/** Fastify 5. */
export function createApp(guard: Guard): FastifyInstance {
  const app = fastify();
  app.register(probes(guard));
  app.get('/prices', { onRequest: requireToken(guard) }, (request) => ({ for: request.auth?.payload.sub }));
  app.get('/prices/premium', { onRequest: requireToken(guard, { scopes: ['prices:premium'] }) }, () => ({
    prices: [],
  }));
  app.post('/transfers', { onRequest: requireToken(guard, { maxAuthAgeSeconds: 300 }) }, () => ({ status: 'done' }));
  return app;
}
