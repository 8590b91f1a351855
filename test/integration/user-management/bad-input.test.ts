import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { openUserManagement, USER } from '../../support/user-management.ts';

const json = { 'Content-Type': 'application/json' };
const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
const login = JSON.stringify(USER);

const jsonBodies: [string, string, number][] = [
  ['nothing', '', 400],
  ['no JSON', '{"username":', 400],
  ['a list', '[]', 400],
  ['a text', '"ada"', 400],
  ['null', 'null', 400],
  ['a number for a name', '{"username":1,"password":"correct horse"}', 400],
  ['a list for a name', '{"username":["ada"],"password":"correct horse"}', 400],
  ['an object for a password', '{"username":"ada","password":{"$ne":null}}', 400],
  ['no password', '{"username":"ada"}', 400],
  ['an unknown member', `{"admin":true,${login.slice(1)}`, 400],
  ['a prototype', `{"__proto__":{"admin":true},${login.slice(1)}`, 400],
  ['an empty name', '{"username":"","password":"correct horse"}', 400],
  ['a line end in the name', '{"username":"ada\\r\\nlevel: error","password":"correct horse"}', 400],
  ['colours in the name', '{"username":"\\u001b[31mada","password":"correct horse"}', 400],
  ['a NUL in the name', '{"username":"ada\\u0000","password":"correct horse"}', 400],
  ['a long name', JSON.stringify({ username: 'a'.repeat(65), password: 'correct horse' }), 400],
  ['a very long password', JSON.stringify({ username: 'ada', password: 'x'.repeat(2_000) }), 400],
  ['deep', `{"username":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, 400],
  ['large', JSON.stringify({ username: 'ada', password: 'x'.repeat(20_000) }), 413],
];

const formBodies: [string, string, number][] = [
  ['nothing', '', 400],
  ['a parameter twice', 'grant_type=refresh_token&refresh_token=a&refresh_token=b&token=a&token=b', 400],
  ['the same twice', 'grant_type=refresh_token&grant_type=refresh_token&token=a&token=a', 400],
  ['brackets', 'grant_type[]=refresh_token&token[a]=b', 400],
  ['no UTF-8', 'grant_type=%FF%FE&token=', 400],
  ['large', `token=${'x'.repeat(20_000)}`, 413],
];

describe('bodies', () => {
  test.each(['/register', '/login'])('JSON to POST %s', async (path) => {
    const service = await openUserManagement({ LOGINS_PER_MINUTE: '1000' });
    for (const [what, body, status] of jsonBodies) {
      const answer = await service.send(path, { method: 'POST', headers: json, body });
      expect([what, answer.status]).toEqual([what, status]);
      expect(answer.body.code).toBe(status === 413 ? 'body_too_large' : 'request_invalid');
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', '']) {
      const answer = await service.send(path, { method: 'POST', headers: { 'Content-Type': type }, body: login });
      expect([type, answer.status, answer.body.code]).toEqual([type, 415, 'media_type_wrong']);
    }
    expect((await service.post('/login', USER)).status).toBe(401);
  });

  test('JSON to POST /password', async () => {
    const service = await openUserManagement({ LOGINS_PER_MINUTE: '1000' });
    await service.register();
    const { access } = await service.login();
    for (const [what, body, status] of jsonBodies) {
      const headers = { ...json, ...service.asBearer(access) };
      const answer = await service.send('/password', { method: 'POST', headers, body });
      expect([what, answer.status]).toEqual([what, status]);
    }
    expect((await service.post('/login', USER)).status).toBe(200);
  });

  test.each(['/oauth2/token', '/oauth2/revoke', '/oauth2/introspect'])('a form to POST %s', async (path) => {
    const service = await openUserManagement();
    for (const [what, body, status] of formBodies) {
      const answer = await service.send(path, { method: 'POST', headers: form, body });
      expect([what, answer.status]).toEqual([what, status]);
      if (status === 400) expect(answer.body.error).toMatch(/^(invalid_request|unsupported_grant_type)$/);
    }
    const latin1 = { 'Content-Type': `${form['Content-Type']}; charset=latin1` };
    for (const headers of [json, latin1, { ...form, 'Content-Encoding': 'gzip' }]) {
      const { status, body, text } = await service.send(path, { method: 'POST', headers, body: '{"token":"a"}' });
      expect([status, body.error, body.code]).toEqual([400, 'invalid_request', 'request_invalid']);
      expect(text).toContain('application/x-www-form-urlencoded');
    }
  });

  test('refuses credentials in the address', async () => {
    const service = await openUserManagement();
    await service.register();
    const { refresh } = await service.login();
    const query = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: refresh, token: refresh, ...USER });
    for (const path of ['/login', '/oauth2/token', '/oauth2/revoke']) {
      const headers = path === '/login' ? json : form;
      const answer = await service.send(`${path}?${query}`, { method: 'POST', headers, body: '' });
      expect([path, answer.status]).toEqual([path, 400]);
    }
    expect((await service.refresh(refresh)).status).toBe(200);
  });
});

describe('addresses and methods', () => {
  const addresses: [string, string][] = [
    ['/register', 'POST'],
    ['/login', 'POST'],
    ['/logout', 'POST'],
    ['/logout-everywhere', 'POST'],
    ['/password', 'POST'],
    ['/oauth2/token', 'POST'],
    ['/oauth2/revoke', 'POST'],
    ['/.well-known/jwks.json', 'GET, HEAD'],
    ['/.well-known/event-jwks.json', 'GET, HEAD'],
    ['/.well-known/oauth-authorization-server', 'GET, HEAD'],
    ['/.well-known/openid-configuration', 'GET, HEAD'],
    ['/revocations', 'GET, HEAD'],
    ['/revocations/proof', 'POST'],
  ];

  test('answers 405 with the known methods to another method, TRACE included', async () => {
    const { url } = await openUserManagement();
    const ask = (method: string, path: string) =>
      new Promise<[number | undefined, string | undefined]>((resolve, reject) => {
        const sent = request(url + path, { method }, (response) => {
          response.resume();
          resolve([response.statusCode, response.headers.allow]);
        });
        sent.on('error', reject).end();
      });
    for (const [path, allowed] of addresses) {
      for (const method of ['TRACE', 'DELETE', 'PUT', allowed === 'POST' ? 'GET' : 'POST']) {
        expect([method, path, ...(await ask(method, path))]).toEqual([method, path, 405, allowed]);
      }
    }
  });

  test('answers 404 without details to an unknown address', async () => {
    const service = await openUserManagement();
    for (const path of [
      '/',
      '/admin',
      '/metrics',
      '/livez',
      '/readyz',
      '/version',
      '/login/..%2f',
      '/%00',
      '/users/1',
    ]) {
      const answer = await service.send(path);
      expect([path, answer.status, answer.body]).toEqual([
        path,
        404,
        expect.objectContaining({ code: 'not_found', title: 'There is nothing at this address' }),
      ]);
    }
  });

  test('admits no foreign origin', async () => {
    const service = await openUserManagement();
    const headers = { ...json, Origin: 'https://evil.example' };
    const answer = await service.send('/login', { method: 'POST', headers, body: login });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });
});
