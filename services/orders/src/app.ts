import type { Guard } from '@rescind/guard';
import { guard, requiredScopes } from '@rescind/guard/express';
import type { Express } from 'express';
import express from 'express';

const ORDERS = [{ id: 1, item: 'A year of tea', status: 'shipped' }];

export function createApp(opened: Guard): Express {
  const app = express();
  const signedIn = guard(opened);

  app.get('/', (_request, response) => response.json({ service: 'orders' }));
  app.get('/orders', signedIn, (request, response) =>
    response.json({ for: request.auth?.payload.sub, orders: ORDERS }),
  );
  app.post('/orders', signedIn, requiredScopes('orders:write'), (_request, response) =>
    response.status(202).json({ status: 'taken' }),
  );
  return app;
}
