import type { Guard } from '@rescind/guard';
import { guard, requiredScopes } from '@rescind/guard/express';
import type { Express } from 'express';
import express from 'express';

const PRICES = { EUR: 1, USD: 1.08, JPY: 163.4 };
const FORECAST = { EUR: 1, USD: 1.11, JPY: 158.2 };

export function createApp(opened: Guard): Express {
  const app = express();
  const signedIn = guard(opened);

  app.get('/', (_request, response) => response.json({ service: 'prices' }));
  app.get('/prices', signedIn, (request, response) =>
    response.json({ for: request.auth?.payload.sub, prices: PRICES }),
  );
  app.get('/prices/premium', signedIn, requiredScopes('prices:premium'), (_request, response) =>
    response.json(FORECAST),
  );
  return app;
}
