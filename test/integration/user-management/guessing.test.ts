import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { basic, openAdministered } from '../../support/administration.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { FEED_SECRET, openUserManagement, USER } from '../../support/user-management.ts';

const SECRET = 'secret-of-the-back-office-0123456789abcdef';
const WRONG = 'a-guess-that-is-as-long-as-a-secret-0123456789';
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };

async function started(environment: Record<string, string> = {}) {
  const directory = temporaryDirectory();
  const file = join(directory, 'clients.json');
  const office = { name: 'Back office', authMethod: 'client_secret_basic', secrets: [SECRET], mayIntrospect: true };
  writeFileSync(file, JSON.stringify({ office }), { mode: 0o600 });
  const limits = { CLIENT_FAILURES: '3', CLIENT_FAILURES_PER_ADDRESS: '1000' };
  const service = await openUserManagement({ CLIENTS_FILE: file, ...limits, ...environment }, directory);
  const ask = async (path: string, client: string, secret: string, more: Record<string, string> = {}) => {
    const isLog = path === '/revocations';
    const response = await fetch(service.url + path, {
      method: isLog ? 'GET' : 'POST',
      headers: { ...basic(client, secret), ...FORM, ...more },
      ...(isLog ? {} : { body: 'token=x&grant_type=refresh_token&refresh_token=x' }),
    });
    // The log has no end.
    await response.body?.cancel();
    return response;
  };
  const statuses = async (times: number, ...asked: Parameters<typeof ask>) => {
    const answered: number[] = [];
    for (let time = 0; time < times; time++) answered.push((await ask(...asked)).status);
    return answered;
  };
  return { ...service, ask, statuses };
}

const OAUTH = ['/oauth2/token', '/oauth2/revoke', '/oauth2/introspect'];

test.each([
  ...OAUTH.map((path) => [path, 'office', SECRET] as const),
  ['/revocations', 'prices', FEED_SECRET] as const,
  ['/revocations/proof', 'prices', FEED_SECRET] as const,
])('limits wrong secrets at %s, and lets the right one through', async (path, client, secret) => {
  const { ask, statuses } = await started();
  const right = (await ask(path, client, secret)).status;
  expect(await statuses(5, path, client, WRONG)).toEqual([401, 401, 401, 429, 429]);
  const limited = await ask(path, client, WRONG);
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(50);
  expect([right, limited.headers.get('content-type')]).toEqual([right, expect.stringMatching(/^application\/.*json$/)]);
  expect(right).not.toBe(401);
  // The right secret is accepted after any number of guesses, from the same address too.
  expect(await statuses(5, path, client, secret)).toEqual(Array(5).fill(right));
});

test('counts the guesses at one client together over all endpoints, and apart from other clients', async () => {
  const { statuses, post } = await started();
  for (const path of OAUTH) expect(await statuses(1, path, 'prices', WRONG)).toEqual([401]);
  expect(await statuses(1, '/revocations', 'prices', WRONG)).toEqual([429]);
  const login = await post('/login', { ...USER, client_id: 'prices' }, basic('prices', WRONG));
  expect([login.status, login.body.code]).toEqual([429, 'rate_limited']);
  expect(await statuses(1, '/revocations', 'orders', WRONG)).toEqual([401]);
});

test('counts by address: guesses from one address delay no other address', async () => {
  const { statuses } = await started({ TRUSTED_PROXIES: 'loopback' });
  const from = (address: string) => ({ 'X-Forwarded-For': address });
  expect(await statuses(4, '/revocations', 'prices', WRONG, from('192.0.2.1'))).toEqual([401, 401, 401, 429]);
  expect(await statuses(1, '/revocations', 'prices', WRONG, from('192.0.2.2'))).toEqual([401]);
  // The addresses of one customer's network.
  const network = ['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8::4'];
  const answered = [];
  for (const address of network) answered.push(...(await statuses(1, '/revocations', 'prices', WRONG, from(address))));
  expect(answered).toEqual([401, 401, 401, 429]);
});

test('counts an address over all names, and logs one line for a flood', async () => {
  const service = await started({ CLIENT_FAILURES_PER_ADDRESS: '5' });
  const answered = await Promise.all(
    Array.from({ length: 200 }, (_none, at) => service.statuses(1, '/oauth2/introspect', `client-${at}`, WRONG)),
  );
  expect(answered.flat().filter((status) => status === 401)).toHaveLength(5);
  expect(answered.flat().filter((status) => status === 429)).toHaveLength(195);
  const events = service.lines.map((line) => JSON.parse(line).event);
  expect(events.filter((event) => event === 'authn_client_fail')).toHaveLength(5);
  expect(events.filter((event) => event === 'excess_rate_limit_exceeded')).toHaveLength(1);
  const metrics = await (await fetch(`${service.managementUrl}/metrics`)).text();
  expect(metrics).toContain('rescind_rate_limited_total{limit="client"} 195');
  expect(service.lines.join('')).not.toContain(WRONG);
});

test('limits the guesses at an operator’s secret, and admits the operator', async () => {
  const { adminUrl } = await openAdministered({ ADMIN_FAILURES: '3' });
  const ask = async (headers: Record<string, string>) =>
    (await fetch(`${adminUrl}/admin/openapi.json`, { headers })).status;
  const answered = [];
  for (let time = 0; time < 5; time++) answered.push(await ask(basic('ada', WRONG)));
  expect(answered).toEqual([401, 401, 401, 429, 429]);
  expect(await ask(basic('ada'))).toBe(200);
});
