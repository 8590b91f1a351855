import type { Guard } from '../guard.ts';
import type { AdapterRoute } from './admission.ts';
import { createAdmit } from './admission.ts';
import type { NodeRequest } from './credentials.ts';
import { readBearerToken } from './credentials.ts';

/** What a route requires. With a `getToken` of express-jwt the same function is required here. */
export interface ExpressJwtRoute extends AdapterRoute<NodeRequest> {}

/**
 * Creates the option `isRevoked` of express-jwt: `expressjwt({ secret, algorithms, isRevoked: isRevoked(guard) })`. The guard decides about the token after
 * express-jwt has verified it. A refusal goes to `next` with `status`, `code` and `headers`, and `errorHandler()` of
 * `@rescind/guard/express` writes it; so the response to a revoked token has a challenge, and that of an instance that has not caught up is 503.
 *
 * @throws TypeError for a wrong guard or route
 */
export function isRevoked(guard: Guard, route: ExpressJwtRoute = {}): (request: NodeRequest) => Promise<boolean> {
  const admit = createAdmit('isRevoked', guard, route, readBearerToken);
  return async (request) => {
    const { error } = await admit(request);
    if (error !== undefined) throw error;
    return false;
  };
}
