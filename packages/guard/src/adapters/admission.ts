import { RescindError } from '@rescind/revocation';
import type { OptionShape } from '@rescind/revocation/options';
import { option, optionsOf } from '@rescind/revocation/options';
import type { VerifiedToken } from '@rescind/token';
import type { Decision, Revoked } from '../decision.ts';
import type { Guard } from '../guard.ts';
import type { RoutePolicy } from '../route.ts';
import { routeShape } from '../route.ts';
import type { RequestError } from './refusal.ts';
import { toRequestError } from './refusal.ts';

/** What a guarded route requires. @typeParam R the request of the framework */
export interface AdapterRoute<R> extends RoutePolicy {
  /** Whether a request without a token passes, without `auth`. One with an invalid token is refused. Default false. */
  readonly optional?: boolean | undefined;
  /**
   * Reads the token from elsewhere, such as a cookie, instead of the `Authorization` header. Undefined: the request has none.
   * A cookie requires a defence against CSRF, which the guard does not have.
   */
  readonly getToken?: ((request: R) => string | undefined) | undefined;
  /**
   * Called for each request that is refused because its token was revoked, before the response. The request fails with an error it throws.
   * Default: nothing is called.
   */
  readonly onRevoked?: ((request: R, revoked: Revoked) => void) | undefined;
}

/** Each option of `AdapterRoute` with its check. */
export const adapterShape = <R>(): OptionShape<AdapterRoute<R>> => ({
  ...routeShape,
  optional: option.flag(),
  getToken: option.callable<(request: R) => string | undefined>(),
  onRevoked: option.callable<(request: R, revoked: Revoked) => void>(),
});

/** A request that passes, with its token if it has one, or the error of one that is refused. */
export type Admission =
  | { readonly auth: VerifiedToken | undefined; readonly error?: undefined }
  | { readonly error: RequestError };

/** Decides about a request. @throws what `getToken`, `onRevoked` or `claimCheck` of the route throws */
export type Admit<R> = (request: R) => Admission | Promise<Admission>;

/**
 * Creates the function that every adapter carries out: it reads the token of a request, and decides about it.
 * @param name of the adapter, for messages
 * @param route checked here, once
 * @param readToken reads the token from the headers of a request
 * @throws TypeError for a wrong guard or route
 */
export function createAdmit<R>(
  name: string,
  guard: Guard,
  route: AdapterRoute<R>,
  readToken: (request: R) => string | undefined,
): Admit<R> {
  if (!isGuard(guard)) throw new TypeError(`${name} must be given a guard, which createGuard returns`);
  const checked = optionsOf<AdapterRoute<R>>(name, adapterShape<R>())(route);
  const policy = policyOf(checked);
  guard.checkRoute(policy);
  return admitBy(guard, checked, policy, readToken);
}

/** As `createAdmit`, with a route and a policy that are checked. */
export function admitBy<R>(
  guard: Guard,
  route: AdapterRoute<R>,
  policy: RoutePolicy,
  readToken: (request: R) => string | undefined,
): Admit<R> {
  const { optional = false, getToken = readToken, onRevoked } = route;
  const refuse = (error: RescindError): Admission => ({ error: toRequestError(error, policy) });

  function conclude(request: R, decision: Decision): Admission {
    if (decision.accepted) return { auth: decision.token };
    if (decision.revoked !== undefined) onRevoked?.(request, decision.revoked);
    return refuse(decision.error);
  }

  return (request) => {
    let token: string | undefined;
    try {
      token = getToken(request);
    } catch (error) {
      if (error instanceof RescindError) return refuse(error);
      throw error;
    }
    if (token === undefined) return optional ? { auth: undefined } : refuse(new RescindError('token_missing'));
    const decision = guard.decideOnline(token, policy);
    return decision instanceof Promise
      ? decision.then((later) => conclude(request, later))
      : conclude(request, decision);
  };
}

export function isGuard(value: unknown): value is Guard {
  return typeof value === 'object' && value !== null && 'decide' in value && typeof value.decide === 'function';
}

/** The part of a route that the guard decides by. */
export const policyOf = (route: RoutePolicy): RoutePolicy => only(route, routeShape);

/** The options that a shape has. */
export function only<T extends object>(options: object, shape: OptionShape<T>): T {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(shape, name))) as T;
}
