import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { openAdministered, secretOf, writeOperators } from '../../support/administration.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { FEED_SECRET, openUserManagement, USER } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

const WHY = { why: 'a test' };
const CONFIRMED = { ...WHY, confirm: 'everybody' };
const basic = (id: string, secret: string) => ({ Authorization: `Basic ${btoa(`${id}:${secret}`)}` });

async function started(directory = temporaryDirectory()) {
  const service = await openAdministered({}, directory);
  const active = async (token: unknown) =>
    (await service.form('/oauth2/introspect', { token: String(token) }, basic('prices', FEED_SECRET))).body.active;
  const read = (id: string, secret: string) => fetch(`${service.url}/revocations`, { headers: basic(id, secret) });
  const status = async (id: string, secret: string) => {
    const response = await read(id, secret);
    await response.body?.cancel();
    return response.status;
  };
  return { ...service, active, read, status };
}

test('accepts an added audience at once; its removal denies its tokens and narrows clients', async () => {
  const { ada, as, post, login, refresh, active } = await started();
  const app = { name: 'App', authMethod: 'none', audience: ['stock', 'prices'], ...WHY };
  expect((await ada.put('/admin/clients/app', app)).status).toBe(400);
  expect((await post('/login', { ...USER, resource: 'stock' })).body.code).toBe('target_invalid');
  expect((await ada.put('/admin/audiences/stock', WHY)).body).toEqual({
    ...{ audience: 'stock', configured: false, registered: true, clients: [] },
  });
  expect((await ada.put('/admin/clients/app', app)).status).toBe(200);
  const [stock, prices] = [
    await login({ client_id: 'app', resource: 'stock' }),
    await login({ client_id: 'app', resource: 'prices' }),
  ];
  expect(decodeJwt(stock.access).aud).toBe('stock');
  expect(decodeJwt((await login({ resource: undefined })).access).aud).toContain('stock');
  expect((await ada.get('/admin/audiences/stock')).body.clients).toEqual(['app']);

  const unconfirmed = await ada.remove('/admin/audiences/stock', WHY);
  expect([unconfirmed.status, unconfirmed.body.code]).toEqual([400, 'confirmation_missing']);
  expect(String(unconfirmed.body.detail)).toContain('app');
  expect((await ada.remove('/admin/audiences/stock?dryRun', WHY)).body).toMatchObject({ sessions: 0 });
  expect((await as('reader').remove('/admin/audiences/stock', CONFIRMED)).status).toBe(403);
  await ada.put('/admin/clients/only', { ...app, audience: ['stock'] });
  const only = await ada.remove('/admin/audiences/stock', CONFIRMED);
  expect([only.status, only.body.code]).toEqual([409, 'client_state']);
  expect(String(only.body.detail)).toContain('only');
  await ada.post('/admin/clients/only/remove', CONFIRMED);
  expect(await active(stock.access)).toBe(true);
  expect((await ada.remove('/admin/audiences/stock', CONFIRMED)).body).toMatchObject({ narrowed: ['app'] });
  expect([await active(stock.access), await active(prices.access)]).toEqual([false, true]);
  expect((await ada.get('/admin/clients/app')).body.audience).toEqual(['prices']);
  expect((await refresh(stock.refresh, { client_id: 'app', resource: 'stock' })).body.error).toBe('invalid_target');
  const next = await refresh(stock.refresh, { client_id: 'app', resource: 'prices' });
  expect(decodeJwt(String(next.body.access_token)).aud).toBe('prices');
  expect((await ada.get('/admin/audiences/stock')).status).toBe(404);
  const { items } = (await ada.get('/admin/audit?operation=removeAudience&result=done')).body as { items: object[] };
  expect(items).toEqual([expect.objectContaining({ targets: ['audience:stock'] })]);
});

test('refuses to add an audience of user-management, and to remove one of the configuration', async () => {
  const { ada, accountAudience, adminAudience } = await started();
  for (const own of [accountAudience, adminAudience]) {
    expect((await ada.put(`/admin/audiences/${encodeURIComponent(own)}`, WHY)).status).toBe(400);
  }
  expect((await ada.put(`/admin/audiences/${encodeURIComponent('a"b')}`, WHY)).status).toBe(400);
  expect((await ada.remove('/admin/audiences/prices', CONFIRMED)).body.code).toBe('client_state');
  expect((await ada.remove('/admin/audiences/nobody', CONFIRMED)).status).toBe(404);
  const url = 'https://stock.example/api?v=1';
  expect((await ada.put(`/admin/audiences/${encodeURIComponent(url)}`, WHY)).body.audience).toBe(url);
});

test('lets a registered reader read and introspect at once, and ends its streams with its secret', async () => {
  const { ada, as, read, status, form } = await started();
  expect((await as('reader').post('/admin/feed-clients', { clientId: 'stock', ...WHY })).status).toBe(403);
  const { body } = await ada.post('/admin/feed-clients', { clientId: 'stock', ...WHY });
  const first = String(body.secret);
  expect(body.client).toEqual({ clientId: 'stock', configured: false, registered: true, secrets: 1 });
  expect([await status('stock', first), await status('stock', `${first}x`)]).toEqual([200, 401]);
  expect((await form('/oauth2/introspect', { token: 'x' }, basic('stock', first))).status).toBe(200);
  expect((await ada.post('/admin/feed-clients', { clientId: 'stock', ...WHY })).body.code).toBe('client_state');
  const second = String((await ada.post('/admin/feed-clients/stock/secrets', WHY)).body.secret);
  expect([await status('stock', first), await status('stock', second)]).toEqual([200, 200]);

  const stream = await read('stock', first);
  const ended = stream.text();
  expect((await ada.post('/admin/feed-clients/stock/secrets/drop-older', WHY)).body).toMatchObject({ secrets: 1 });
  await ended;
  expect([await status('stock', first), await status('stock', second)]).toEqual([401, 200]);
  const last = await read('stock', second);
  const over = last.text();
  expect((await ada.remove('/admin/feed-clients/stock', WHY)).status).toBe(204);
  await over;
  expect(await status('stock', second)).toBe(401);
  expect((await form('/oauth2/introspect', { token: 'x' }, basic('stock', second))).status).toBe(401);
  expect((await ada.get('/admin/audit')).text).not.toContain(second);
});

test('prefers a registered reader to one of the file, which applies again after its removal', async () => {
  const { ada, status } = await started();
  expect((await ada.post('/admin/feed-clients/prices/secrets', WHY)).body.code).toBe('client_state');
  const secret = String((await ada.post('/admin/feed-clients', { clientId: 'prices', ...WHY })).body.secret);
  expect([await status('prices', secret), await status('prices', FEED_SECRET)]).toEqual([200, 401]);
  expect((await ada.remove('/admin/feed-clients/prices', WHY)).status).toBe(204);
  expect([await status('prices', secret), await status('prices', FEED_SECRET)]).toEqual([401, 200]);
});

test('keeps registrations over a restart, and stores no secret in plain text', async () => {
  const directory = temporaryDirectory();
  const before = await started(directory);
  await before.ada.put('/admin/audiences/stock', WHY);
  const secret = String((await before.ada.post('/admin/feed-clients', { clientId: 'stock', ...WHY })).body.secret);
  await before.close();
  const files = readdirSync(directory).filter((name) => name.includes('sqlite'));
  expect(files.length).toBeGreaterThan(0);
  for (const file of files) expect(readFileSync(join(directory, file)).includes(secret)).toBe(false);
  const operators = { ada: { secret: secretOf('ada'), scopes: ['admin:clients'] } };
  const environment = { ISSUER: before.url, ADMIN_OPERATORS_FILE: writeOperators(directory, operators) };
  const after = await openUserManagement(environment, directory);
  const response = await fetch(`${after.url}/revocations`, { headers: basic('stock', secret) });
  await response.body?.cancel();
  expect(response.status).toBe(200);
  expect(decodeJwt((await after.login({ resource: 'stock' })).access).aud).toBe('stock');
  await after.close();
  await expect(openUserManagement({ ...environment, ACCOUNT_AUDIENCE: 'stock' }, directory)).rejects.toThrow();
});

test('cuts off at the start the tokens of a client that CLIENTS_FILE narrowed while the service was stopped', async () => {
  const directory = temporaryDirectory();
  const file = join(directory, 'clients.json');
  const app = { name: 'App', authMethod: 'none' };
  const write = (clients: object) => writeFileSync(file, JSON.stringify(clients), { mode: 0o600 });
  write({ app, other: app });
  const before = await openUserManagement({ CLIENTS_FILE: file }, directory);
  await before.register();
  const [narrowed, other] = [await before.login({ client_id: 'app' }), await before.login({ client_id: 'other' })];
  await before.close();
  write({ app: { ...app, scope: 'account' }, other: app });
  const environment = { ISSUER: before.url, CLIENTS_FILE: file };
  const after = await openUserManagement(environment, directory);
  const active = async (token: string) =>
    (await after.form('/oauth2/introspect', { token }, basic('prices', FEED_SECRET))).body.active;
  await waitFor('the cut-off is enforced', async () => !(await active(narrowed.access)), 10_000);
  expect(await active(other.access)).toBe(true);
  const next = await after.refresh(narrowed.refresh, { client_id: 'app' });
  await after.close();
  const again = await openUserManagement(environment, directory);
  const access = String(next.body.access_token);
  const { body } = await again.form('/oauth2/introspect', { token: access }, basic('prices', FEED_SECRET));
  expect(body.active).toBe(true);
});

test('cuts off nothing more at a restart for a client that an administrator narrowed', async () => {
  const directory = temporaryDirectory();
  const app = { name: 'App', authMethod: 'none', audience: ['prices', 'orders'], ...WHY };
  const first = await started(directory);
  expect((await first.ada.put('/admin/clients/app', app)).status).toBe(200);
  await first.close();

  const second = await openAdministered({ ISSUER: first.url }, directory);
  const narrowed = { ...app, audience: ['prices'], ...CONFIRMED };
  expect((await second.ada.put('/admin/clients/app', narrowed)).status).toBe(200);
  const { access } = await second.login({ client_id: 'app', resource: undefined });
  await second.close();

  const third = await openUserManagement({ ISSUER: first.url }, directory);
  // A cut-off at the start would come before this one.
  const other = await third.login();
  await third.send('/logout', { method: 'POST', headers: third.asBearer(other.access) });
  const { body } = await third.form('/oauth2/introspect', { token: access }, basic('prices', FEED_SECRET));
  expect(body.active).toBe(true);
});
