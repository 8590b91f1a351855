import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import type { FleetResponse } from '@rescind/dev-fleet';
import { bearer, codeOf, request } from '@rescind/dev-fleet';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { untilAll, verdictOf } from '../support/fleet.ts';
import { assertionOf, JWT_BEARER } from '../support/oauth-clients.ts';
import { basicHeader, oauthFleet } from '../support/oauth-fleet.ts';

// Tests of known faults of other issuers, by requests to running processes.

const driver = oauthFleet({ prices: 1, orders: 0, environment: { CORS_ORIGINS: 'https://app.example' } });

const errorOf = ({ status, body }: FleetResponse) => [status, (body as { error?: string }).error];

describe('revoking and introspecting', () => {
  test('security 30: revoking twice, or an invalid token, is 200; revoking a refresh token revokes its access tokens', async () => {
    const { form, fleet, login, refresh } = driver();
    const tokens = await login();
    const revoke = (token: string) => form('/oauth2/revoke', { token, client_id: 'web' });
    for (const token of ['nonsense', 'a.b.c', tokens.refresh_token, tokens.refresh_token, tokens.access_token]) {
      expect((await revoke(token)).status).toBe(200);
    }
    await untilAll(fleet.instances, tokens.access_token, 'token_revoked');
    expect(errorOf(await refresh(tokens.refresh_token))).toEqual([400, 'invalid_grant']);
  });

  test('security 31: only its own client can revoke a token, and only authenticated', async () => {
    const { form, accepts, accountAudience, login, basic, refresh } = driver();
    const tokens = await login({ resource: accountAudience });
    const stranger = { authorization: basic.authorization };
    for (const token of [tokens.access_token, tokens.refresh_token]) {
      expect(errorOf(await form('/oauth2/revoke', { token }, stranger))).toEqual([400, 'invalid_grant']);
    }
    expect((await accepts(tokens.access_token)).status).toBe(200);
    expect((await refresh(tokens.refresh_token)).status).toBe(200);

    const wrong = { authorization: basicHeader(basic.clientId, 'not the secret of this client, but as long') };
    const refused = await form('/oauth2/revoke', { token: tokens.access_token }, wrong);
    expect(errorOf(refused)).toEqual([401, 'invalid_client']);
    expect(refused.headers.get('www-authenticate')).toMatch(/^Basic /);
    expect(errorOf(await form('/oauth2/revoke', { token: 'x', client_id: 'nobody' }))).toEqual([401, 'invalid_client']);
  });

  test('security 32: introspection requires authentication, and every inactive token has the same response', async () => {
    const { form, introspect, login, refresh, fleet, basic } = driver();
    for (const fields of [{}, { client_id: 'web' }, { client_id: basic.clientId }, { client_id: 'nobody' }]) {
      expect(errorOf(await form('/oauth2/introspect', { token: 'x', ...fields }))).toEqual([401, 'invalid_client']);
    }
    const tokens = await login();
    const answer = await introspect(tokens.access_token);
    expect(answer.headers.get('cache-control')).toContain('no-store');
    expect(answer.body).toMatchObject({ ...decodeJwt(tokens.access_token), active: true });

    const used = await login();
    await refresh(used.refresh_token);
    const ended = await login();
    await fleet.client.logout(ended.access_token);
    const foreign = tokens.access_token.replace(
      /\.[^.]+\./,
      `.${Buffer.from('{"iss":"https://other"}').toString('base64url')}.`,
    );
    const inactive = [
      used.refresh_token,
      ended.access_token,
      ended.refresh_token,
      foreign,
      'nonsense',
      tokens.access_token.slice(0, -3),
    ];
    const answers = await Promise.all(inactive.map(introspect));
    for (const { status, body, headers } of answers) {
      expect([status, body, headers.get('cache-control')]).toEqual([200, { active: false }, 'no-store']);
    }
    // A refresh token is active for its own client only.
    expect((await introspect(tokens.refresh_token)).body).toEqual({ active: false });
  });
});

describe('client authentication', () => {
  test('accepts one method per request (RFC 6749 section 2.3)', async () => {
    const { form, basic, loginOf, client } = driver();
    const { refresh_token } = await loginOf(client(basic.clientId));
    const fields = { grant_type: 'refresh_token', refresh_token };
    const headers = { authorization: basic.authorization };
    const secret = client(basic.clientId).secret;
    const two = [
      { ...fields, client_id: basic.clientId, client_secret: secret },
      {
        ...fields,
        client_assertion: 'a.b.c',
        client_assertion_type: JWT_BEARER,
      },
      { ...fields, client_id: 'web' },
    ];
    for (const sent of two)
      expect(errorOf(await form('/oauth2/token', sent, headers))).toEqual([400, 'invalid_request']);
    // The right secret by another method than the registered one, and no secret.
    for (const sent of [{ client_secret: secret }, {}]) {
      const answer = await form('/oauth2/token', { ...fields, client_id: basic.clientId, ...sent });
      expect(errorOf(answer)).toEqual([401, 'invalid_client']);
    }
    for (const authorization of [
      'Basic',
      'Basic !!!',
      `Basic ${btoa('no colon')}`,
      `Basic ${btoa('a:%zz')}`,
      'Bearer x',
    ]) {
      const answer = await form('/oauth2/token', fields, { authorization });
      expect([authorization, ...errorOf(answer)]).toEqual([authorization, 401, 'invalid_client']);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Basic /);
    }
    expect((await form('/oauth2/token', fields, headers)).status).toBe(200);
  });

  test('accepts an assertion once', async () => {
    const { form, url, client } = driver();
    const client_assertion = await assertionOf(client('backend-ES256'), url);
    const ask = () => form('/oauth2/introspect', { token: 'x', client_assertion, client_assertion_type: JWT_BEARER });
    expect((await ask()).body).toEqual({ active: false });
    expect(errorOf(await ask())).toEqual([401, 'invalid_client']);
    const forEndpoint = await assertionOf(client('backend-ES256'), `${url}/oauth2/introspect`);
    const fields = { token: 'x', client_assertion: forEndpoint, client_assertion_type: JWT_BEARER };
    expect(errorOf(await form('/oauth2/introspect', fields))).toEqual([401, 'invalid_client']);
  });
});

describe('transport', () => {
  test('security 50: responses with tokens and errors must not be stored', async () => {
    const { form, json, refresh, login, user } = driver();
    const { refresh_token } = await login();
    const answers = [
      await json('/login', user),
      await refresh(refresh_token),
      await json('/login', { ...user, password: 'another one that is long enough' }),
      await refresh('nonsense'),
      await form('/oauth2/token', {}),
      await form('/oauth2/introspect', { token: 'x' }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 401, 400, 400, 401]);
    for (const { headers } of answers) expect(headers.get('cache-control')).toContain('no-store');
  });

  test('security 51, 52: a token is accepted in the header and nowhere else', async () => {
    const { url, fleet, login, accepts, accountAudience } = driver();
    const [instance] = fleet.instances;
    const { access_token } = await login();
    for (const base of [`${url}/sessions`, `${instance?.url}/prices`]) {
      const inAddress = await request(`${base}?access_token=${access_token}`);
      expect([inAddress.status, codeOf(inAddress)]).toEqual([400, 'request_invalid']);
      const both = await request(`${base}?access_token=${access_token}`, bearer(access_token));
      expect(both.status).toBe(400);
      const none = await request(base);
      expect([none.status, none.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      const bad = await request(base, bearer('nonsense'));
      expect(bad.headers.get('www-authenticate')).toContain('error="invalid_token"');
      expect(await twoHeaders(base, [`Bearer ${access_token}`, `Bearer ${access_token}`])).toBe(400);
    }
    const premium = await request(`${instance?.url}/prices/premium`, bearer(access_token));
    expect([premium.status, premium.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('error="insufficient_scope"'),
    ]);
    const { access_token: forAccount } = await login({ resource: accountAudience });
    expect((await accepts(forAccount)).status).toBe(200);
  });

  test('security 55: no origin is reflected; other methods are 405, TRACE too', async () => {
    const { url } = driver();
    const origin = async (value: string, path = '/.well-known/jwks.json', init: RequestInit = {}) => {
      const { headers } = await request(url + path, { ...init, headers: { ...init.headers, origin: value } });
      return headers.get('access-control-allow-origin');
    };
    const preflight = { method: 'OPTIONS', headers: { 'access-control-request-method': 'POST' } };
    expect(await origin('https://app.example')).toBe('https://app.example');
    expect(await origin('https://app.example', '/oauth2/token', preflight)).toBe('https://app.example');
    for (const stranger of ['https://evil.example', 'https://app.example.evil.example', 'null', url]) {
      expect(await origin(stranger)).toBeNull();
      expect(await origin(stranger, '/oauth2/token', preflight)).toBeNull();
      expect(await origin(stranger, '/nowhere')).toBeNull();
    }
    for (const path of ['/login', '/oauth2/token', '/oauth2/introspect']) {
      for (const method of ['TRACE', 'GET', 'PUT', 'DELETE', 'PROPFIND']) {
        expect(await methodStatus(method, url + path)).toEqual([405, 'POST']);
      }
    }
  });

  test('security 57: bodies have limits of type, size and depth, and each parameter occurs once', async () => {
    const { url } = driver();
    const post = async (path: string, body: string, type: string) => {
      const answer = await request(url + path, { method: 'POST', body, headers: { 'content-type': type } });
      return [answer.status, codeOf(answer)];
    };
    const [form, json] = ['application/x-www-form-urlencoded', 'application/json'];
    for (const path of ['/oauth2/token', '/oauth2/revoke', '/oauth2/introspect']) {
      expect(await post(path, 'token=a&token=b&grant_type=x&grant_type=x', form)).toEqual([400, 'request_invalid']);
      expect(await post(path, 'token=a&token=a&grant_type=x&grant_type=x', form)).toEqual([400, 'request_invalid']);
      expect(await post(path, '{"token":"a"}', json)).toEqual([400, 'request_invalid']);
      expect(await post(path, `token=${'x'.repeat(20_000)}`, form)).toEqual([413, 'body_too_large']);
    }
    expect(await post('/login', `${'['.repeat(5_000)}${']'.repeat(5_000)}`, json)).toEqual([400, 'request_invalid']);
    expect(await post('/login', 'username=ada', form)).toEqual([415, 'media_type_wrong']);
    expect(await post('/login', JSON.stringify({ password: 'x'.repeat(20_000) }), json)).toEqual([
      413,
      'body_too_large',
    ]);
  });

  test('security 56, 58: forwarded addresses are ignored, the management port is not public, no banner is sent', async () => {
    const { url, fleet } = driver();
    for (const path of ['/metrics', '/readyz', '/livez', '/version', '/openapi.json', '/admin/sessions']) {
      expect([path, (await request(url + path)).status]).toEqual([path, 404]);
    }
    const { headers } = await request(`${url}/.well-known/jwks.json`);
    expect([headers.get('server'), headers.get('x-powered-by')]).toEqual([null, null]);
    // Each request claims another address. If that were trusted, no limit would be reached.
    const answers = await Promise.all(
      Array.from({ length: 130 }, (_, index) =>
        request(`${url}/login`, { method: 'POST', headers: { 'x-forwarded-for': `203.0.113.${index}` } }),
      ),
    );
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(0);
    expect(await verdictOf(fleet.instances[0] as never, 'nonsense')).toBe('token_malformed');
  });
});

/** Two headers of one name, which fetch cannot send. */
function twoHeaders(url: string, authorization: string[]): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const { hostname, port, pathname } = new URL(url);
    const socket = connect(Number(port), hostname, () => {
      const lines = authorization.map((value) => `Authorization: ${value}\r\n`).join('');
      socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\n${lines}Connection: close\r\n\r\n`);
    });
    let text = '';
    socket.on('data', (chunk) => (text += chunk)).on('error', reject);
    socket.on('end', () => resolve(Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])));
  });
}

function methodStatus(method: string, url: string): Promise<[number | undefined, string | undefined]> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(url, { method }, (response) => {
      response.resume();
      resolve([response.statusCode, response.headers.allow]);
    });
    sent.on('error', reject).end();
  });
}
