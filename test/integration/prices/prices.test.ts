import { join } from 'node:path';
import { orders } from '@rescind/orders';
import { prices } from '@rescind/prices';
import type { RunningService } from '@rescind/service';
import { openService } from '@rescind/service';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { FEED_SECRET, openUserManagement } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

type Opener = (issuer: string, more?: Record<string, string>) => Promise<RunningService & { lines: string[] }>;

const opener =
  (service: typeof prices | typeof orders): Opener =>
  async (issuer, more = {}) => {
    const lines: string[] = [];
    const running = await openService(
      service,
      {
        ISSUER: issuer,
        PORT: '0',
        MANAGEMENT_PORT: '0',
        DENYLIST_PATH: join(temporaryDirectory(), 'denylist.sqlite'),
        FEED_CLIENT_SECRET: FEED_SECRET,
        ...more,
      },
      { write: (line: string) => void lines.push(line) },
    );
    onTestFinished(() => running.close());
    return { ...running, lines };
  };

const openPrices = opener(prices);
const openOrders = opener(orders);

async function ready(service: RunningService): Promise<void> {
  await waitFor('the service is ready', async () => (await fetch(`${service.managementUrl}/readyz`)).status === 200);
}

async function ask(service: RunningService, path: string, token?: string, method = 'GET') {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(service.url + path, { method, headers });
  return { status: response.status, headers: response.headers, body: JSON.parse((await response.text()) || '{}') };
}

async function openFleet() {
  const issuer = await openUserManagement();
  const fleet = { issuer, prices: await openPrices(issuer.url), orders: await openOrders(issuer.url) };
  await Promise.all([fleet.prices, fleet.orders].map(ready));
  await issuer.register();
  return fleet;
}

type Fleet = Awaited<ReturnType<typeof openFleet>>;

/** For the services, as a login without `resource` is. */
const loginForServices = ({ issuer }: Pick<Fleet, 'issuer'>, more: object = {}) =>
  issuer.login({ resource: undefined, ...more });

test('registers, logs in, calls the service, logs out, and is refused afterwards', async () => {
  const { issuer, prices, orders } = await openFleet();
  const { access } = await loginForServices({ issuer });
  expect((await ask(prices, '/prices', access)).body).toMatchObject({ prices: { EUR: 1 } });
  expect((await ask(orders, '/orders', access)).status).toBe(200);

  await issuer.send('/logout', { method: 'POST', headers: issuer.asBearer(access) });
  for (const [service, path] of [
    [prices, '/prices'],
    [orders, '/orders'],
  ] as const) {
    const refused = await waitFor('the refusal', async () => {
      const answer = await ask(service, path, access);
      return answer.status === 401 && answer;
    });
    expect(refused.body).toMatchObject({ status: 401, code: 'token_revoked' });
    expect(refused.headers.get('www-authenticate')).toContain('error="invalid_token"');
    expect(refused.headers.get('cache-control')).toBe('no-store');
  }
});

test('one route is public, one requires a token, one requires a scope', async () => {
  const { issuer, prices, orders } = await openFleet();
  const { access } = await loginForServices({ issuer });
  expect((await ask(prices, '/')).status).toBe(200);
  expect((await ask(orders, '/')).status).toBe(200);

  const none = await ask(prices, '/prices');
  expect([none.status, none.headers.get('www-authenticate'), none.body.code]).toEqual([401, 'Bearer', 'token_missing']);

  const premium = await ask(prices, '/prices/premium', access);
  expect([premium.status, premium.body.code]).toEqual([403, 'scope_insufficient']);
  expect(premium.headers.get('www-authenticate')).toContain('scope="prices:premium"');
  expect((await ask(orders, '/orders', access, 'POST')).status).toBe(403);
  await waitFor('the refusal is logged', () => prices.lines.join('').includes('"authz_fail"'));
});

test('a token with the scope is accepted by the route that requires it', async () => {
  const issuer = await openUserManagement({ DEFAULT_SCOPES: 'prices:read,prices:premium,orders:read,orders:write' });
  const [prices, orders] = [await openPrices(issuer.url), await openOrders(issuer.url)];
  await Promise.all([prices, orders].map(ready));
  await issuer.register();
  const { access } = await loginForServices({ issuer });
  expect((await ask(prices, '/prices/premium', access)).status).toBe(200);
  expect((await ask(orders, '/orders', access, 'POST')).status).toBe(202);
  const narrow = await loginForServices({ issuer }, { scope: 'prices:read' });
  expect((await ask(prices, '/prices', narrow.access)).status).toBe(200);
  expect((await ask(prices, '/prices/premium', narrow.access)).status).toBe(403);
});

test('refuses a token for another service, and one in the address', async () => {
  const issuer = await openUserManagement({ AUDIENCE: 'orders' });
  const prices = await openPrices(issuer.url);
  await ready(prices);
  await issuer.register();
  const { access } = await loginForServices({ issuer });
  expect((await ask(prices, '/prices', access)).body.code).toBe('token_audience_wrong');
  expect((await ask(prices, `/prices?access_token=${access}`)).status).toBe(400);
});

test.each([
  ['a slash at its end', (url: string) => ({ issuer: `${url}/` })],
  ['another name of the host', (url: string) => ({ issuer: url.replace('127.0.0.1', 'localhost') })],
  ['https', (url: string) => ({ issuer: url.replace('http:', 'https:'), ISSUER_URL: url })],
  ['another host', (url: string) => ({ issuer: 'https://accounts.example', ISSUER_URL: url })],
])('names the configured issuer and the one that it reads when they differ by %s', async (_by, differing) => {
  const user = await openUserManagement();
  const { issuer, ...more } = differing(user.url);
  const service = await openPrices(issuer, more);
  const check = await waitFor('the check', async () => {
    const { checks } = (await (await fetch(`${service.managementUrl}/readyz`)).json()) as {
      checks: { name: string }[];
    };
    const found = checks.find(({ name }) => name === 'transport_http');
    return found !== undefined && 'foundIssuer' in found && found;
  });
  const named = { configuredIssuer: issuer, foundIssuer: user.url };
  expect(check).toMatchObject({ status: 'warn', state: 'connected', ...named });
  const logged = (event: string) =>
    service.lines.map((line) => JSON.parse(line)).filter((line) => line.event === event);
  const refused = async () =>
    /bad_claims"[^\n]* ([3-9]|\d\d)$/m.test(await (await fetch(`${service.managementUrl}/metrics`)).text());
  await waitFor('further heartbeats', refused, 10_000);
  expect(logged('feed_log_differs')).toMatchObject([{ level: 'error', configured: issuer, found: user.url }]);
  expect(logged('feed_records_bad')).toEqual([]);
});

test('listens, is not ready, and refuses tokens while the issuer cannot be reached', async () => {
  const prices = await openPrices('http://127.0.0.1:9');
  const health = await fetch(`${prices.managementUrl}/readyz`);
  expect([health.status, await health.json()]).toMatchObject([503, { status: 'fail' }]);
  expect((await fetch(`${prices.managementUrl}/livez`)).status).toBe(200);
  expect((await ask(prices, '/')).status).toBe(200);
  expect((await ask(prices, '/prices', 'a.b.c')).status).toBe(401);
});

test('is not ready with a wrong secret, and logs that', async () => {
  const issuer = await openUserManagement();
  const prices = await openPrices(issuer.url, { FEED_CLIENT_SECRET: `${FEED_SECRET}x` });
  await waitFor('the refused connection is logged', () => prices.lines.join('').includes('unauthorized'));
  expect((await fetch(`${prices.managementUrl}/readyz`)).status).toBe(503);
  expect(prices.lines.join('')).not.toContain(FEED_SECRET);
});

test('exposes its metrics on the management port', async () => {
  const { issuer, prices } = await openFleet();
  const { access } = await loginForServices({ issuer });
  await ask(prices, '/prices', access);
  // The gauge of the age is set each second, so it may follow the first decision.
  const text = await waitFor('the age of the view is exposed', async () => {
    const metrics = await (await fetch(`${prices.managementUrl}/metrics`)).text();
    return /rescind_view_age_seconds \d/.test(metrics) && metrics;
  });
  expect(text).toContain('rescind_decisions_total{result="accepted"} 1');
  expect((await ask(prices, '/metrics')).status).toBe(404);
});

test('explains on the management port which revocation denies a token, if that is configured', async () => {
  const issuer = await openUserManagement();
  const [asking, silent] = [await openPrices(issuer.url, { MANAGEMENT_EXPLAIN: 'true' }), await openPrices(issuer.url)];
  await Promise.all([asking, silent].map(ready));
  await issuer.register();
  const { access } = await loginForServices({ issuer });
  const explain = async (service: RunningService, body: unknown, init: RequestInit = {}) => {
    const headers = { 'content-type': 'application/json' };
    const url = `${service.managementUrl}/explain`;
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body), ...init });
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
  expect(await explain(asking, { token: access })).toMatchObject({
    status: 200,
    body: { revoked: false, entries: [] },
  });
  const before = Date.now();
  await issuer.post('/logout', {}, issuer.asBearer(access));
  await waitFor('the revocation', async () => (await ask(asking, '/prices', access)).status === 401);
  const explained = await explain(asking, { token: access });
  expect(explained.body).toMatchObject({ error: null, revoked: true, entries: [{ claim: 'sid', reason: 'logout' }] });
  expect(Math.abs(explained.body.entries[0].since - before)).toBeLessThan(60_000);
  const { sid } = JSON.parse(Buffer.from(access.split('.')[1] ?? '', 'base64url').toString());
  expect((await explain(asking, { claims: { sid } })).body.entries).toEqual(explained.body.entries);
  expect((await ask(asking, '/prices', access)).body).not.toHaveProperty('entries');

  expect(await explain(asking, { nonsense: 1 })).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
  expect(await explain(asking, {}, { headers: { 'content-type': 'text/plain' } })).toMatchObject({ status: 415 });
  const get = await fetch(`${asking.managementUrl}/explain`);
  expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
  expect((await explain(silent, { token: access })).status).toBe(404);
  expect((await fetch(`${asking.url}/explain`, { method: 'POST' })).status).toBe(404);
  const [entry] = explained.body.entries;
  const refusals = asking.lines
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === 'session_use_after_expire');
  expect(refusals[0]).toMatchObject({
    ...{ code: 'token_revoked', scope: 'sid', reason: 'logout', txn: entry.txn, endsSession: true },
    since: new Date(entry.since).toISOString(),
  });
  for (const secret of [access.split('.')[2], sid]) expect(asking.lines.join()).not.toContain(secret);
});
