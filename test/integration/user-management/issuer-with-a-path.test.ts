import * as oauth from 'oauth4webapi';
import { expect, test } from 'vitest';
import { createClient, freePort, openUserManagement } from '../../support/user-management.ts';

const insecure = { [oauth.allowInsecureRequests]: true };

async function started(path: string) {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}${path}`;
  const service = await openUserManagement({ PORT: String(port), ISSUER: issuer, PUBLISH_OPENAPI: 'true' });
  await service.register();
  return { ...service, issuer, below: createClient(issuer.replace(/\/$/, '')) };
}

test.each(['/tenant', '/a/b-c', '/tenant/'])('clients find, and use, an issuer at the path %s', async (path) => {
  const { issuer, login } = await started(path);
  for (const algorithm of ['oauth2', 'oidc'] as const) {
    const response = await oauth.discoveryRequest(new URL(issuer), { ...insecure, algorithm });
    const server = await oauth.processDiscoveryResponse(new URL(issuer), response);
    const { refresh } = await login();
    const client = { client_id: 'web' };
    const answer = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), refresh, insecure);
    const { refresh_token = '' } = await oauth.processRefreshTokenResponse(server, client, answer);
    const revoked = await oauth.revocationRequest(server, client, oauth.None(), refresh_token, insecure);
    await oauth.processRevocationResponse(revoked);
    const keys = await fetch(String(server.jwks_uri));
    expect([keys.status, await keys.json()]).toEqual([200, { keys: [expect.objectContaining({ use: 'sig' })] }]);
  }
});

test('serves the same whether a proxy keeps or removes the path', async () => {
  const { issuer, send, below } = await started('/tenant');
  const { origin } = new URL(issuer);
  const inserted = createClient(`${origin}/.well-known`);
  const metadata = [
    await send('/.well-known/oauth-authorization-server'),
    await below.send('/.well-known/oauth-authorization-server'),
    await inserted.send('/oauth-authorization-server/tenant'),
  ];
  for (const { status, text } of metadata) expect([status, text]).toEqual([200, metadata[0]?.text]);
  expect((await inserted.send('/openid-configuration/tenant')).status).toBe(200);
  for (const client of [{ send }, below]) {
    // The errors of OAuth's endpoints have its own shape.
    const refused = await client.send('/oauth2/token', { method: 'DELETE' });
    expect([refused.status, refused.body.error, refused.headers.get('allow')]).toEqual([
      405,
      'invalid_request',
      'POST',
    ]);
    const options = await client.send('/oauth2/token?x=1', { method: 'OPTIONS' });
    expect([options.status, options.headers.get('allow')]).toEqual([204, 'POST']);
  }
  for (const path of ['/oauth-authorization-server/other', '/oauth-authorization-server/tenant/more']) {
    expect([path, (await inserted.send(path)).status]).toEqual([path, 404]);
  }
  expect((await send('/tenants/oauth2/token', { method: 'POST' })).status).toBe(404);
});

test('has no empty list in the metadata (RFC 8414 section 3.2)', async () => {
  const { send } = await openUserManagement();
  for (const name of ['oauth-authorization-server', 'openid-configuration']) {
    const { body } = await send(`/.well-known/${name}`);
    expect(Object.entries(body).filter(([, value]) => Array.isArray(value) && value.length === 0)).toEqual([]);
    expect(body.response_types_supported).toEqual(['none']);
  }
});
