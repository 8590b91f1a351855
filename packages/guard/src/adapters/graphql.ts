import { RescindError, systemClock } from '@rescind/revocation';
import type { VerifiedToken } from '@rescind/token';
import { GraphQLError } from 'graphql';
import type { Guard } from '../guard.ts';
import type { RoutePolicy } from '../route.ts';
import { ANY_ROUTE, checkedRoute, requireOfRoute } from '../route.ts';
import type { AdapterRoute, Admission } from './admission.ts';
import { createAdmit } from './admission.ts';
import type { NodeRequest } from './credentials.ts';
import { readBearerToken, readFetchToken } from './credentials.ts';
import type { FetchRoute } from './fetch.ts';
import { refusalOf, toRequestError } from './refusal.ts';

/** The context of a GraphQL operation behind the guard. */
export interface GuardContext {
  /** The access token of the request. Undefined only with `optional`. */
  readonly auth: VerifiedToken | undefined;
}

/**
 * Creates the option `context` of GraphQL Yoga, which decides about each operation: `createYoga({ schema, context: guardContext(guard) })`.
 * @throws TypeError for a wrong guard or route. The function throws a `GraphQLError` with status and headers for a request that is refused
 */
export function guardContext(
  guard: Guard,
  route: FetchRoute = {},
): (initial: { readonly request: Request }) => Promise<GuardContext> {
  const admit = createAdmit('guardContext', guard, route, readFetchToken);
  return async ({ request }) => contextOf(await admit(request));
}

/**
 * Creates the option `context` of Apollo Server, which decides about each operation: `startStandaloneServer(server, { context: apolloContext(guard) })`,
 * or `expressMiddleware(server, { context: apolloContext(guard) })`.
 * @throws TypeError for a wrong guard or route. The function throws a `GraphQLError` with status and headers for a request that is refused
 */
export function apolloContext<R extends NodeRequest>(
  guard: Guard,
  route: AdapterRoute<R> = {},
): (initial: { readonly req: R }) => Promise<GuardContext> {
  const admit = createAdmit<R>('apolloContext', guard, route, readBearerToken);
  return async ({ req }) => contextOf(await admit(req));
}

function contextOf(admission: Admission): GuardContext {
  if (admission.error !== undefined) throw toGraphQLError(admission.error);
  return { auth: admission.auth };
}

/**
 * Checks the requirements of one field in its resolver: `requireAuth(context, { scopes: ['prices:write'] })`.
 * @param route scopes, claims, `maxAuthAgeSeconds` and `acrValues`: keep the object, it is checked once
 * @returns the token
 * @throws TypeError for a wrong route
 * @throws GraphQLError with status and headers: 401 without a token or with an old authentication, 403 without the scopes or claims
 */
export function requireAuth({ auth }: GuardContext, route: RoutePolicy = ANY_ROUTE): VerifiedToken {
  checkedRoute(route);
  try {
    if (auth === undefined) throw new RescindError('token_missing');
    requireOfRoute(auth.payload, route, systemClock.now());
    return auth;
  } catch (error) {
    throw error instanceof RescindError ? toGraphQLError(toRequestError(error, route)) : error;
  }
}

function toGraphQLError(error: RescindError): GraphQLError {
  const { status, headers, body } = refusalOf(error);
  // Apollo Server reads the headers from a Map, GraphQL Yoga from the properties of an object.
  const http = { status, headers: Object.assign(new Map(Object.entries(headers)), headers) };
  return new GraphQLError(body.message, { extensions: { code: body.code, http } });
}
