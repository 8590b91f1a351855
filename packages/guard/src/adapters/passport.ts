import { option, optionsOf } from '@rescind/revocation/options';
import type { VerifiedToken } from '@rescind/token';
import type { Guard } from '../guard.ts';
import type { AdapterRoute, Admission } from './admission.ts';
import { adapterShape, createAdmit, only } from './admission.ts';
import type { NodeRequest } from './credentials.ts';
import { readBearerToken } from './credentials.ts';

/** Finds the user of a token. A falsy user fails the authentication with 401. */
export type FindUser = (token: VerifiedToken, request: NodeRequest) => unknown;

/** The options of `guardStrategy`: those of a route, the name and the user. */
export interface StrategyOptions extends AdapterRoute<NodeRequest> {
  /** The name for `passport.authenticate(name)`. Default `jwt`, as that of passport-jwt. */
  readonly name?: string | undefined;
  /** Default: the token itself becomes `request.user`. */
  readonly findUser?: FindUser | undefined;
}

/** The methods that Passport adds to a strategy. */
interface StrategyActions {
  success(user: object): void;
  fail(challenge: string, status: number): void;
  pass(): void;
  error(error: unknown): void;
}

/** A strategy of Passport. */
export interface GuardStrategy {
  /** The name to pass to `passport.authenticate`. */
  readonly name: string;
  /** Called by Passport for each request. */
  authenticate(this: StrategyActions, request: NodeRequest): void;
}

const strategyOptions = optionsOf<StrategyOptions>('guardStrategy', {
  ...adapterShape<NodeRequest>(),
  name: option.text(),
  findUser: option.callable<FindUser>(),
});

/**
 * Creates a strategy of Passport in place of that of passport-jwt: `passport.use(guardStrategy(guard))`, then
 * `passport.authenticate('jwt', { session: false })`. A request without a token fails, so that another strategy may authenticate it; with
 * `optional` it passes. An invalid or revoked token goes to `next` with `status`, `code` and `headers`, and `errorHandler()` of
 * `@rescind/guard/express` writes it.
 *
 * @throws TypeError for a wrong guard or option
 */
export function guardStrategy(guard: Guard, options: StrategyOptions = {}): GuardStrategy {
  const { name = 'jwt', findUser = (token) => token, ...route } = strategyOptions(options);
  const admit = createAdmit('guardStrategy', guard, only(route, adapterShape<NodeRequest>()), readBearerToken);

  async function conclude(actions: StrategyActions, request: NodeRequest, admission: Admission): Promise<void> {
    if (admission.error?.code === 'token_missing') return actions.fail('Bearer', admission.error.status);
    if (admission.error !== undefined) return actions.error(admission.error);
    if (admission.auth === undefined) return actions.pass();
    const user = await findUser(admission.auth, request);
    if (typeof user === 'object' && user !== null) actions.success(user);
    else actions.fail('Bearer error="invalid_token"', 401);
  }

  return {
    name,
    authenticate(request) {
      Promise.resolve()
        .then(() => admit(request))
        .then((admission) => conclude(this, request, admission))
        .catch((error: unknown) => this.error(error));
    },
  };
}
