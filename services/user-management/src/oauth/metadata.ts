/** RFC 8414 section 2, and where the revocation log is. */
export function authorizationServerMetadata(issuer: string, scopes: readonly string[]): object {
  const at = (path: string) => issuer.replace(/\/+$/, '') + path;
  return {
    issuer,
    token_endpoint: at('/oauth2/token'),
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint: at('/oauth2/revoke'),
    revocation_endpoint_auth_methods_supported: ['none'],
    jwks_uri: at('/.well-known/jwks.json'),
    grant_types_supported: ['refresh_token'],
    // Required by RFC 8414; there is no authorization endpoint.
    response_types_supported: [],
    scopes_supported: scopes,
    event_jwks_uri: at('/.well-known/event-jwks.json'),
    revocations_endpoint: at('/revocations'),
  };
}
