import type { Clock, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Express, RequestHandler } from 'express';
import express from 'express';
import helmet from 'helmet';
import { answerErrors, sendError } from './errors.ts';
import { logRequests } from './requests.ts';

export interface ApplicationOptions {
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** Proxies whose `X-Forwarded-For` is believed. Default: nobody's is. */
  readonly trustedProxies?: readonly string[] | undefined;
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

/** Refuses what no route took: 405 with `Allow` at a known address (RFC 9110 section 15.5.6), else 404. */
function nothingHere(routes: Express): RequestHandler {
  return (request, response) => {
    const allowed = methodsAt(routes, request.path);
    if (allowed.length === 0) return sendError(request, response, new RescindError('not_found'));
    response.set('Allow', allowed.join(', '));
    sendError(request, response, new RescindError('method_wrong'));
  };
}

function methodsAt(routes: Express, path: string): string[] {
  const methods = routes.router.stack.flatMap(({ route }) =>
    route !== undefined && samePath(route.path, path) ? route.stack.map(({ method }) => method.toUpperCase()) : [],
  );
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
}

/** As Express compares: case and a slash at the end do not matter, `:name` is any segment. */
function samePath(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern, path].map((text) => text.toLowerCase().replace(/\/$/, '').split('/'));
  if (wanted === undefined || given === undefined || wanted.length !== given.length) return false;
  return wanted.every((segment, index) => segment === given[index] || (segment.startsWith(':') && given[index] !== ''));
}
