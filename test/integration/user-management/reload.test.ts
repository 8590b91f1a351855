import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeJwt } from 'jose';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import type { ServiceProcess } from '../../support/process.ts';
import { startProcess } from '../../support/process.ts';
import { createClient, FEED_SECRET, freePort, issuerEnvironment, USER } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

const mainOf = (service: string) => fileURLToPath(new URL(`../../../services/${service}/src/main.js`, import.meta.url));
const OTHER_SECRET = 'another-secret-of-a-test-9876543210';
const OPERATOR = 'operator-secret-of-a-test-0123456789abcdef';

const basic = (id: string, secret: string) => ({ Authorization: `Basic ${btoa(`${id}:${secret}`)}` });

async function startIssuer(more: Record<string, string> = {}) {
  const directory = temporaryDirectory();
  const port = await freePort();
  const environment = { ...issuerEnvironment(directory, port), ...more };
  const service = startProcess(mainOf('user-management'), environment);
  const { url, managementUrl, adminUrl } = await service.line('listening');
  const feedStatus = async (id: string, secret: string) => {
    const response = await fetch(`${String(url)}/revocations`, { headers: basic(id, secret) });
    await response.body?.cancel();
    return response.status;
  };
  return {
    ...service,
    url: String(url),
    managementUrl: String(managementUrl),
    adminUrl: String(adminUrl),
    directory,
    feedStatus,
  };
}

async function checkOf(managementUrl: string, name: string) {
  const response = await fetch(`${managementUrl}/readyz`);
  const { checks } = (await response.json()) as { checks: { name: string; status: string }[] };
  return { code: response.status, check: checks.find((one) => one.name === name) };
}

const metricOf = async (managementUrl: string, series: string) =>
  (await (await fetch(`${managementUrl}/metrics`)).text()).split('\n').find((line) => line.startsWith(`${series} `));

const count = ({ lines }: ServiceProcess, event: string) => lines.filter((line) => line.event === event).length;

const writeSecrets = (path: string, content: object | string) =>
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });

test('reads the files again at SIGHUP: ends the stream of a removed client, and accepts a rotated secret at once', async () => {
  const issuer = await startIssuer();
  const file = join(issuer.directory, 'feed-clients.json');
  const stream = await fetch(`${issuer.url}/revocations`, { headers: basic('orders', FEED_SECRET) });
  expect(stream.status).toBe(200);
  const ended = stream.text();
  writeSecrets(file, { prices: OTHER_SECRET });
  issuer.kill('SIGHUP');
  await issuer.line('configuration_reloaded');
  await ended;
  expect(await issuer.feedStatus('orders', FEED_SECRET)).toBe(401);
  expect(await issuer.feedStatus('prices', FEED_SECRET)).toBe(401);
  expect(await issuer.feedStatus('prices', OTHER_SECRET)).toBe(200);
  // The same credential introspects.
  const introspect = (secret: string) =>
    fetch(`${issuer.url}/oauth2/introspect`, {
      method: 'POST',
      headers: basic('prices', secret),
      body: new URLSearchParams({ token: 'x' }),
    });
  expect((await introspect(OTHER_SECRET)).status).toBe(200);
  expect((await introspect(FEED_SECRET)).status).toBe(401);
  for (let times = 0; times < 3; times++) issuer.kill('SIGHUP');
  await waitFor('two reloads are logged', () => count(issuer, 'configuration_reloaded') >= 2, 10_000);
  expect(await metricOf(issuer.managementUrl, 'rescind_feed_readers_ended_total{reason="client_removed"}')).toMatch(
    / 1$/,
  );
  issuer.kill('SIGTERM');
  expect(await issuer.exit).toBe(0);
});

test.each([
  ['no JSON', '{'],
  ['an empty file', ''],
  ['a secret that is too short', '{"prices":"short"}'],
  ['a member twice', `{"prices":"${FEED_SECRET}","pric\\u0065s":"${OTHER_SECRET}"}`],
  ['open to everybody', 'chmod'],
  ['a pipe', 'mkfifo'],
])('a file that has become invalid changes nothing and fails a check: %s', async (what, content) => {
  const issuer = await startIssuer();
  const file = join(issuer.directory, 'feed-clients.json');
  const next = `${file}.next`;
  if (what === 'a pipe') expect(spawnSync('mkfifo', ['-m', '600', next]).status).toBe(0);
  else writeFileSync(next, content === 'chmod' ? JSON.stringify({ prices: OTHER_SECRET }) : content);
  renameSync(next, file);
  if (what !== 'open to everybody' && what !== 'a pipe') writeSecrets(file, content);
  issuer.kill('SIGHUP');
  const refused = await issuer.line('configuration_reload_refused');
  expect(refused).toMatchObject({ level: 'error', variable: 'FEED_CLIENTS_FILE', path: file });
  expect(JSON.stringify(refused)).not.toContain('short"');
  expect(await issuer.feedStatus('prices', FEED_SECRET)).toBe(200);
  expect(await checkOf(issuer.managementUrl, 'configuration')).toMatchObject({
    code: 200,
    check: { status: 'fail', variable: 'FEED_CLIENTS_FILE' },
  });
  expect(await metricOf(issuer.managementUrl, 'rescind_configuration_files_refused')).toMatch(/ 1$/);
  writeSecrets(next, { prices: OTHER_SECRET });
  renameSync(next, file);
  await waitFor(
    'the mended file is applied',
    async () => (await issuer.feedStatus('prices', OTHER_SECRET)) === 200,
    10_000,
  );
  expect((await checkOf(issuer.managementUrl, 'configuration')).check?.status).toBe('pass');
});

test('reads operators and clients again when their files change', async () => {
  const directory = temporaryDirectory();
  const [operators, clients] = [join(directory, 'operators.json'), join(directory, 'clients.json')];
  writeSecrets(operators, { ada: { secret: OPERATOR, scopes: ['admin:clients:read'] } });
  writeSecrets(clients, {});
  const issuer = await startIssuer({ ADMIN_OPERATORS_FILE: operators, CLIENTS_FILE: clients });
  const list = async () => {
    const response = await fetch(`${issuer.adminUrl}/admin/clients`, { headers: basic('ada', OPERATOR) });
    return { status: response.status, text: await response.text() };
  };
  expect((await list()).status).toBe(200);
  writeSecrets(clients, { mobile: { name: 'Mobile', authMethod: 'none' } });
  await waitFor('the new client is listed', async () => (await list()).text.includes('"mobile"'), 10_000);
  writeSecrets(operators, { bob: { secret: OPERATOR, scopes: ['admin:clients:read'] } });
  await waitFor('the removed operator is refused', async () => (await list()).status === 401, 10_000);
});

test('cuts off the tokens of a client that a file narrows or removes, and no others', async () => {
  const clients = join(temporaryDirectory(), 'clients.json');
  const [mobile, desktop] = [
    { name: 'Mobile', authMethod: 'none' },
    { name: 'Desktop', authMethod: 'none' },
  ];
  writeSecrets(clients, { mobile, desktop });
  const operators = join(temporaryDirectory(), 'operators.json');
  writeSecrets(operators, { ada: { secret: OPERATOR, scopes: ['admin:audit:read'] } });
  const issuer = await startIssuer({ CLIENTS_FILE: clients, ADMIN_OPERATORS_FILE: operators });
  const { post, form } = createClient(issuer.url);
  await post('/register', USER);
  const accepted = async (token: unknown) => {
    const asked = await form('/oauth2/introspect', { token: String(token) }, basic('prices', FEED_SECRET));
    return asked.body.active;
  };
  const login = async (client: string) => (await post('/login', { ...USER, client_id: client })).body;
  const [web, ofMobile, ofDesktop] = [await login('web'), await login('mobile'), await login('desktop')];
  writeSecrets(clients, { mobile: { ...mobile, audience: ['orders'] }, desktop: { ...desktop, name: 'Another name' } });
  await waitFor(
    'the token of the narrowed client is refused',
    async () => !(await accepted(ofMobile.access_token)),
    10_000,
  );
  expect([await accepted(web.access_token), await accepted(ofDesktop.access_token)]).toEqual([true, true]);
  const fields = { grant_type: 'refresh_token', client_id: 'mobile', refresh_token: String(ofMobile.refresh_token) };
  const refreshed = await form('/oauth2/token', fields);
  expect(decodeJwt(String(refreshed.body.access_token)).aud).toEqual(['orders']);
  writeSecrets(clients, { mobile: { ...mobile, audience: ['orders'] } });
  await waitFor(
    'the token of the removed client is refused',
    async () => !(await accepted(ofDesktop.access_token)),
    10_000,
  );
  expect([await accepted(web.access_token), await accepted(refreshed.body.access_token)]).toEqual([true, true]);
  expect(count(issuer, 'clients_narrowed')).toBe(2);
  const audit = createClient(issuer.adminUrl);
  const headers = basic('ada', OPERATOR);
  const { items } = (await audit.send('/admin/audit?who=configuration', { headers })).body;
  const source = 'CLIENTS_FILE';
  const entry = { operation: 'narrowClients', reason: 'client_narrowed', result: 'done', details: { source } };
  expect(items).toMatchObject([
    { ...entry, targets: ['client:desktop'] },
    { ...entry, targets: ['client:mobile'] },
  ]);
  expect((await audit.send('/admin/audit/verification', { headers })).body).toMatchObject({ intact: true, entries: 2 });
  const acts = issuer.lines.filter(({ event, who }) => event === 'admin_act' && who === 'configuration');
  expect(acts.map(({ auditSeq }) => auditSeq)).toEqual([1, 2]);
});

test('reads the feed secret of a guarded service again when Kubernetes swaps the mounted directory', async () => {
  const issuer = await startIssuer();
  const mounted = join(temporaryDirectory(), 'secrets');
  // As kubelet does it: the file is a link into `..data`, which is a link that is replaced.
  const publish = (version: string, secret: string) => {
    mkdirSync(join(mounted, version), { recursive: true });
    writeSecrets(join(mounted, version, 'feed'), secret);
    symlinkSync(version, join(mounted, '..data_tmp'));
    renameSync(join(mounted, '..data_tmp'), join(mounted, '..data'));
  };
  publish('..1', FEED_SECRET);
  symlinkSync('..data/feed', join(mounted, 'feed'));
  const prices = startProcess(mainOf('prices'), {
    PORT: '0',
    MANAGEMENT_PORT: '0',
    ISSUER: issuer.url,
    DENYLIST_PATH: join(temporaryDirectory(), 'denylist.sqlite'),
    FEED_CLIENT_SECRET_FILE: join(mounted, 'feed'),
  });
  await prices.line('ready');
  writeSecrets(join(issuer.directory, 'feed-clients.json'), { prices: OTHER_SECRET });
  issuer.kill('SIGHUP');
  await waitFor(
    'the refused secret is logged',
    () => prices.lines.some(({ event, reason }) => event === 'feed_connection_lost' && reason === 'unauthorized'),
    15_000,
  );
  publish('..2', OTHER_SECRET);
  await prices.line('configuration_reloaded');
  await prices.line('feed_connected');
  expect(prices.output()).not.toContain(OTHER_SECRET);
  prices.kill('SIGHUP');
  prices.kill('SIGTERM');
  expect(await prices.exit).toBe(0);
});
