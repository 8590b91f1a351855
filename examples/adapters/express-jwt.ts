import type { Guard } from '@rescind/guard';
import { errorHandler } from '@rescind/guard/express';
import { isRevoked } from '@rescind/guard/express-jwt';
import type { Express, Request } from 'express';
import express from 'express';
import type { Request as JwtRequest, Params } from 'express-jwt';
import { expressjwt } from 'express-jwt';

/** express-jwt verifies the token by its own key; the guard adds the revocation. */
export function createApp(guard: Guard, secret: Params['secret']): Express {
  const app = express();
  const verified = (route = {}) =>
    expressjwt({ secret, algorithms: ['RS256', 'ES256'], isRevoked: isRevoked(guard, route) });
  app.get('/prices', verified(), (request: JwtRequest, response) => void response.json({ for: request.auth?.sub }));
  app.get('/prices/premium', verified({ scopes: ['prices:premium'] }), (_request: Request, response) => {
    response.json({ prices: [] });
  });
  app.post('/transfers', verified({ maxAuthAgeSeconds: 300 }), (_request: Request, response) => {
    response.json({ status: 'done' });
  });
  app.use(errorHandler());
  return app;
}
