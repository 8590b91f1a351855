import type { Clock, Telemetry } from '@rescind/revocation';
import type { Express } from 'express';
import express from 'express';
import helmet from 'helmet';
import { allowOrigins } from './cors.ts';
import { answerErrors } from './errors.ts';
import { answerOptions, nothingHere } from './methods.ts';
import { logRequests } from './requests.ts';

export interface ApplicationOptions {
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** Proxies whose `X-Forwarded-For` is believed. Default: nobody's is. */
  readonly trustedProxies?: readonly string[] | undefined;
  /** Whose pages may read the answers: `https://app.example`. Default: nobody's. */
  readonly corsOrigins?: readonly string[] | undefined;
}

/**
 * What every public port has around an application's routes: request ids and log, headers for browsers, 404 and 405,
 * errors as JSON. No banner.
 */
export function createApplication(routes: Express, options: ApplicationOptions): Express {
  const application = express();
  // An ETag would be a digest of what must not be stored.
  for (const app of [application, routes]) app.disable('x-powered-by').disable('etag');
  application.set('trust proxy', options.trustedProxies === undefined ? false : [...options.trustedProxies]);
  application.use(logRequests(options.telemetry, options.clock));
  application.use(securityHeaders);
  application.use(allowOrigins(routes, options.corsOrigins ?? []));
  application.use(answerOptions(routes));
  application.use(routes);
  application.use(nothingHere(routes));
  application.use(answerErrors(options.telemetry));
  return application;
}

const securityHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
});
