import type { HealthCheck } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { OptionShape } from '@rescind/revocation/options';
import { option, optionsOf } from '@rescind/revocation/options';
import type { VerifiedToken } from '@rescind/token';
import type { NextFunction, Request, RequestHandler } from 'express';
import { openContext } from '../context.ts';
import type { Decision, Revoked } from '../decision.ts';
import type { Guard } from '../guard.ts';
import { createGuardOver } from '../guard.ts';
import type { GuardOptions } from '../options.ts';
import { guardShape, toSettings } from '../options.ts';
import type { RoutePolicy } from '../route.ts';
import { requireIntrospection, routeShape } from '../route.ts';
import { toRequestError } from './answer.ts';
import { readBearerToken } from './credentials.ts';
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
export interface ExpressRoute extends RoutePolicy {
  /** Whether a request without a token passes, without `req.auth`. One with an invalid token is refused. Default false. */
  readonly optional?: boolean | undefined;
  /**
   * Reads the token from elsewhere, such as a cookie, instead of the `Authorization` header. Undefined: the request has none.
   * A cookie requires a defence against CSRF, which the guard does not have.
   */
  readonly getToken?: ((request: Request) => string | undefined) | undefined;
  /** Called for each request that is refused because its token was revoked, before the response. An error it throws goes to `next`. */
  readonly onRevoked?: ((request: Request, revoked: Revoked) => void) | undefined;
}

const expressShape: OptionShape<ExpressRoute> = {
  ...routeShape,
  optional: option.flag(),
  getToken: option.callable<(request: Request) => string | undefined>(),
  onRevoked: option.callable<(request: Request, revoked: Revoked) => void>(),
};
const routeOptions = optionsOf<ExpressRoute>('guard', expressShape);
const allOptions = optionsOf<GuardOptions & ExpressRoute>('guard', { ...guardShape, ...expressShape });

/** The middleware, with its guard. */
export interface ExpressGuard extends RequestHandler, AsyncDisposable {
  readonly opened: Guard;
  /** Resolves when the guard has caught up. Until then the middleware responds 503. */
  ready(signal?: AbortSignal): Promise<void>;
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
  given: Guard | (GuardOptions & ExpressRoute),
  more: ExpressRoute = {},
  ...surplus: readonly unknown[]
): ExpressGuard {
  requireNoMoreArguments(surplus, 'guard must be given one route: put all requirements into it');
  const ofRoute = routeOptions(more);
  const options = isGuard(given) ? undefined : allOptions(given);
  const route: ExpressRoute = { ...options, ...ofRoute };
  const policy: RoutePolicy = only(route, routeShape);
  const opened = isGuard(given) ? checked(given, policy) : openFor(only({ ...options }, guardShape), policy);
  const close = () => opened.close();

  const handler: RequestHandler = (request, _response, next) => {
    const token = readToken(request, next, route);
    if (token === undefined) return;
    const decision = opened.decideOnline(token, policy);
    if (!(decision instanceof Promise)) conclude(decision, request, next, route);
    else decision.then((later) => conclude(later, request, next, route)).catch(next);
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

function isGuard(given: unknown): given is Guard {
  return typeof given === 'object' && given !== null && 'decide' in given && typeof given.decide === 'function';
}

/** The options that a shape has. */
function only<T extends object>(options: Readonly<Record<string, unknown>> | object, shape: OptionShape<T>): T {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(shape, name))) as T;
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

/** Returns the token, or undefined if it called `next`. */
function readToken(request: Request, next: NextFunction, route: ExpressRoute): string | undefined {
  try {
    const token = (route.getToken ?? readBearerToken)(request);
    if (token !== undefined) return token;
  } catch (error) {
    next(error instanceof RescindError ? toRequestError(error) : error);
    return undefined;
  }
  if (route.optional) next();
  else next(toRequestError(new RescindError('token_missing')));
  return undefined;
}

function conclude(decision: Decision, request: Request, next: NextFunction, route: ExpressRoute): void {
  if (decision.accepted) {
    request.auth = decision.token;
    next();
    return;
  }
  try {
    if (decision.revoked !== undefined) route.onRevoked?.(request, decision.revoked);
  } catch (error) {
    next(error);
    return;
  }
  next(toRequestError(decision.error, route));
}

function probes(guard: Guard): RequestHandler {
  return (request, response, next) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const found = isRead ? guard.probe(request.path) : undefined;
    if (found === undefined) return next();
    found.then(({ status, headers, body }) => response.status(status).set(headers).send(body)).catch(next);
  };
}
