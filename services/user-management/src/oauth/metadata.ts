import type { Issuer } from '@rescind/issuer';
import { RENEWAL_GRANT } from './forms.ts';

const PROVING_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;
const METHODS = ['none', ...PROVING_METHODS];
/** Of client assertions: those of the keys a client may register. */
const ASSERTION_ALGORITHMS = ['RS256', 'ES256'];

/** Where everything is, below the issuer's address. */
function createAddresses(issuer: string) {
  const at = (path: string) => issuer.replace(/\/+$/, '') + path;
  return {
    token: at('/oauth2/token'),
    revoke: at('/oauth2/revoke'),
    introspect: at('/oauth2/introspect'),
    jwks: at('/.well-known/jwks.json'),
    eventJwks: at('/.well-known/event-jwks.json'),
    revocations: at('/revocations'),
  };
}

/** The path of the issuer's address without a slash at its end; undefined when it has none. */
export function issuerPath(issuer: string): string | undefined {
  return new URL(issuer).pathname.replace(/\/+$/, '') || undefined;
}

export interface MetadataOptions {
  /** Its `iss`. */
  readonly name: string;
  readonly scopes: readonly string[];
  readonly issuer: Pick<Issuer, 'jwks' | 'eventJwks'>;
}

/** RFC 8414 section 2, and where the revocation log is. */
export function authorizationServerMetadata({ name, scopes }: MetadataOptions): object {
  const addresses = createAddresses(name);
  return {
    issuer: name,
    token_endpoint: addresses.token,
    token_endpoint_auth_methods_supported: METHODS,
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    revocation_endpoint: addresses.revoke,
    revocation_endpoint_auth_methods_supported: METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    introspection_endpoint: addresses.introspect,
    introspection_endpoint_auth_methods_supported: PROVING_METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: ASSERTION_ALGORITHMS,
    jwks_uri: addresses.jwks,
    grant_types_supported: ['refresh_token', RENEWAL_GRANT],
    // Required, and no list may be empty (RFC 8414 sections 2 and 3.2). There is no authorization endpoint: `none` answers nothing.
    response_types_supported: ['none'],
    scopes_supported: scopes,
    event_jwks_uri: addresses.eventJwks,
    revocations_endpoint: addresses.revocations,
  };
}

/**
 * The same at the address of OpenID Connect Discovery, where middlewares look first, with the members that are required
 * there (section 3). No ID token is issued: the algorithms are those of the access tokens, which is what they are read for.
 */
export function openidConfiguration(options: MetadataOptions): object {
  const algorithms = options.issuer.jwks().keys.map(({ alg }) => alg);
  return {
    ...authorizationServerMetadata(options),
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(algorithms)],
  };
}
