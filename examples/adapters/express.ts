import type { Guard } from '@rescind/guard';
import { errorHandler, guard } from '@rescind/guard/express';
import type { Express } from 'express';
import express from 'express';

/** Express 5; with Express 4 the code is the same. */
export function createApp(created: Guard, framework = express): Express {
  const app = framework();
  const signedIn = guard(created);
  app.use(signedIn.router());
  app.get('/prices', signedIn, (request, response) => void response.json({ for: request.auth?.payload.sub }));
  app.get('/prices/premium', guard(created, { scopes: ['prices:premium'] }), (_request, response) => {
    response.json({ prices: [] });
  });
  app.post('/transfers', guard(created, { maxAuthAgeSeconds: 300 }), (_request, response) => {
    response.json({ status: 'done' });
  });
  app.use(errorHandler());
  return app;
}
