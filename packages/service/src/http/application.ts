import type { Clock, Telemetry } from '@rescind/revocation';
import type { Express, RequestHandler } from 'express';
import express from 'express';
import helmet from 'helmet';
import { allowOrigins } from './cors.ts';
import { answerErrors } from './errors.ts';
import { answerOptions, nothingHere } from './methods.ts';
import { requireUnambiguous } from './request-head.ts';
import { logRequests } from './requests.ts';

export interface ApplicationOptions {
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** Proxies whose `X-Forwarded-For` is believed. Default: nobody's is. */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * The path of the service's public address, such as `/tenant`: each address is served below it too, and a well-known one with
   * it inserted behind (RFC 8414 section 3.1). Default: there is none.
   */
  readonly basePath?: string | undefined;
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
  if (options.basePath !== undefined) application.use(withoutBasePath(options.basePath));
  application.use(logRequests(options.telemetry, options.clock));
  application.use((request, _response, next) => {
    requireUnambiguous(request);
    next();
  });
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

/** A proxy in front may leave the path in the address or take it away. */
function withoutBasePath(basePath: string): RequestHandler {
  return (request, _response, next) => {
    const [path = '', ...query] = request.url.split('?');
    request.url = [pathBelow(basePath, path), ...query].join('?');
    next();
  };
}

const WELL_KNOWN = '/.well-known/';

function pathBelow(basePath: string, path: string): string {
  if (path === basePath) return '/';
  if (path.startsWith(`${basePath}/`)) return path.slice(basePath.length);
  const isInserted = path.startsWith(WELL_KNOWN) && path.endsWith(basePath);
  return isInserted ? path.slice(0, -basePath.length) : path;
}
