import type { Algorithm } from '@rescind/token';
import type { IssuerOptions } from './issuer-options.ts';
import { FOREIGN_SKEW_MS } from './issuer-options.ts';

/** The algorithms that Keycloak offers for access tokens. Each of its keys names its own. */
const KEYCLOAK_ALGORITHMS: readonly Algorithm[] = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const),
];

/** Claims that an ID token (OpenID Connect Core sections 2 and 3.3.2.11) or a logout token has, and an access token does not. */
const OF_OTHER_TOKENS = ['nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'typ'] as const;

/**
 * The form of the access tokens of some issuers: `createGuard({ ...profiles.keycloak, issuer, audience, … })`. Each profile accepts their
 * access tokens and refuses their ID tokens, refresh tokens and logout tokens, which have the same issuer and key.
 */
export const profiles = {
  /** Keycloak, as of 26. The claim `typ` distinguishes its tokens: `Bearer`, `ID`, `Refresh`, `Offline`, `Logout`. */
  keycloak: {
    typ: ['JWT', 'at+jwt'],
    algorithms: KEYCLOAK_ALGORITHMS,
    requiredClaims: ['sub', 'jti', 'azp'],
    claimValues: { typ: 'Bearer' },
    claimNames: { client_id: 'azp' },
    skewMs: FOREIGN_SKEW_MS,
  },
  /**
   * Auth0, by its own profile and by RFC 9068. The former has `azp` and no `jti`; an ID token has neither client nor
   * permissions.
   */
  auth0: {
    typ: ['JWT', 'at+jwt'],
    algorithms: ['RS256', 'PS256'],
    requiredClaims: ['sub', ['azp', 'client_id'], ['scope', 'permissions', 'gty', 'client_id']],
    absentClaims: OF_OTHER_TOKENS,
    claimNames: { client_id: 'azp' },
    skewMs: FOREIGN_SKEW_MS,
  },
  /**
   * Microsoft Entra ID, versions 1.0 and 2.0 of its tokens, whose keys name no algorithm. An ID token has `roles`, too, but
   * neither a client nor its authentication. A token without `scp` and `roles` contains no permission of its client.
   */
  entra: {
    typ: ['JWT', 'at+jwt'],
    algorithms: ['RS256'],
    requiredClaims: ['sub', ['azp', 'appid'], ['azpacr', 'appidacr'], ['scp', 'roles', 'idtyp']],
    absentClaims: OF_OTHER_TOKENS,
    claimNames: { client_id: ['azp', 'appid'], jti: 'uti' },
    skewMs: FOREIGN_SKEW_MS,
  },
  /** Okta, custom authorization servers. Its tokens have no `typ`; an ID token has neither `cid` nor `scp`. */
  okta: {
    typ: null,
    algorithms: ['RS256', 'ES256', 'ES384', 'ES512'],
    requiredClaims: ['sub', 'jti', 'cid', ['scp']],
    absentClaims: OF_OTHER_TOKENS,
    claimNames: { client_id: 'cid' },
    skewMs: FOREIGN_SKEW_MS,
  },
  /**
   * Amazon Cognito user pools. Its tokens have no `typ`, and no `aud` unless a resource was requested. `audience` is then the id of
   * an app client.
   */
  cognito: {
    typ: null,
    algorithms: ['RS256'],
    audienceClaim: 'client_id',
    requiredClaims: ['sub', 'client_id'],
    claimValues: { token_use: 'access' },
    absentClaims: OF_OTHER_TOKENS,
    skewMs: FOREIGN_SKEW_MS,
  },
} as const satisfies Readonly<Record<string, Partial<IssuerOptions>>>;
