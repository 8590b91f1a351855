import type { OptionShape } from '@rescind/revocation/options';
import { checkedOnce, option, optionsOf } from '@rescind/revocation/options';
import type { ClaimValue } from './issuer-options.ts';
import { claimValueOption } from './issuer-options.ts';
import { scopeOption } from './scope.ts';
import type { SoftExpiry } from './soft-expiry.ts';
import { softExpiryOption } from './soft-expiry.ts';
import type { Claims } from './trusted.ts';

/**
 * What a route does with a token that nothing denies when the view is older than it may be: refuse it (503), take it, or
 * ask its issuer (RFC 7662).
 */
export type StalePolicy = 'deny' | 'allow' | 'introspect';

/** What one route wants of a token. */
export interface RoutePolicy {
  /** Default: the guard's. */
  readonly stale?: StalePolicy | undefined;
  /** Whether the view may be no older than `criticalStalenessMs`. Default false. */
  readonly critical?: boolean | undefined;
  /** `always`: the issuer is asked about every token that is good by what is known here (RFC 7662). Default: not. */
  readonly introspect?: 'always' | undefined;

  /** Scopes that are all needed. Default none. */
  readonly scopes?: readonly string[] | undefined;
  /** Claims that must have this value. */
  readonly claimEquals?: Readonly<Record<string, ClaimValue | null>> | undefined;
  /** Claims, lists or text with spaces, that must have all of these. */
  readonly claimIncludes?: Readonly<Record<string, readonly ClaimValue[]>> | undefined;
  /** Anything else about the claims. What it throws is answered 500. */
  readonly claimCheck?: ((claims: Claims) => boolean) | undefined;

  /** How long ago the person may have authenticated (`auth_time`), in seconds: RFC 9470. */
  readonly maxAuthAgeSeconds?: number | undefined;
  /** One of which `acr` must be: RFC 9470. */
  readonly acrValues?: readonly string[] | undefined;
  /** Default: the guard's. `false`: none here. */
  readonly softExpiry?: SoftExpiry | false | undefined;
}

/** The check of the option `stale`, of a guard and of a route. */
export const stalePolicyOption = option.oneOf<StalePolicy>('deny', 'allow', 'introspect');

/** Each option of a route with its check. */
export const routeShape: OptionShape<RoutePolicy> = {
  stale: stalePolicyOption,
  critical: option.flag(),
  introspect: option.oneOf('always'),
  scopes: option.list(scopeOption),
  claimEquals: option.record(option.either(null, claimValueOption)),
  claimIncludes: option.record(option.list(claimValueOption)),
  claimCheck: option.callable<(claims: Claims) => boolean>('a function of the claims'),
  maxAuthAgeSeconds: option.count(),
  // They are separated by spaces in the challenge (RFC 9470 section 3).
  acrValues: option.list(option.text('visible ASCII without space, " and \\', /^[\x21\x23-\x5b\x5d-\x7e]+$/)),
  softExpiry: softExpiryOption,
};

/**
 * Checks a route, and copies it. An object that is given with every decision is checked once.
 * @throws TypeError naming what is wrong
 */
export const checkedRoute = checkedOnce(optionsOf<RoutePolicy>('a route', routeShape));

/** @throws TypeError when an issuer is to be asked and none can be */
export function requireIntrospection(
  { stale, introspect }: Pick<RoutePolicy, 'stale' | 'introspect'>,
  issuers: readonly { readonly introspection: unknown }[],
): void {
  if (stale !== 'introspect' && introspect !== 'always') return;
  if (issuers.some(({ introspection }) => introspection !== undefined)) return;
  throw new TypeError(
    'introspection must be { clientId, clientSecret, … } where the issuer is to be asked about tokens',
  );
}
