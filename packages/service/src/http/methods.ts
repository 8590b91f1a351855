import { RescindError } from '@rescind/revocation';
import type { Express, RequestHandler } from 'express';
import { sendError } from './errors.ts';

/**
 * Answers OPTIONS at a known address with what it takes (RFC 9110 section 9.3.7). Before the routes: Express would answer
 * with a body.
 */
export function answerOptions(routes: Express): RequestHandler {
  return (request, response, next) => {
    const allowed = request.method === 'OPTIONS' ? methodsAt(routes, request.path) : [];
    if (allowed.length === 0) return next();
    response.status(204).set('Allow', allowed.join(', ')).end();
  };
}

/** Refuses what no route took: 405 with `Allow` at a known address (RFC 9110 section 15.5.6), else 404. */
export function nothingHere(routes: Express): RequestHandler {
  return (request, response) => {
    const allowed = methodsAt(routes, request.path);
    if (allowed.length === 0) return sendError(request, response, new RescindError('not_found'));
    response.set('Allow', allowed.join(', '));
    sendError(request, response, new RescindError('method_wrong'));
  };
}

/** Where an address is written out it counts before one with parameters, as in OpenAPI. */
export function methodsAt(routes: Express, path: string): string[] {
  const at = routes.router.stack.flatMap(({ route }) =>
    route !== undefined && samePath(route.path, path) ? [route] : [],
  );
  const written = at.filter((route) => !route.path.includes(':'));
  const methods = (written.length > 0 ? written : at).flatMap(({ stack }) =>
    stack.map(({ method }) => method.toUpperCase()),
  );
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
}

/** As Express compares: case and a slash at the end do not matter, `:name` is any segment. */
function samePath(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern, path].map((text) => text.toLowerCase().replace(/\/$/, '').split('/'));
  if (wanted === undefined || given === undefined || wanted.length !== given.length) return false;
  return wanted.every((segment, index) => segment === given[index] || (segment.startsWith(':') && given[index] !== ''));
}
