import type { VerifiedToken } from '@rescind/token';
import type { Guard } from '../guard.ts';
import type { AdapterRoute } from './admission.ts';
import { createAdmit } from './admission.ts';
import { readFetchToken } from './credentials.ts';
import type { RequestError } from './refusal.ts';
import { refusalOf } from './refusal.ts';

/** What a guarded route requires. */
export interface FetchRoute extends AdapterRoute<Request> {}

/** A request that passes, with its token if it has one, or the response to one that is refused. */
export type FetchAdmission =
  | { readonly auth: VerifiedToken | undefined; readonly response?: undefined }
  | { readonly response: Response };

/**
 * Creates a function that decides about a `Request` of the Fetch standard, for every framework that has one (Hono, Next.js, SvelteKit, …).
 * It refuses as RFC 6750 section 3 defines, by a response with the body `{ error?, code, message }`.
 *
 * @throws TypeError for a wrong guard or route
 */
export function requireToken(guard: Guard, route: FetchRoute = {}): (request: Request) => Promise<FetchAdmission> {
  const admit = createAdmit('requireToken', guard, route, readFetchToken);
  return async (request) => {
    const admission = await admit(request);
    return admission.error === undefined ? admission : { response: responseOf(admission.error) };
  };
}

/** A handler behind the guard. @typeParam A further arguments of the framework */
export type GuardedHandler<A extends unknown[]> = (
  request: Request,
  auth: VerifiedToken | undefined,
  ...more: A
) => Response | Promise<Response>;

/**
 * Wraps a handler: `export default { fetch: guarded(guard, { scopes: ['prices:read'] }, (request, auth) => Response.json(auth?.payload.sub)) }`.
 * @throws TypeError for a wrong guard or route
 */
export function guarded<A extends unknown[]>(
  guard: Guard,
  route: FetchRoute,
  handler: GuardedHandler<A>,
): (request: Request, ...more: A) => Promise<Response> {
  const admit = requireToken(guard, route);
  return async (request, ...more) => {
    const admission = await admit(request);
    return admission.response ?? handler(request, admission.auth, ...more);
  };
}

/** Responds to `GET` of `/livez`, `/readyz` and `/metrics`. @returns undefined for every other request */
export async function probe(guard: Guard, request: Request): Promise<Response | undefined> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
  const found = await guard.probe(new URL(request.url).pathname);
  return found && new Response(request.method === 'HEAD' ? null : found.body, found);
}

function responseOf(error: RequestError): Response {
  const { status, headers, body } = refusalOf(error);
  return Response.json(body, { status, headers });
}
