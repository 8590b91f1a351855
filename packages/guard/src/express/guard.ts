import type { HealthCheck } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { optionsOf } from '@rescind/revocation/options';
import type { VerifiedToken } from '@rescind/token';
import type { ErrorRequestHandler, NextFunction, Request, RequestHandler } from 'express';
import type { AdapterRoute, Admission } from '../adapters/admission.ts';
import { adapterShape, admitBy, isGuard, only, policyOf } from '../adapters/admission.ts';
import { readBearerToken } from '../adapters/credentials.ts';
import { refusalOf } from '../adapters/refusal.ts';
import { openContext } from '../context.ts';
import type { Guard } from '../guard.ts';
import { createGuardOver } from '../guard.ts';
import type { GuardOptions } from '../options.ts';
import { guardShape, toSettings } from '../options.ts';
import type { RoutePolicy } from '../route.ts';
import { requireIntrospection } from '../route.ts';
import { requireNoMoreArguments } from './required.ts';

declare global {
  namespace Express {
    interface Request {
      /** The access token of the request, verified and not revoked. Set by `guard()`. */
      auth?: VerifiedToken;
    }
  }
}

/** What a guarded route requires. */
export interface ExpressRoute extends AdapterRoute<Request> {}

const routeOptions = optionsOf<ExpressRoute>('guard', adapterShape<Request>());
const allOptions = optionsOf<GuardOptions & ExpressRoute>('guard', { ...guardShape, ...adapterShape<Request>() });

/** The middleware, with its guard. */
export interface ExpressGuard extends RequestHandler, AsyncDisposable {
  /** The guard that decides. */
  readonly opened: Guard;
  /** Resolves when the guard has caught up. Until then the middleware responds 503. */
  ready(signal?: AbortSignal): Promise<void>;
  /** The checks of the guard. */
  health(): HealthCheck[];
  /** Middleware that responds to `GET` of `/livez`, `/readyz` and `/metrics`. Install it before the guard. */
  router(): RequestHandler;
  /** Closes the guard. */
  close(): Promise<void>;
}

/**
 * Creates middleware that passes a request with a valid access token that is not revoked, and sets `req.auth`. It refuses other requests as
 * RFC 6750 section 3 defines, by `next(error)`: the error has `status`, `code` and `headers`, and `errorHandler()` writes it.
 *
 * `app.use(guard({ issuer, audience, feed, denylistPath }))` creates a guard, which the middleware's `close()` closes. Pass a guard to
 * share it between routes: `app.post('/transfer', guard(created, { critical: true }), …)`.
 *
 * @throws TypeError for an option that is missing or wrong, and for a third argument: a second route would have no effect
 * @throws RescindError as `createGuard` does
 */
export function guard(options: GuardOptions & ExpressRoute, route?: ExpressRoute): ExpressGuard;
export function guard(opened: Guard, route?: ExpressRoute): ExpressGuard;
export function guard(
  guardOrOptions: Guard | (GuardOptions & ExpressRoute),
  more: ExpressRoute = {},
  ...surplus: readonly unknown[]
): ExpressGuard {
  requireNoMoreArguments(surplus, 'guard must be given one route: put all requirements into it');
  const ofRoute = routeOptions(more);
  const options = isGuard(guardOrOptions) ? undefined : allOptions(guardOrOptions);
  const route: ExpressRoute = { ...options, ...ofRoute };
  const policy: RoutePolicy = policyOf(route);
  const opened = isGuard(guardOrOptions)
    ? checked(guardOrOptions, policy)
    : openFor(only({ ...options }, guardShape), policy);
  const close = () => opened.close();
  const admit = admitBy(opened, route, policy, readBearerToken);

  const handler: RequestHandler = (request, _response, next) => {
    try {
      const admission = admit(request);
      if (admission instanceof Promise) admission.then((later) => conclude(later, request, next)).catch(next);
      else conclude(admission, request, next);
    } catch (error) {
      next(error);
    }
  };
  return Object.assign(handler, {
    opened,
    ready: (signal?: AbortSignal) => opened.ready(signal),
    health: () => opened.health(),
    router: () => probes(opened),
    close,
    [Symbol.asyncDispose]: close,
  });
}

function checked(opened: Guard, route: RoutePolicy): Guard {
  opened.checkRoute(route);
  return opened;
}

/** Reports a wrong route before it opens a file. */
function openFor(options: GuardOptions, route: RoutePolicy): Guard {
  const settings = toSettings(options);
  requireIntrospection(route, settings.issuers);
  return createGuardOver(settings, openContext(settings));
}

function conclude(admission: Admission, request: Request, next: NextFunction): void {
  if (admission.error !== undefined) {
    next(admission.error);
    return;
  }
  if (admission.auth !== undefined) request.auth = admission.auth;
  next();
}

function probes(guard: Guard): RequestHandler {
  return (request, response, next) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const found = isRead ? guard.probe(request.path) : undefined;
    if (found === undefined) return next();
    found.then(({ status, headers, body }) => response.status(status).set(headers).send(body)).catch(next);
  };
}

/**
 * Creates an error handler, for use after the routes, that writes the errors of the guard as JSON `{ error?, code, message }`, with their
 * status and headers and `Cache-Control: no-store`. It passes every other error to the next error handler.
 */
export function errorHandler(): ErrorRequestHandler {
  return (error: unknown, _request, response, next) => {
    if (!(error instanceof RescindError) || response.headersSent) {
      next(error);
      return;
    }
    const { status, headers, body } = refusalOf(error);
    response.status(status).set(headers).json(body);
  };
}
