import { createRemoteJWKSet, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { openUserManagement } from '../../support/user-management.ts';

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };

async function started(environment?: Record<string, string>) {
  const service = await openUserManagement(environment);
  await service.register();
  return service;
}

describe('refreshing (RFC 6749 section 6)', () => {
  test('rotates, and ends the session at a reuse', async () => {
    const service = await started({ REFRESH_GRACE: '0s' });
    const { refresh } = await service.login();
    const second = await service.refresh(refresh, { client_id: 'web' });
    expect(second.headers.get('cache-control')).toBe('no-store');
    const pair = service.tokensOf(second);
    const reused = await service.refresh(refresh);
    expect([reused.status, reused.body.error, reused.body.code]).toEqual([400, 'invalid_grant', 'grant_reused']);
    expect(await service.accepts(pair.access)).toBe(401);
    expect((await service.refresh(pair.refresh)).status).toBe(400);
  });

  test('repeats a lost response', async () => {
    const service = await started();
    const { refresh } = await service.login();
    const answers = await Promise.all(Array.from({ length: 10 }, () => service.refresh(refresh)));
    const successors = new Set(answers.map((answer) => service.tokensOf(answer).refresh));
    expect(successors.size).toBe(1);
  });

  test.each([
    [{ grant_type: 'password', username: 'ada', password: 'x' }, 400, 'unsupported_grant_type'],
    [{ grant_type: 'refresh_token' }, 400, 'invalid_request'],
    [{ refresh_token: 'x' }, 400, 'invalid_request'],
    [{ grant_type: 'refresh_token', refresh_token: 'nonsense' }, 400, 'invalid_grant'],
    [{ grant_type: 'refresh_token', refresh_token: 'x'.repeat(513) }, 400, 'invalid_request'],
    [{ grant_type: 'refresh_token', refresh_token: 'x', client_id: 'another' }, 401, 'invalid_client'],
    [{ grant_type: 'refresh_token', refresh_token: 'x', scope: 'a  b' }, 400, 'invalid_request'],
  ])('%j is answered %i %s', async (fields, status, error) => {
    const service = await openUserManagement();
    const answer = await service.form('/oauth2/token', fields as unknown as Record<string, string>);
    expect([answer.status, answer.body.error]).toEqual([status, error]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });

  test('narrows the scope, and never widens it', async () => {
    const service = await started();
    const { refresh } = await service.login({ resource: undefined });
    const narrowed = await service.refresh(refresh, { scope: 'orders:read' });
    expect(narrowed.body.scope).toBe('orders:read');
    const wider = await service.refresh(String(narrowed.body.refresh_token), { scope: 'prices:premium' });
    expect([wider.status, wider.body.error]).toEqual([400, 'invalid_scope']);
  });

  test('refuses a public client that authenticates', async () => {
    const service = await started();
    const { refresh } = await service.login();
    const fields = { grant_type: 'refresh_token', refresh_token: refresh };
    const answer = await service.form('/oauth2/token', fields, { Authorization: 'Basic d2ViOng=' });
    expect([answer.status, answer.body.error]).toEqual([401, 'invalid_client']);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic /);
  });
});

test('ignores parameters that it does not know, however often they are given, and refuses known ones given twice', async () => {
  const service = await started();
  const { refresh } = await service.login();
  const ask = (...more: string[]) => {
    const body = [`grant_type=refresh_token&refresh_token=${refresh}`, ...more].join('&');
    return service.send('/oauth2/token', { method: 'POST', headers: FORM, body });
  };
  for (const known of ['scope=prices:read&scope=prices:read', 'client_id=web&client_id=web', 'refresh_token=x']) {
    const refused = await ask(known);
    expect([known, refused.status, refused.body.error]).toEqual([known, 400, 'invalid_request']);
  }
  expect((await ask('claims=a&claims=b', 'constructor=a&constructor=b', '__proto__=a&__proto__=b')).status).toBe(200);
});

describe('revoking (RFC 7009)', () => {
  test('denies an access token alone', async () => {
    const service = await started();
    const { access, refresh } = await service.login();
    const answer = await service.form('/oauth2/revoke', { token: access, token_type_hint: 'access_token' });
    expect([answer.status, answer.text]).toEqual([200, '{}']);
    expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
    expect(await service.accepts(access)).toBe(401);
    expect((await service.refresh(refresh)).status).toBe(200);
  });

  test('denies the access tokens of a refresh token', async () => {
    const service = await started();
    const { access, refresh } = await service.login();
    expect((await service.form('/oauth2/revoke', { token: refresh, client_id: 'web' })).status).toBe(200);
    expect(await service.accepts(access)).toBe(401);
    expect((await service.refresh(refresh)).status).toBe(400);
  });

  test('answers 200 to a repeated, an unknown and an invalid token', async () => {
    const service = await started();
    const { access, refresh } = await service.login();
    for (const token of [access, access, refresh, refresh, 'nonsense', 'a.b.c', '💥', 'x'.repeat(10_000)]) {
      expect((await service.form('/oauth2/revoke', { token })).status).toBe(200);
    }
  });

  test('answers OAuth errors without a token and to an unknown client', async () => {
    const service = await openUserManagement();
    expect((await service.form('/oauth2/revoke', {})).body.error).toBe('invalid_request');
    expect((await service.form('/oauth2/revoke', { token: '' })).body.error).toBe('invalid_request');
    const stranger = await service.form('/oauth2/revoke', { token: 'x', client_id: 'another' });
    expect([stranger.status, stranger.body.error]).toEqual([401, 'invalid_client']);
  });
});

describe('published keys and metadata', () => {
  test('let another library verify a token', async () => {
    const service = await started();
    const { access } = await service.login({ resource: undefined });
    const keys = createRemoteJWKSet(new URL(`${service.url}/.well-known/jwks.json`));
    const { payload } = await jwtVerify(access, keys, { issuer: service.url, audience: 'orders', typ: 'at+jwt' });
    expect(payload.client_id).toBe('web');
    const eventKeys = createRemoteJWKSet(new URL(`${service.url}/.well-known/event-jwks.json`));
    await expect(jwtVerify(access, eventKeys)).rejects.toThrow();
  });

  test('may be cached for a minute, and have no private part', async () => {
    const service = await openUserManagement();
    for (const name of ['jwks.json', 'event-jwks.json', 'oauth-authorization-server', 'openid-configuration']) {
      const answer = await service.send(`/.well-known/${name}`);
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'public, max-age=60']);
      expect(answer.text).not.toMatch(/"(d|p|q|dp|dq|qi)":/);
    }
  });

  test('name addresses that exist (RFC 8414)', async () => {
    const service = await openUserManagement();
    const { body } = await service.send('/.well-known/oauth-authorization-server');
    expect(body).toMatchObject({
      issuer: service.url,
      grant_types_supported: ['refresh_token', 'client_credentials', 'urn:rescind:params:oauth:grant-type:renewal'],
      scopes_supported: expect.arrayContaining(['prices:read', 'orders:read', 'account', 'admin:users:read']),
    });
    for (const name of [
      'token_endpoint',
      'revocation_endpoint',
      'jwks_uri',
      'event_jwks_uri',
      'revocations_endpoint',
    ]) {
      expect((await fetch(String(body[name]), { method: 'OPTIONS' })).status, name).not.toBe(404);
    }
  });
});
