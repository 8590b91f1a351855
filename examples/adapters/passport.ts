import type { Guard } from '@rescind/guard';
import { errorHandler } from '@rescind/guard/express';
import { guardStrategy } from '@rescind/guard/passport';
import type { Express } from 'express';
import express from 'express';
import passport from 'passport';

/** The strategies of Passport, in place of that of passport-jwt. */
export function createApp(guard: Guard): Express {
  const app = express();
  const authenticator = new passport.Passport();
  authenticator.use(guardStrategy(guard, { findUser: ({ payload }) => ({ id: payload.sub }) }));
  authenticator.use(guardStrategy(guard, { name: 'premium', scopes: ['prices:premium'] }));
  authenticator.use(guardStrategy(guard, { name: 'recent', maxAuthAgeSeconds: 300 }));
  const authenticated = (name: string) => authenticator.authenticate(name, { session: false });
  app.get('/prices', authenticated('jwt'), ({ user }, response) => {
    response.json({ for: user !== undefined && 'id' in user ? user.id : null });
  });
  app.get('/prices/premium', authenticated('premium'), (_request, response) => void response.json({ prices: [] }));
  app.post('/transfers', authenticated('recent'), (_request, response) => void response.json({ status: 'done' }));
  app.use(errorHandler());
  return app;
}
