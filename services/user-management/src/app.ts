import type { RevocationsHandler } from '@rescind/feed';
import type { Issuer } from '@rescind/issuer';
import type { Express, RequestHandler } from 'express';
import express from 'express';
import { identify } from './http/bearer.ts';
import { form, json, loginBody, passwordBody, registerBody, revokeForm, tokenForm } from './http/bodies.ts';
import type { LoginLimits } from './http/limits.ts';
import type { SessionEndpoints } from './http/sessions.ts';
import type { TokenEndpoints } from './http/tokens.ts';

export interface AppParts {
  readonly issuer: Issuer;
  readonly limits: LoginLimits;
  readonly sessions: SessionEndpoints;
  readonly tokens: TokenEndpoints;
  readonly revocations: RevocationsHandler;
  readonly metadata: object;
}

/** How long others may keep keys and metadata: a key is published longer than that before it is used. */
const PUBLIC_MAX_AGE_S = 60;

/** Every public address of user-management. */
export function createApp({ issuer, limits, sessions, tokens, revocations, metadata }: AppParts): Express {
  const app = express();
  const signedIn = identify(issuer);

  app.post('/register', limits.byAddress, json(registerBody), sessions.register);
  app.post('/login', limits.byAddress, json(loginBody), sessions.login);
  app.post('/password', limits.byAddress, signedIn, json(passwordBody), sessions.changePassword);
  app.post('/logout', signedIn, sessions.logout);
  app.post('/logout-everywhere', signedIn, sessions.logoutEverywhere);

  app.post('/oauth2/token', form(tokenForm), tokens.token);
  app.post('/oauth2/revoke', form(revokeForm), tokens.revoke);

  app.get(
    '/.well-known/jwks.json',
    published(() => issuer.jwks()),
  );
  app.get(
    '/.well-known/event-jwks.json',
    published(() => issuer.eventJwks()),
  );
  app.get(
    '/.well-known/oauth-authorization-server',
    published(() => metadata),
  );
  app.get(
    '/.well-known/openid-configuration',
    published(() => metadata),
  );

  app.get('/revocations', (request, response) => revocations.handle(request, response));
  app.post('/revocations/proof', (request, response) => revocations.handle(request, response));
  return app;
}

function published(document: () => object): RequestHandler {
  return (_request, response) => {
    response.set('Cache-Control', `public, max-age=${PUBLIC_MAX_AGE_S}`).json(document());
  };
}
