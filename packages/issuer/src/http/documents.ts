import type { DurationMs } from '@rescind/revocation';
import type { Issuer } from '../issuer.ts';

/** The grant by which a client exchanges a valid access token for a new one, where its policy has `renewByToken`. */
export const RENEWAL_GRANT = 'urn:rescind:params:oauth:grant-type:renewal';

/** The paths below the issuer's URL. */
export const PATHS = {
  token: '/oauth2/token',
  revoke: '/oauth2/revoke',
  introspect: '/oauth2/introspect',
  jwks: '/.well-known/jwks.json',
  eventJwks: '/.well-known/event-jwks.json',
  metadata: '/.well-known/oauth-authorization-server',
  openidConfiguration: '/.well-known/openid-configuration',
  revocations: '/revocations',
  proof: '/revocations/proof',
  reports: '/revocations/reports',
} as const;

const AUTHENTICATING_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
const METHODS = ['none', ...AUTHENTICATING_METHODS];
/** Of client assertions: those of the keys a client may register. */
const ASSERTION_ALGORITHMS = ['RS256', 'ES256'];

interface MetadataOptions {
  /** Its `iss`. */
  readonly name: string;
  readonly scopes: readonly string[];
}

/** Authorization server metadata (RFC 8414 section 2), with the URLs of the revocation log. */
export function authorizationServerMetadata({ name, scopes }: MetadataOptions): object {
  const at = (path: string) => name.replace(/\/+$/, '') + path;
  return {
    issuer: name,
    token_endpoint: at(PATHS.token),
    token_endpoint_auth_methods_supported: METHODS,
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    revocation_endpoint: at(PATHS.revoke),
    revocation_endpoint_auth_methods_supported: METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    introspection_endpoint: at(PATHS.introspect),
    introspection_endpoint_auth_methods_supported: AUTHENTICATING_METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    jwks_uri: at(PATHS.jwks),
    grant_types_supported: ['refresh_token', 'client_credentials', RENEWAL_GRANT],
    // Required, and no list may be empty (RFC 8414 sections 2 and 3.2). There is no authorization endpoint: `none` answers nothing.
    response_types_supported: ['none'],
    ...(scopes.length === 0 ? {} : { scopes_supported: scopes }),
    event_jwks_uri: at(PATHS.eventJwks),
    revocations_endpoint: at(PATHS.revocations),
  };
}

/**
 * The same for OpenID Connect Discovery, where middlewares look first, with the members that section 3 there requires. No ID token is
 * issued: the algorithms are those of the access tokens.
 */
export function openidConfiguration(options: MetadataOptions, { jwks }: Pick<Issuer, 'jwks'>): object {
  const algorithms = jwks().keys.map(({ alg }) => alg);
  return {
    ...authorizationServerMetadata(options),
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(algorithms)],
  };
}

/** Metadata change when the configuration of the host changes. */
export const METADATA_CACHE_CONTROL = 'public, max-age=60';

const MAX_KEPT_MS: DurationMs = 60_000;
/** Readers fetch the keys each 5 minutes by default, and one of those fetches may fail. */
const ENOUGH_MS: DurationMs = 600_000;

/**
 * How long the keys may be cached, so that each key is known before it signs (RFC 9111 section 5.2.2).
 * @param publishBeforeMs how long a key is published before it signs
 */
export function keysCacheControl(publishBeforeMs: DurationMs): string {
  const seconds = Math.max(1, Math.floor(Math.min(MAX_KEPT_MS, publishBeforeMs / 4) / 1_000));
  return `public, max-age=${seconds}${publishBeforeMs < ENOUGH_MS ? ', must-revalidate' : ''}`;
}
