import { once } from 'node:events';
import { chmodSync } from 'node:fs';
import { request } from 'node:http';
import { openService } from '@rescind/service';
import { SCOPES, userManagement } from '@rescind/user-management';
import { describe, expect, test } from 'vitest';
import {
  basic,
  createAdministrator,
  openAdministered,
  secretOf,
  writeOperators,
} from '../../support/administration.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { createClient, freePort, issuerEnvironment } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

describe('administrators', () => {
  test('security 58: have no endpoint on the public port, and must authenticate to read the document', async () => {
    const { url, adminUrl, ada, send } = await openAdministered();
    for (const path of ['/admin/audit', '/admin/openapi.json', '/admin/emergency']) {
      expect((await fetch(url + path, { headers: basic('ada') })).status, path).toBe(404);
    }
    expect((await fetch(`${adminUrl}/admin/openapi.json`)).status).toBe(401);
    expect((await fetch(`${adminUrl}/login`, { method: 'POST' })).status).toBe(404);
    const { status, body, headers } = await ada.get('/admin/openapi.json');
    expect([status, body.openapi]).toEqual([200, '3.1.1']);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('x-powered-by')).toBeNull();
    expect((await send('/readyz')).status).toBe(404);
  });

  test('get a 401 with both challenges; an unknown name and a wrong secret get the same response', async () => {
    const { adminUrl } = await openAdministered();
    const ask = async (headers: Record<string, string>) => {
      const { status, body, headers: answered } = await createAdministrator(adminUrl, headers).get('/admin/audit');
      return [status, body.code, answered.get('www-authenticate')];
    };
    const challenge = 'Basic realm="rescind admin", charset="UTF-8"';
    expect(await ask({})).toEqual([401, 'token_missing', `${challenge}, Bearer`]);
    for (const [name, secret] of [
      ['ada', 'wrong'],
      ['nobody', secretOf('ada')],
      ['ada', ''],
      ['__proto__', secretOf('ada')],
    ] as const) {
      expect(await ask(basic(name, secret))).toEqual([401, 'operator_invalid', challenge]);
    }
    expect(await ask({ Authorization: 'Basic !!!' })).toEqual([401, 'operator_invalid', challenge]);
    expect((await ask({ Authorization: 'Bearer nonsense' }))[1]).toBe('token_malformed');
    const inAddress = await createAdministrator(adminUrl, {}).get('/admin/audit?access_token=x');
    expect([inAddress.status, inAddress.body.code]).toEqual([400, 'request_invalid']);
  });

  test('security 56: are throttled by their trusted address after failures, and admitted with the right secret', async () => {
    const { adminUrl, ada, lines } = await openAdministered();
    const wrong = (from = 0) =>
      createAdministrator(adminUrl, { ...basic('ada', 'wrong'), 'X-Forwarded-For': `203.0.113.${from}` });
    const codes: number[] = [];
    for (let attempt = 0; attempt < 12; attempt++) codes.push((await wrong(attempt).get('/admin/audit')).status);
    expect(codes).toEqual([...Array(10).fill(401), 429, 429]);
    const limited = await wrong().get('/admin/audit');
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ada.get('/admin/audit')).status).toBe(200);
    expect(lines.join('')).toContain('"event":"authn_login_fail"');
    expect(lines.join('')).toContain('"event":"excess_rate_limit_exceeded"');
    expect(lines.join('')).not.toContain(secretOf('ada'));
  });

  test('have scopes per operation: a 403 names the required one; write permission includes read', async () => {
    const { as } = await openAdministered();
    const refused = await as('reader').post('/admin/emergency', { confirm: 'everybody', why: 'I may not' });
    expect([refused.status, refused.body.code]).toEqual([403, 'scope_insufficient']);
    expect(refused.headers.get('www-authenticate')).toContain('scope="admin:revocations:write"');
    expect((await as('reader').get('/admin/revocations')).status).toBe(200);
    expect((await as('reader').get('/admin/users')).status).toBe(403);
    expect((await as('helpdesk').get('/admin/users')).status).toBe(200);
    expect((await as('helpdesk').get('/admin/sessions')).status).toBe(403);
  });
});

/** Every area, as the scopes name it: a new one is here without a change. */
const AREAS = [...new Set(SCOPES.flatMap(({ name }) => /^admin:([a-z]+)/.exec(name)?.[1] ?? []))];

/** Operations that every administrator may call: they return the own scopes. */
const WITHOUT_SCOPE = ['getMe'];

test('security 69: every operation of the document requires authentication and its own scope, of operators and users', async () => {
  /** For each area, all scopes except those of the area; and those that only read it. */
  const without = Object.fromEntries(
    AREAS.flatMap((area) => {
      const others = AREAS.filter((other) => other !== area).map((other) => `admin:${other}`);
      return [
        [`no-${area}`, others],
        [`reads-${area}`, [...others, `admin:${area}:read`]],
      ];
    }),
  );
  const names = { ada: ['admin:sessions', 'admin:users', 'admin:audit'], ...without };
  const operators = Object.entries(names).map(([name, scopes]) => [name, { secret: secretOf(name), scopes }] as const);
  const service = await openAdministered({
    ADMIN_OPERATORS_FILE: writeOperators(temporaryDirectory(), Object.fromEntries(operators)),
  });
  const { ada, adminUrl, adminAudience, subOf, login, asBearer } = service;
  const { paths } = (await ada.get('/admin/openapi.json')).body as unknown as { paths: Paths };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, security }]) => ({ path, method, operationId, security })),
  );
  expect(operations.length).toBeGreaterThan(30);
  expect(AREAS).toEqual(expect.arrayContaining(['revocations', 'users', 'events', 'audit']));
  const sub = await subOf();
  await ada.put(`/admin/users/${sub}/scopes`, { scopes: ['admin:audit:read'], why: 'a test' });
  const { access } = await login({ resource: adminAudience });
  for (const { path, method, operationId, security } of operations) {
    const [{ operatorBasic: scopes } = { operatorBasic: [] }] = security;
    if (WITHOUT_SCOPE.includes(operationId)) {
      expect([scopes, (await fetch(adminUrl + path, { method })).status]).toEqual([[], 401]);
      continue;
    }
    expect(scopes, operationId).toEqual([expect.stringMatching(/^admin:[a-z]+:(read|write)$/)]);
    const [, area = '', verb = ''] = String(scopes[0]).split(':');
    const ask = async (headers: Record<string, string>) => {
      const answer = await fetch(adminUrl + path.replaceAll(/\{\w+\}/g, 'x'), {
        method: method.toUpperCase(),
        headers,
      });
      return [operationId, answer.status, answer.headers.get('www-authenticate')?.includes(`scope="${scopes[0]}"`)];
    };
    expect((await ask({})).slice(0, 2)).toEqual([operationId, 401]);
    const refused = [operationId, 403, true];
    expect(await ask(basic(`no-${area}`))).toEqual(refused);
    if (verb === 'write') expect(await ask(basic(`reads-${area}`))).toEqual(refused);
    else expect((await ask(basic(`reads-${area}`)))[1]).not.toBe(403);
    if (area !== 'audit') expect(await ask(asBearer(access))).toEqual(refused);
  }
});

interface Paths {
  readonly [path: string]: {
    readonly [method: string]: {
      readonly operationId: string;
      readonly security: readonly { readonly operatorBasic: readonly string[] }[];
    };
  };
}

test('security 66: writes no control character into the log or the audit', async () => {
  const { adminUrl, ada, lines } = await openAdministered();
  const name = 'eve\r\nforged\u001b[31m';
  await createAdministrator(adminUrl, { ...basic(name), 'X-Request-Id': 'a b[31m' }).get('/admin/audit');
  const refused = await ada.post('/admin/emergency', { confirm: 'everybody', why: 'x\u001b[31m' });
  expect(refused.status).toBe(400);
  for (const text of [...lines, (await ada.get('/admin/audit')).text]) {
    for (const part of ['forged', '\u001b', '[31m']) expect(text.includes(part)).toBe(false);
  }
});

describe('a user who administers', () => {
  test('requires an access token with an admin scope, and loses access with the scope', async () => {
    const { adminUrl, adminAudience, ada, subOf, login, refresh, asBearer } = await openAdministered();
    const sub = await subOf();
    const before = await login({ resource: adminAudience });
    const asUser = (token: string) => createAdministrator(adminUrl, asBearer(token));
    const plain = await asUser(before.access).get('/admin/users');
    expect([plain.status, plain.body.code]).toEqual([403, 'scope_insufficient']);

    const scopes = ['prices:read', 'admin:users:read'];
    expect((await ada.put(`/admin/users/${sub}/scopes`, { scopes, why: 'joins support' })).status).toBe(200);
    const { body } = await refresh(before.refresh);
    const token = String(body.access_token);
    expect((await asUser(token).get('/admin/users')).status).toBe(200);
    expect((await asUser(before.access).get('/admin/users')).status).toBe(401);

    await ada.put(`/admin/users/${sub}/scopes`, { scopes: null, why: 'leaves support' });
    expect((await asUser(token).get('/admin/users')).body.code).toBe('token_revoked');
  });

  test('has no effect when the token is revoked while the body is sent', async () => {
    const { adminUrl, adminAudience, ada, subOf, login } = await openAdministered();
    const sub = await subOf();
    await ada.put(`/admin/users/${sub}/scopes`, { scopes: ['admin:revocations'], why: 'on call' });
    const { access } = await login({ resource: adminAudience });
    const body = JSON.stringify({ confirm: 'everybody', why: 'out of spite' });
    const slow = request(`${adminUrl}/admin/emergency`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${access}`,
        'Content-Type': 'application/json',
        'Content-Length': body.length,
        Expect: '100-continue',
      },
    });
    const answered = once(slow, 'response');
    slow.flushHeaders();
    await once(slow, 'continue');
    expect((await ada.post(`/admin/users/${sub}/suspend`, { why: 'left in anger' })).status).toBe(200);
    slow.end(body);
    const [response] = await answered;
    expect(response.statusCode).toBe(401);
    const { items } = (await ada.get('/admin/audit?operation=emergency')).body as { items: object[] };
    expect(items).toMatchObject([{ who: `sub:${sub}`, result: 'token_revoked' }]);
  });

  test('needs a recent login to end all sessions (RFC 9470); an operator does not', async () => {
    const { adminUrl, adminAudience, ada, subOf, login, asBearer } = await openAdministered({ ADMIN_STEP_UP: '1s' });
    const sub = await subOf();
    await ada.put(`/admin/users/${sub}/scopes`, { scopes: ['admin:revocations'], why: 'on call' });
    const { access } = await login({ resource: adminAudience });
    const old = Date.now() + 2_000;
    await waitFor('the login is older than a second', () => Date.now() > old);
    const user = createAdministrator(adminUrl, asBearer(access));
    const everybody = { confirm: 'everybody', why: 'a drill' };
    const refused = await user.post('/admin/revocations', { cutoffs: [{ claim: 'iss' }], ...everybody });
    expect([refused.status, refused.body.code]).toEqual([401, 'authentication_insufficient']);
    expect(refused.headers.get('www-authenticate')).toMatch(/insufficient_user_authentication.*max_age="1"/);
    expect((await user.post('/admin/emergency', everybody)).status).toBe(401);
    const dryRun = { cutoffs: [{ claim: 'iss' }], why: 'a look' };
    expect((await user.post('/admin/revocations?dryRun', dryRun)).status).toBe(200);
    expect(
      (await user.post('/admin/revocations', { cutoffs: [{ claim: 'sid', value: 'x' }], why: 'one' })).status,
    ).toBe(201);
    expect((await ada.post('/admin/emergency', everybody)).status).toBe(201);
  });
});

describe('ADMIN_OPERATORS_FILE', () => {
  async function startWith(operators: object, mode = 0o600) {
    const directory = temporaryDirectory();
    const file = writeOperators(directory, operators);
    chmodSync(file, mode);
    const environment = { ...issuerEnvironment(directory, await freePort()), ADMIN_OPERATORS_FILE: file };
    const running = await openService(userManagement, environment, { write: () => undefined });
    await running.close();
  }
  const scopes = ['admin:users:read'];
  const good = { secret: secretOf('ada'), scopes };

  test.each([
    ['open to everybody', { ada: good }, 0o604],
    ['a secret of 31 characters', { ada: { secret: 'hunter2-hunter2-hunter2-abcdefg', scopes } }, 0o600],
    ['a secret of few characters', { ada: { secret: 'changeme'.repeat(5), scopes } }, 0o600],
    ['a scope that is none', { ada: { secret: secretOf('ada'), scopes: ['admin:everything'] } }, 0o600],
    ['no scope', { ada: { secret: secretOf('ada'), scopes: [] } }, 0o600],
    ['a colon in a name', { 'a:b': good }, 0o600],
  ])('security 68: %s is refused, without its secrets', async (_what, operators, mode) => {
    const error = await startWith(operators, mode).catch((caught: Error) => caught);
    expect(error).toMatchObject({ code: 'configuration_invalid', problems: [{ variable: 'ADMIN_OPERATORS_FILE' }] });
    expect(String(error)).not.toMatch(/hunter2|changeme|battery/);
  });

  test('has no operator when it is absent', async () => {
    const { adminUrl } = await openAdministered({ ADMIN_OPERATORS_FILE: '' });
    const { status } = await createClient(adminUrl).send('/admin/audit', { headers: basic('ada') });
    expect(status).toBe(401);
  });
});
