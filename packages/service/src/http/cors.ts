import type { Express, Request, RequestHandler, Response } from 'express';
import { methodsAt } from './methods.ts';

/** What a page may send along; `X-Rescind-CSRF` is what a call by cookie needs. */
const ALLOWED_HEADERS = 'Authorization, Content-Type, X-Request-Id, X-Rescind-CSRF';
/** What a page may read: when to come again, why it was refused, and the time here (`Date`), to mend its own by. */
const EXPOSED_HEADERS = 'Date, Retry-After, WWW-Authenticate, X-Request-Id';
/** How long a browser may keep the answer to a preflight. */
const PREFLIGHT_MAX_AGE_S = 600;

/**
 * Lets pages of these origins, and no others, read answers and send credentials (Fetch Standard section 3.3). The header says
 * a text of the list and never what was sent; every answer says that it differs by `Origin`.
 * @param origins exact: `https://app.example`
 */
export function allowOrigins(routes: Express, origins: readonly string[]): RequestHandler {
  return (request, response, next) => {
    response.vary('Origin');
    const allowed = origins.find((origin) => origin === request.get('origin'));
    if (allowed === undefined) return next();
    response.set('Access-Control-Allow-Origin', allowed).set('Access-Control-Allow-Credentials', 'true');
    if (isPreflight(request)) answerPreflight(routes, request, response);
    else {
      response.set('Access-Control-Expose-Headers', EXPOSED_HEADERS);
      next();
    }
  };
}

function isPreflight(request: Request): boolean {
  return request.method === 'OPTIONS' && request.get('access-control-request-method') !== undefined;
}

function answerPreflight(routes: Express, request: Request, response: Response): void {
  response
    .vary('Access-Control-Request-Method')
    .vary('Access-Control-Request-Headers')
    .set('Access-Control-Allow-Methods', methodsAt(routes, request.path).join(', '))
    .set('Access-Control-Allow-Headers', ALLOWED_HEADERS)
    .set('Access-Control-Max-Age', String(PREFLIGHT_MAX_AGE_S))
    .status(204)
    .end();
}
