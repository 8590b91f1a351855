import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import type { Address } from './setting.ts';
import { ask, bearer, launchGate, openGate, startGate, untilReady } from './setting.ts';

/** The headers that nginx, Traefik and Envoy add to a check. */
const BY_PROXIES = [
  ['X-Original-URI', '/orders?scope=none'],
  ['X-Original-Method', 'DELETE'],
  ['X-Forwarded-Uri', '/orders?scope=none'],
  ['X-Forwarded-Method', 'POST'],
  ['X-Forwarded-Host', 'orders.example'],
  ['X-Forwarded-For', '203.0.113.7'],
  ['X-Envoy-Internal', 'true'],
] as const;

const json = [['Content-Type', 'application/json']] as const;

/** The check of each protocol, with requirements as a query. */
const CHECKS: readonly [string, (to: Address, query: string, token?: string) => ReturnType<typeof ask>][] = [
  [
    'nginx and Traefik',
    (to, query, token) => ask(to, `/auth?${query}`, [...BY_PROXIES, ...(token === undefined ? [] : bearer(token))]),
  ],
  [
    'Envoy',
    (to, query, token) =>
      ask(
        to,
        `/envoy/${query || '-'}/orders/7?scope=prices:read&max_age=99`,
        token === undefined ? [] : bearer(token),
        {
          method: 'POST',
          body: 'the body of the request',
        },
      ),
  ],
];

describe.each(CHECKS)('the check of %s', (_, check) => {
  it('accepts a token, states the identity, and refuses the token once it is revoked', async () => {
    const { issuer, gate, access } = await openGate();
    const accepted = await check(gate.address, '', access);
    expect(accepted.status).toBe(200);
    const { sub, sid, client_id: client } = JSON.parse(Buffer.from(access.split('.')[1] ?? '', 'base64url').toString());
    expect(accepted.headers).toMatchObject({
      'rescind-subject': sub,
      'rescind-session': sid,
      'rescind-client': client,
      'rescind-scope': expect.stringContaining('prices:read'),
      'cache-control': 'no-store',
    });
    await issuer.send('/logout', { method: 'POST', headers: issuer.asBearer(access) });
    const refused = await waitFor('the refusal', async () => {
      const answer = await check(gate.address, '', access);
      return answer.status === 401 && answer;
    });
    expect(refused.body).toMatchObject({ code: 'token_revoked' });
    expect(refused.headers['www-authenticate']).toContain('error="invalid_token"');
    expect(refused.headers['rescind-subject']).toBeUndefined();
  });

  it('refuses what has no token, lacks a scope, an audience or a recent login', async () => {
    const { gate, login } = await openGate();
    const { access } = await login('prices:read');
    const none = await check(gate.address, '');
    expect([none.status, none.body.code, none.headers['www-authenticate']]).toEqual([401, 'token_missing', 'Bearer']);

    const scope = await check(gate.address, 'scope=orders:write', access);
    expect([scope.status, scope.body.code]).toEqual([403, 'scope_insufficient']);
    expect(scope.headers['www-authenticate']).toContain('scope="orders:write"');

    expect((await check(gate.address, 'scope=prices:read&audience=prices&max_age=600', access)).status).toBe(200);
    const audience = await check(gate.address, 'audience=billing', access);
    expect([audience.status, audience.body.code]).toEqual([401, 'token_audience_wrong']);
    const strength = await check(gate.address, 'acr=phishing-resistant', access);
    expect([strength.status, strength.body.code]).toEqual([401, 'authentication_insufficient']);
    expect(strength.headers['www-authenticate']).toContain('acr_values="phishing-resistant"');
  });

  it('answers 500 to requirements that it does not know, and logs them once', async () => {
    const { gate, access } = await openGate();
    for (const query of ['scopes=orders:write', 'scope=', 'max_age=soon', 'max_age=1&max_age=2', 'Scope=a']) {
      for (let time = 0; time < 2; time++) {
        expect((await check(gate.address, query, access)).status, query).toBe(500);
      }
    }
    expect(gate.lines.filter(({ event }) => event === 'check_url_invalid')).toHaveLength(5);
  });
});

describe('nothing that a client sends widens a check', () => {
  it('refuses a request with an identity header, in any spelling', async () => {
    const { gate, access } = await openGate();
    for (const name of ['Rescind-Subject', 'rescind-subject', 'RESCIND_SUBJECT', 'Rescind_Session', 'Rescind-Scope']) {
      const forged = await ask(gate.address, '/auth', [...bearer(access), [name, 'admin']]);
      expect([forged.status, forged.body.code], name).toEqual([400, 'request_invalid']);
      expect(forged.headers['rescind-subject']).toBeUndefined();
    }
    const removed = await ask(gate.address, '/auth', [...bearer(access), ['Connection', 'close, rescind-subject']]);
    expect([removed.status, removed.body.code]).toEqual([400, 'request_invalid']);
  });

  it('requires REQUIRED_SCOPES whatever the check URL says', async () => {
    const { gate, login } = await openGate({ REQUIRED_SCOPES: 'orders:read' });
    const [narrow, wide] = [await login('prices:read'), await login('prices:read orders:read')];
    for (const path of ['/auth', '/auth?scope=prices:read', '/envoy/-', '/envoy/scope=prices:read/x']) {
      expect((await ask(gate.address, path, bearer(narrow.access))).status, path).toBe(403);
      expect((await ask(gate.address, path, bearer(wide.access))).status, path).toBe(200);
    }
    const body = JSON.stringify({ token: narrow.access, scopes: ['prices:read'] });
    expect((await ask(gate.address, '/check', json, { method: 'POST', body })).status).toBe(403);
  });

  it('reads the requirements of Envoy from the prefix of the proxy, not from the path of the client', async () => {
    const { gate, login } = await openGate();
    const { access } = await login('prices:read');
    for (const path of [
      '/',
      '/../-/',
      '/%2e%2e/-/x',
      '/?scope=prices:read',
      '?scope=prices:read',
      '//-/',
      '/scope=prices:read',
    ]) {
      expect((await ask(gate.address, `/envoy/scope=orders:write${path}`, bearer(access))).status, path).toBe(403);
    }
    expect((await ask(gate.address, '/envoy/', bearer(access))).status).toBe(500);
    expect((await ask(gate.address, `/envoy/-/x?access_token=${access}`)).status).toBe(400);
  });

  it('has no success without a token: other methods, other paths, preflights', async () => {
    const { gate } = await openGate();
    const preflight = [
      ['Origin', 'https://app.example'],
      ['Access-Control-Request-Method', 'POST'],
    ] as const;
    for (const path of ['/auth', '/AUTH', '/auth/', '/auth/x', '/envoy/-', '/envoy/-/auth', '/check', '/', '*']) {
      for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'DELETE', 'TRACE', 'PROPFIND']) {
        const { status } = await ask(gate.address, path, preflight, { method });
        expect(status, `${method} ${path}`).toBeGreaterThanOrEqual(400);
      }
    }
  });

  it('accepts no token of two Authorization headers, nor one of another scheme', async () => {
    const { gate, access } = await openGate();
    expect((await ask(gate.address, '/auth', [...bearer(access), ...bearer(access)])).status).toBe(400);
    expect((await ask(gate.address, '/auth', [['Authorization', `DPoP ${access}`]])).status).toBe(401);
    expect((await ask(gate.address, '/auth', [['Cookie', `token=${access}`]])).status).toBe(401);
  });
});

describe('POST /check', () => {
  const post = (to: Address, body: unknown, headers: readonly (readonly [string, string])[] = json) =>
    ask(to, '/check', headers, { method: 'POST', body: JSON.stringify(body) });

  it('returns the claims of an accepted token, and the refusal of another one', async () => {
    const { issuer, gate, access } = await openGate();
    const accepted = await post(gate.address, { token: access, scopes: ['orders:write'], audiences: ['orders'] });
    expect(accepted.status).toBe(200);
    expect(accepted.body).toMatchObject({
      claims: { iss: issuer.url, scope: expect.stringContaining('orders:write') },
    });
    const refused = await post(gate.address, { token: access, scopes: ['billing:write'] });
    expect([refused.status, refused.body.code]).toEqual([403, 'scope_insufficient']);
    expect((await post(gate.address, { token: 'a.b.c' })).status).toBe(401);
  });

  it('refuses other bodies, types and methods', async () => {
    const { gate, access } = await openGate();
    for (const body of [{}, { token: '' }, { token: access, scope: 'x' }, { token: access, scopes: [] }, [access], 7]) {
      expect((await post(gate.address, body)).status, JSON.stringify(body)).toBe(400);
    }
    expect((await post(gate.address, { token: access }, [['Content-Type', 'text/plain']])).status).toBe(415);
    const wrong = await ask(gate.address, '/check', bearer(access));
    expect([wrong.status, wrong.headers.allow]).toEqual([405, 'POST']);
  });
});

describe('the Unix socket', () => {
  it('has the same checks, for its user and group, and replaces the socket of a killed process', async () => {
    const socketPath = join(temporaryDirectory(), 'gate.sock');
    const { issuer, gate, access } = await openGate({ SOCKET_PATH: socketPath });
    expect(statSync(socketPath).mode & 0o777).toBe(0o660);
    expect((await ask({ socketPath }, '/auth', bearer(access))).status).toBe(200);
    expect((await ask({ socketPath }, '/auth')).status).toBe(401);

    const second = launchGate(issuer.url, { SOCKET_PATH: socketPath });
    expect(await second.exit).toBe(1);
    expect(second.output()).toMatch(/SOCKET_PATH .* cannot be listened on \(EADDRINUSE\)/);
    expect((await ask({ socketPath }, '/auth', bearer(access))).status).toBe(200);

    gate.kill('SIGKILL');
    await gate.exit;
    const third = await startGate(issuer.url, { SOCKET_PATH: socketPath });
    await untilReady(third);
    expect((await ask({ socketPath }, '/auth', bearer(access))).status).toBe(200);
    third.kill('SIGTERM');
    expect(await third.exit).toBe(0);
    expect(statSync(socketPath, { throwIfNoEntry: false })).toBeUndefined();
  });
});

it('refuses tokens with 503 before it has caught up, and shows it on the management port', async () => {
  const { issuer, access } = await openGate();
  const gate = await startGate(issuer.url, { ISSUER_URL: 'http://127.0.0.1:9' });
  expect((await fetch(`${gate.managementUrl}/readyz`)).status).toBe(503);
  const answer = await ask(gate.address, '/auth', bearer(access));
  expect([answer.status, answer.body.code]).toEqual([503, 'keys_unavailable']);
  expect(answer.headers['retry-after']).toMatch(/^\d+$/);
  expect(answer.headers['rescind-subject']).toBeUndefined();
});

it('shows its decisions on the management port', async () => {
  const { gate, access } = await openGate();
  await ask(gate.address, '/auth', bearer(access));
  await waitFor('the metric', async () =>
    (await (await fetch(`${gate.managementUrl}/metrics`)).text()).includes(
      'rescind_decisions_total{result="accepted"} 1',
    ),
  );
});

it('has its example of nginx in the page as it is', () => {
  const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
  expect(read('docs/gate.md')).toContain(`\`\`\`nginx\n${read('examples/gate/nginx.conf')}\`\`\``);
});
