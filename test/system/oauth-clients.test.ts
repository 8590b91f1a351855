import { request } from '@rescind/dev-fleet';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ProvingClient } from '../support/oauth-clients.ts';
import { CLIENT_IDS } from '../support/oauth-clients.ts';
import { oauthFleet } from '../support/oauth-fleet.ts';

// The service of a test has no TLS; nothing else is changed in either library.
const insecure = { [oauth.allowInsecureRequests]: true };

const driver = oauthFleet({ prices: 0, orders: 0 });
let issuer: string;
beforeAll(() => {
  issuer = driver().url;
});

describe.each(CLIENT_IDS)('%s', (clientId) => {
  it('oauth4webapi: discovery, refresh, introspection, revocation', async () => {
    const client = driver().client(clientId);
    const server = await oauth4webapiServer('oauth2');
    const [self, proof] = [{ client_id: client.clientId }, oauth4webapiProof(client)];
    const tokens = await driver().loginOf(client);
    const refreshed = await oauth.processRefreshTokenResponse(
      server,
      self,
      await oauth.refreshTokenGrantRequest(server, self, proof, tokens.refresh_token, insecure),
    );
    expect(refreshed).toMatchObject({ token_type: 'bearer', sid: tokens.sid, expires_in: expect.any(Number) });
    await verified(refreshed.access_token, client.clientId);

    const active = async (token: string) => {
      const response = await oauth.introspectionRequest(server, self, proof, token, insecure);
      return (await oauth.processIntrospectionResponse(server, self, response)).active;
    };
    const mayAsk = client.method !== 'none';
    if (mayAsk) {
      expect(await active(refreshed.access_token)).toBe(true);
      expect(await active(String(refreshed.refresh_token))).toBe(true);
      expect(await active(tokens.refresh_token)).toBe(false);
    } else {
      await expect(active(refreshed.access_token)).rejects.toMatchObject({ cause: expect.anything() });
    }
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(server, self, proof, String(refreshed.refresh_token), insecure),
    );
    if (mayAsk) expect(await active(refreshed.access_token)).toBe(false);
    const again = await oauth.refreshTokenGrantRequest(server, self, proof, String(refreshed.refresh_token), insecure);
    await expect(oauth.processRefreshTokenResponse(server, self, again)).rejects.toMatchObject({
      error: 'invalid_grant',
      status: 400,
    });
  });

  it('openid-client: discovery, refresh, introspection, revocation', async () => {
    const client = driver().client(clientId);
    const config = await openid.discovery(new URL(issuer), client.clientId, undefined, openidProof(client), {
      algorithm: 'oauth2',
      execute: [openid.allowInsecureRequests],
    });
    const tokens = await driver().loginOf(client);
    const refreshed = await openid.refreshTokenGrant(config, tokens.refresh_token);
    expect(refreshed.expiresIn()).toBeGreaterThan(0);
    await verified(refreshed.access_token, client.clientId);
    if (client.method !== 'none') {
      expect(await openid.tokenIntrospection(config, refreshed.access_token)).toMatchObject({
        active: true,
        client_id: client.clientId,
        sid: tokens.sid,
      });
    }
    await openid.tokenRevocation(config, refreshed.access_token);
    if (client.method !== 'none') {
      expect(await openid.tokenIntrospection(config, refreshed.access_token)).toEqual({ active: false });
    }
    // The revocation of an access token leaves its session open.
    const next = await openid.refreshTokenGrant(config, String(refreshed.refresh_token));
    expect(next.access_token).not.toBe(refreshed.access_token);
  });
});

it('both discover the issuer as an OpenID provider, and the documents list what it serves', async () => {
  const server = await oauth4webapiServer('oidc');
  expect(server.issuer).toBe(issuer);
  expect(
    await openid.discovery(new URL(issuer), 'page', undefined, openid.None(), {
      execute: [openid.allowInsecureRequests],
    }),
  ).toBeDefined();

  const documents = ['oauth-authorization-server', 'openid-configuration'].map((name) => `/.well-known/${name}`);
  const [plain, oidc] = await Promise.all(documents.map(async (path) => (await request(issuer + path)).body));
  expect(oidc).toMatchObject(plain as object);
  const metadata = oidc as Record<string, string[]>;
  const { keys } = (await request(String(metadata.jwks_uri))).body as { keys: { alg: string }[] };
  expect(metadata.id_token_signing_alg_values_supported).toEqual([...new Set(keys.map(({ alg }) => alg))]);
  const offered = new Set(driver().clients.map(({ method }) => method));
  expect(new Set(metadata.token_endpoint_auth_methods_supported)).toEqual(offered);
  expect(new Set(metadata.introspection_endpoint_auth_methods_supported)).toEqual(
    new Set([...offered].filter((method) => method !== 'none')),
  );
  for (const grant of metadata.grant_types_supported ?? []) {
    const body = new URLSearchParams({ grant_type: grant, client_id: 'page' });
    const answer = await request(String(metadata.token_endpoint), { method: 'POST', body });
    // The grant is known; its token is missing, or a public client may not use it.
    const error = grant === 'client_credentials' ? 'unauthorized_client' : 'invalid_request';
    expect([grant, answer.body]).toMatchObject([grant, { error }]);
  }
  const unknown = new URLSearchParams({ grant_type: 'password', client_id: 'page' });
  expect((await request(String(metadata.token_endpoint), { method: 'POST', body: unknown })).body).toMatchObject({
    error: 'unsupported_grant_type',
  });
});

async function oauth4webapiServer(algorithm: 'oauth2' | 'oidc'): Promise<oauth.AuthorizationServer> {
  const url = new URL(issuer);
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm, ...insecure }));
}

function oauth4webapiProof({ method, secret, key, kid }: ProvingClient): oauth.ClientAuth {
  if (method === 'client_secret_basic') return oauth.ClientSecretBasic(secret);
  if (method === 'client_secret_post') return oauth.ClientSecretPost(secret);
  return method === 'none' ? oauth.None() : oauth.PrivateKeyJwt({ key, kid });
}

function openidProof({ method, secret, key, kid }: ProvingClient): openid.ClientAuth {
  if (method === 'client_secret_basic') return openid.ClientSecretBasic(secret);
  if (method === 'client_secret_post') return openid.ClientSecretPost(secret);
  return method === 'none' ? openid.None() : openid.PrivateKeyJwt({ key, kid });
}

/** By another library, with nothing but the address of the issuer (RFC 9068 section 4). */
async function verified(accessToken: string, clientId: string): Promise<void> {
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  const { payload } = await jwtVerify(accessToken, keys, { issuer, audience: 'prices', typ: 'at+jwt' });
  expect(payload).toMatchObject({ client_id: clientId, jti: expect.any(String), sub: expect.any(String) });
}
