import { randomUUID } from 'node:crypto';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { corsHeaders, pathBelow } from '@rescind/revocation/http';
import type { Express, Request, RequestHandler, Response } from 'express';
import express from 'express';
import helmet from 'helmet';
import { withRequestId } from '../telemetry/telemetry.ts';
import { errorHandler, sendError } from './errors.ts';
import { requireUnambiguous } from './request-head.ts';

export interface ApplicationOptions {
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** Addresses or networks of proxies whose `X-Forwarded-For` is trusted. Default: none. */
  readonly trustedProxies?: readonly string[] | undefined;
  /**
   * The path of the service's public address, such as `/tenant`. Each route is served below it too, and a well-known one also with the
   * path inserted behind (RFC 8414 section 3.1). Default: none.
   */
  readonly basePath?: string | undefined;
  /** Origins whose pages may read the responses, such as `https://app.example`. Default: none. */
  readonly corsOrigins?: readonly string[] | undefined;
}

/**
 * Wraps the routes of a public port: request ids and log, security headers, CORS, 404 and 405, errors as JSON. It sends no
 * `X-Powered-By` and no `ETag`.
 */
export function createApplication(routes: Express, options: ApplicationOptions): Express {
  const application = express();
  // An ETag would be a digest of a response that must not be stored.
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
  application.use(notFound(routes));
  application.use(errorHandler(options.telemetry));
  return application;
}

const securityHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
});

/** Removes the base path, which a proxy may leave in the URL or remove. */
function withoutBasePath(basePath: string): RequestHandler {
  return (request, _response, next) => {
    const [path = '', ...query] = request.url.split('?');
    request.url = [pathBelow(basePath, path), ...query].join('?');
    next();
  };
}

/** Allows pages of these origins, and no others, to read responses (`corsHeaders`). */
function allowOrigins(routes: Express, origins: readonly string[]): RequestHandler {
  return (request, response, next) => {
    const { method } = request;
    const [origin, requestedMethod] = [request.get('origin'), request.get('access-control-request-method')];
    const answer = corsHeaders({ method, origin, requestedMethod }, origins, () => methodsAt(routes, request.path));
    response.set(answer.headers);
    if (answer.isPreflight) response.status(204).end();
    else next();
  };
}

/** Accepted request ids of clients: too short for a token, without special characters. */
const ACCEPTED_REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Gives each request an id (`X-Request-Id`, the client's if it is acceptable), which is in all log lines of the request. It logs and
 * counts the end of the request, with the route's pattern instead of the URL, which may contain secrets.
 */
function logRequests(telemetry: Telemetry, clock: Clock): RequestHandler {
  return (request, response, next) => {
    const given = request.get('x-request-id');
    const requestId = given !== undefined && ACCEPTED_REQUEST_ID.test(given) ? given : randomUUID();
    response.setHeader('X-Request-Id', requestId);
    const startedAt = clock.monotonic();
    const ended = () => logEnd(request, response, clock.monotonic() - startedAt, telemetry);
    // The connection may be closed outside of this request, such as by a stop of the service.
    response.once('close', () => withRequestId(requestId, ended));
    withRequestId(requestId, next);
  };
}

/** nginx's status for a client that closed the connection before the response. */
const CLIENT_CLOSED_REQUEST = 499;

function logEnd(request: Request, response: Response, ms: DurationMs, telemetry: Telemetry): void {
  const { method } = request;
  const isStream = String(response.getHeader('content-type') ?? '').startsWith('text/event-stream');
  const status = response.headersSent ? response.statusCode : CLIENT_CLOSED_REQUEST;
  const route = typeof request.route?.path === 'string' ? request.route.path : '(none)';
  telemetry.count('rescind_http_requests_total', { method, status: String(status) });
  if (!isStream) telemetry.observe('rescind_http_request_seconds', ms / 1000, { method });
  telemetry.log('info', 'request', { method, route, status, ms: Math.round(ms * 1000) / 1000 });
}

/**
 * Answers OPTIONS at a known path with its methods (RFC 9110 section 9.3.7). It runs before the routes, because Express would send a body.
 */
function answerOptions(routes: Express): RequestHandler {
  return (request, response, next) => {
    const allowed = request.method === 'OPTIONS' ? methodsAt(routes, request.path) : [];
    if (allowed.length === 0) return next();
    response.status(204).set('Allow', allowed.join(', ')).end();
  };
}

/** Refuses requests without a route: 405 with `Allow` at a known path (RFC 9110 section 15.5.6), else 404. */
function notFound(routes: Express): RequestHandler {
  return (request, response) => {
    const allowed = methodsAt(routes, request.path);
    if (allowed.length === 0) return sendError(request, response, new RescindError('not_found'));
    response.set('Allow', allowed.join(', '));
    sendError(request, response, new RescindError('method_wrong'));
  };
}

/** The methods at a path. As in OpenAPI, a path without parameters takes precedence over one with parameters. */
function methodsAt(routes: Express, path: string): string[] {
  const at = routes.router.stack.flatMap(({ route }) =>
    route !== undefined && samePath(route.path, path) ? [route] : [],
  );
  const literal = at.filter((route) => !route.path.includes(':'));
  const methods = (literal.length > 0 ? literal : at).flatMap(({ stack }) =>
    stack.map(({ method }) => method.toUpperCase()),
  );
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
}

/** Compares as Express does: without case and a trailing slash; `:name` matches any segment. */
function samePath(pattern: string, path: string): boolean {
  const [expected, given] = [pattern, path].map((text) => text.toLowerCase().replace(/\/$/, '').split('/'));
  if (expected === undefined || given === undefined || expected.length !== given.length) return false;
  return expected.every(
    (segment, index) => segment === given[index] || (segment.startsWith(':') && given[index] !== ''),
  );
}
