import type { profiles } from '@rescind/guard';

/**
 * Tokens, keys and metadata as these issuers write them: Keycloak 26 captured, the others from their documentation (Auth0 "Access
 * Token Profiles", Entra ID "Access token claims reference", Okta "Tokens", Amazon Cognito "Understanding the access token").
 * Times and `iss` are put in by the test, and what would name a real person or tenant is made up.
 */
export interface RecordedIssuer {
  readonly profile: keyof typeof profiles;
  /** Behind the address of the test's server: the path of its `iss`. */
  readonly path: string;
  readonly audience: string;
  /** The members of a published key beside those of the key itself. */
  readonly jwk: Record<string, unknown>;
  /** Where its metadata are; every other address answers this status, with a page of HTML. */
  readonly metadataAt: string;
  readonly elsewhere: number;
  readonly jwksPath: string;
  readonly accessTokens: readonly Recorded[];
  /** Tokens of the same issuer, signed with the same key, that are no access tokens. */
  readonly otherTokens: readonly Recorded[];
  /** A cut-off that names a client, and the claim that holds it. */
  readonly client: string;
}

export interface Recorded {
  readonly what: string;
  readonly header: Record<string, unknown>;
  readonly payload: Record<string, unknown>;
}

const LOGOUT_EVENT = { 'http://schemas.openid.net/event/backchannel-logout': {} };
const TENANT = '9f1c3a52-6d0b-4b7e-8f5d-0c2b7a1e4d33';
const API = '6e74172b-be56-4843-9ff4-e66a39bb12e3';
const CLIENT = '29f7a1c5-0c3b-4f1a-9b7e-6d5c4b3a2f10';

const keycloak: RecordedIssuer = {
  profile: 'keycloak',
  path: '/realms/shop',
  audience: 'prices',
  jwk: { use: 'sig', alg: 'RS256', x5t: 'cHVSd3pSc2k', 'x5t#S256': 'cHVSd3pSc2k', x5c: ['MIIClTCCAX0'] },
  metadataAt: '/realms/shop/.well-known/openid-configuration',
  elsewhere: 404,
  jwksPath: '/realms/shop/protocol/openid-connect/certs',
  client: 'shop',
  accessTokens: [
    {
      what: 'access token',
      header: { alg: 'RS256', typ: 'JWT' },
      payload: {
        ...{ auth_time: 0, jti: 'onrtro:b9c2a7d4-1111-4222-8333-444455556666', aud: ['prices', 'account'] },
        ...{ sub: 'f2a1', typ: 'Bearer', azp: 'shop', sid: 'Zk3pY0XqQmW1r7Ls9dTfHgBv', acr: '1' },
        ...{ 'allowed-origins': ['http://localhost'], realm_access: { roles: ['offline_access'] } },
        ...{ resource_access: { account: { roles: ['view-profile'] } }, scope: 'openid email', email_verified: false },
      },
    },
    {
      what: 'access token of RFC 9068',
      header: { alg: 'RS256', typ: 'at+jwt' },
      payload: { jti: 'onrtro:1', aud: 'prices', sub: 'f2a1', typ: 'Bearer', azp: 'shop', sid: 'a', scope: 'openid' },
    },
    {
      what: 'access token of client credentials',
      header: { alg: 'RS256', typ: 'JWT' },
      payload: {
        ...{ jti: 'trrtcc:2', aud: 'prices', sub: '7d1e', typ: 'Bearer', azp: 'shop', client_id: 'shop', acr: '1' },
        ...{ scope: 'email', clientHost: '127.0.0.1', clientAddress: '127.0.0.1' },
      },
    },
  ],
  otherTokens: [
    {
      what: 'ID token',
      header: { alg: 'RS256', typ: 'JWT' },
      payload: {
        ...{ auth_time: 0, jti: '3f', aud: 'shop', sub: 'f2a1', typ: 'ID', azp: 'shop', nonce: 'n', sid: 'a' },
        ...{ at_hash: 'lQ9a', acr: '1', email_verified: false, preferred_username: 'ada' },
      },
    },
    {
      what: 'refresh token',
      header: { alg: 'RS256', typ: 'JWT' },
      payload: { jti: '4f', aud: 'https://sso', sub: 'f2a1', typ: 'Refresh', azp: 'shop', sid: 'a', scope: 'openid' },
    },
    {
      what: 'offline token',
      header: { alg: 'RS256', typ: 'JWT' },
      payload: { jti: '5f', aud: 'https://sso', sub: 'f2a1', typ: 'Offline', azp: 'shop', sid: 'a', scope: 'openid' },
    },
    {
      what: 'logout token',
      header: { alg: 'RS256', typ: 'logout+jwt' },
      payload: { jti: '6f', aud: 'shop', sub: 'f2a1', typ: 'Logout', sid: 'a', events: LOGOUT_EVENT },
    },
  ],
};

const auth0: RecordedIssuer = {
  profile: 'auth0',
  path: '/',
  audience: 'https://prices.example/',
  jwk: { use: 'sig', alg: 'RS256', x5t: 'cHVSd3pSc2k', x5c: ['MIIDBzCCAe'] },
  metadataAt: '/.well-known/openid-configuration',
  elsewhere: 404,
  jwksPath: '/.well-known/jwks.json',
  client: 'my_client_id',
  accessTokens: [
    {
      what: 'access token',
      header: { alg: 'RS256', typ: 'JWT' },
      payload: {
        ...{ sub: 'auth0|123456', aud: ['https://prices.example/', 'https://tenant.auth0.com/userinfo'] },
        ...{ azp: 'my_client_id', scope: 'openid profile read:prices', permissions: ['read:prices'] },
      },
    },
    {
      what: 'access token of client credentials without a scope',
      header: { alg: 'RS256', typ: 'JWT' },
      payload: {
        ...{ sub: 'my_client_id@clients', aud: 'https://prices.example/', azp: 'my_client_id' },
        gty: 'client-credentials',
      },
    },
    {
      what: 'access token of RFC 9068',
      header: { alg: 'RS256', typ: 'at+jwt' },
      payload: { sub: 'auth0|123456', aud: 'https://prices.example/', jti: 'uLhF', client_id: 'my_client_id' },
    },
  ],
  otherTokens: [
    {
      what: 'ID token',
      header: { alg: 'RS256', typ: 'JWT' },
      payload: {
        ...{ nickname: 'ada', name: 'ada', picture: 'https://s.gravatar.com/a.png', email: 'ada@example.com' },
        ...{ updated_at: '2026-11-26T12:00:00.000Z', email_verified: true, aud: 'my_client_id' },
        ...{ sub: 'auth0|123456', sid: 'bTE2', nonce: 'n' },
      },
    },
    {
      what: 'ID token of the code flow, without nonce',
      header: { alg: 'RS256', typ: 'JWT' },
      payload: { name: 'ada', aud: 'my_client_id', sub: 'auth0|123456', sid: 'bTE2', acr: 'x', amr: ['mfa'] },
    },
    {
      what: 'logout token',
      header: { alg: 'RS256', typ: 'logout+jwt' },
      payload: { aud: 'my_client_id', sub: 'auth0|123456', sid: 'bTE2', jti: 'l', events: LOGOUT_EVENT },
    },
  ],
};

const entra: RecordedIssuer = {
  profile: 'entra',
  path: `/${TENANT}/v2.0`,
  audience: API,
  // No alg: MSAL's and this project's reading of RFC 7517 section 4.4.
  jwk: { use: 'sig', x5t: 'rtsFT', x5c: ['MIIC/TCCAe'], issuer: `https://login.microsoftonline.com/${TENANT}/v2.0` },
  metadataAt: `/${TENANT}/v2.0/.well-known/openid-configuration`,
  elsewhere: 400,
  jwksPath: `/${TENANT}/discovery/v2.0/keys`,
  client: CLIENT,
  accessTokens: [
    {
      what: 'access token, version 2.0',
      header: { typ: 'JWT', alg: 'RS256' },
      payload: {
        ...{ aud: API, nbf: 0, aio: 'AVQAq/8TAAAA', azp: CLIENT, azpacr: '1', name: 'Ada', ver: '2.0' },
        ...{ oid: '690222be-ff1a-4d56-abd1-7e4f7d38e474', preferred_username: 'ada@contoso.com', rh: '0.AR' },
        ...{ scp: 'Prices.Read', sid: '00d1', sub: 'HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ' },
        ...{ tid: TENANT, uti: 'fqiBqXLPj0eQa82S-IYFAA' },
      },
    },
    {
      what: 'access token, version 1.0',
      header: { typ: 'JWT', alg: 'RS256', x5t: 'rtsFT' },
      payload: {
        ...{ aud: API, nbf: 0, acr: '1', aio: 'AXQAi/8IAAAA', amr: ['pwd'], appid: CLIENT, appidacr: '0' },
        ...{ ipaddr: '192.0.2.1', scp: 'Prices.Read', sub: 'l3_roISQU222bULS9yi2k0XpqpOiMz5H3ZACo1GeXA' },
        ...{ tid: TENANT, uti: 'z3c', ver: '1.0' },
      },
    },
    {
      what: 'access token of client credentials',
      header: { typ: 'JWT', alg: 'RS256' },
      payload: {
        aud: API,
        nbf: 0,
        azp: CLIENT,
        azpacr: '1',
        roles: ['Prices.All'],
        sub: '9d3',
        tid: TENANT,
        ver: '2.0',
      },
    },
  ],
  otherTokens: [
    {
      what: 'ID token',
      header: { typ: 'JWT', alg: 'RS256' },
      payload: {
        ...{
          aud: CLIENT,
          nbf: 0,
          name: 'Ada',
          nonce: '678910',
          oid: '690222be',
          preferred_username: 'ada@contoso.com',
        },
        ...{ rh: '0.AR', sub: 'AAAA', tid: TENANT, uti: 'a', ver: '2.0', roles: ['Admin'] },
      },
    },
    {
      what: 'ID token of the code flow, without nonce',
      header: { typ: 'JWT', alg: 'RS256' },
      payload: {
        aud: CLIENT,
        nbf: 0,
        name: 'Ada',
        sub: 'AAAA',
        tid: TENANT,
        ver: '2.0',
        roles: ['Admin'],
        sid: '00d1',
      },
    },
  ],
};

const okta: RecordedIssuer = {
  profile: 'okta',
  path: '/oauth2/default',
  audience: 'api://default',
  jwk: { use: 'sig', alg: 'RS256' },
  metadataAt: '/oauth2/default/.well-known/oauth-authorization-server',
  elsewhere: 405,
  jwksPath: '/oauth2/default/v1/keys',
  client: '0oabskvc6442nkvQO0h7',
  accessTokens: [
    {
      what: 'access token',
      header: { alg: 'RS256' },
      payload: {
        ...{ ver: 1, jti: 'AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE', aud: 'api://default' },
        ...{ cid: '0oabskvc6442nkvQO0h7', uid: '00u5t60iloOHN9pBi0h7', scp: ['openid', 'prices:read'], auth_time: 0 },
        sub: 'ada@example.com',
      },
    },
    {
      what: 'access token of client credentials',
      header: { alg: 'RS256' },
      payload: {
        ...{ ver: 1, jti: 'AT.1', aud: 'api://default', cid: '0oabskvc6442nkvQO0h7', scp: ['prices:read'] },
        sub: '0oabskvc6442nkvQO0h7',
      },
    },
  ],
  otherTokens: [
    {
      what: 'ID token',
      header: { alg: 'RS256' },
      payload: {
        ...{ sub: '00uid4BxXw6I6TV4m0g3', email: 'ada@example.com', ver: 1, aud: '0oabskvc6442nkvQO0h7' },
        ...{ jti: 'ID.4eAWJOCMB3SX8XewDfVR', auth_time: 0, amr: ['pwd'], idp: '00o1n8sbwArJ7OQRw406', at_hash: 'cpqK' },
      },
    },
    {
      what: 'logout token',
      header: { alg: 'RS256', typ: 'logout+jwt' },
      payload: { aud: '0oabskvc6442nkvQO0h7', sub: '00uid4', jti: 'l', events: LOGOUT_EVENT },
    },
  ],
};

const cognito: RecordedIssuer = {
  profile: 'cognito',
  path: '/eu-central-1_EXAMPLE',
  audience: 'xxxxxxxxxxxxexample',
  jwk: { use: 'sig', alg: 'RS256' },
  metadataAt: '/eu-central-1_EXAMPLE/.well-known/openid-configuration',
  elsewhere: 400,
  jwksPath: '/eu-central-1_EXAMPLE/.well-known/jwks.json',
  client: 'xxxxxxxxxxxxexample',
  accessTokens: [
    {
      what: 'access token',
      header: { alg: 'RS256' },
      payload: {
        ...{ sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee', device_key: 'aaaa', 'cognito:groups': ['testgroup'] },
        ...{ version: 2, client_id: 'xxxxxxxxxxxxexample', origin_jti: 'aaaaaaaa', event_id: 'bbbbbbbb' },
        ...{ token_use: 'access', scope: 'phone openid prices/read', auth_time: 0, jti: 'cccccccc', username: 'ada' },
      },
    },
    {
      what: 'access token for a resource',
      header: { alg: 'RS256' },
      payload: {
        ...{
          sub: 'aaaaaaaa',
          aud: 'xxxxxxxxxxxxexample',
          client_id: 'another',
          token_use: 'access',
          jti: 'd',
          version: 2,
        },
      },
    },
  ],
  otherTokens: [
    {
      what: 'ID token',
      header: { alg: 'RS256' },
      payload: {
        ...{ sub: 'aaaaaaaa', 'cognito:groups': ['g'], email_verified: true, 'cognito:username': 'ada', nonce: 'n' },
        ...{
          origin_jti: 'aaaaaaaa',
          aud: 'xxxxxxxxxxxxexample',
          event_id: 'b',
          token_use: 'id',
          auth_time: 0,
          jti: 'e',
        },
        email: 'ada@example.com',
      },
    },
  ],
};

export const RECORDED: readonly RecordedIssuer[] = [keycloak, auth0, entra, okta, cognito];
