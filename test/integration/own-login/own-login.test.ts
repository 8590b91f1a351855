import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBroker } from '@rescind/dev-kafka';
import { httpTransport } from '@rescind/feed';
import { kafkaTransport } from '@rescind/feed-kafka';
import { guard } from '@rescind/guard/express';
import type { SessionView, TokenAnswer } from '@rescind/issuer';
import express from 'express';
import { expect, onTestFinished, test } from 'vitest';
import { openLoginService } from '../../../examples/own-login/login-service.ts';
import { changeRole, suspend } from '../../../examples/own-login/staff.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { startProcess } from '../../support/process.ts';
import { freePort } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

const MAIN = fileURLToPath(new URL('../../../examples/own-login/main.js', import.meta.url));
const [EMAIL, PASSWORD] = ['ada@example.com', 'correct horse battery'];
const SECRET = 'a secret of the orders service';

/** The example as a process. @param brokers to which it publishes the log */
async function startLogin(brokers?: readonly string[]) {
  const directory = temporaryDirectory();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const login = startProcess(MAIN, {
    PORT: String(port),
    ISSUER: url,
    DATABASE_PATH: join(directory, 'login.sqlite'),
    KEYS_PATH: join(directory, 'keys'),
    FEED_CLIENTS: JSON.stringify({ orders: SECRET }),
    FIRST_USER: `${EMAIL} ${PASSWORD}`,
    ...(brokers === undefined ? {} : { KAFKA_BROKERS: brokers.join(',') }),
  });
  await waitFor('the login service listens', () => login.output().includes('listening'), 20_000);
  return { directory, url, login };
}

/** The example, and a service that accepts its tokens. @param brokers the log is published there, and read from there alone */
async function openTown(brokers?: readonly string[]) {
  const { directory, url, login } = await startLogin(brokers);
  const guarded = guard({
    issuer: url,
    audience: 'orders',
    feed: {
      primary:
        brokers === undefined
          ? httpTransport({ issuer: url, clientId: 'orders', clientSecret: SECRET })
          : kafkaTransport({ brokers, clientId: 'orders' }),
    },
    denylistPath: join(directory, 'denylist.sqlite'),
  });
  const app = express();
  app.get('/orders', guarded, (request, response) => void response.json({ role: request.auth?.payload.role }));
  const server = app.listen(0, '127.0.0.1');
  onTestFinished(async () => {
    server.close();
    server.closeAllConnections();
    await guarded.close();
  });
  await guarded.ready();
  const orders = `http://127.0.0.1:${(server.address() as AddressInfo).port}/orders`;
  return { login, url, orders };
}

const send = (url: string, body: object, token?: string) =>
  fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
const read = async <T>(response: Promise<Response>): Promise<T> => (await (await response).json()) as T;
const ask = (url: string, token: string) => fetch(url, { headers: { authorization: `Bearer ${token}` } });

test('a login service keeps its users table, and its tokens are revoked everywhere', async () => {
  const { login, url, orders } = await openTown();
  const logIn = () => read<TokenAnswer>(send(`${url}/login`, { email: EMAIL, password: PASSWORD }));
  expect((await send(`${url}/login`, { email: EMAIL, password: 'wrong' })).status).toBe(401);

  const phone = await logIn();
  const laptop = await logIn();
  const answer = await ask(orders, phone.access_token);
  expect([answer.status, await answer.json()]).toEqual([200, { role: 'customer' }]);

  const refresh = (token: string) =>
    fetch(`${url}/oauth2/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token }),
    });
  const refreshed = await read<TokenAnswer>(refresh(phone.refresh_token));
  expect(refreshed.sid).toBe(phone.sid);
  const devices = await read<{ items: SessionView[] }>(ask(`${url}/devices`, laptop.access_token));
  expect(devices.items).toMatchObject([
    { sid: laptop.sid, current: true },
    { sid: phone.sid, current: false },
  ]);

  expect((await send(`${url}/logout`, {}, refreshed.access_token)).status).toBe(204);
  await waitFor('the logout is enforced', async () => (await ask(orders, phone.access_token)).status === 401);
  expect((await ask(orders, laptop.access_token)).status).toBe(200);

  const tablet = await logIn();
  const change = { current: PASSWORD, next: 'another correct horse' };
  expect((await send(`${url}/password`, change, laptop.access_token)).status).toBe(204);
  await waitFor('the change is enforced', async () => (await ask(orders, tablet.access_token)).status === 401);
  expect((await refresh(laptop.refresh_token)).status).toBe(200);
  const refused = await refresh(tablet.refresh_token);
  expect([refused.status, await refused.json()]).toMatchObject([400, { error: 'invalid_grant' }]);
  const malformed = await fetch(`${url}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({ grant_type: '' }),
  });
  expect([malformed.status, await malformed.json()]).toMatchObject([400, { error: 'invalid_request' }]);
  const nothing = await send(`${url}/login`, { email: ['a'] });
  expect([nothing.status, await nothing.json()]).toMatchObject([400, { code: 'request_invalid' }]);
  login.kill('SIGTERM');
  expect(await login.exit).toBe(0);
});

test('the login service publishes its log to Kafka, and serves its health and metrics', async () => {
  await using broker = await openBroker();
  const { login, url, orders } = await openTown(broker.brokers);
  const { access_token: token } = await read<TokenAnswer>(send(`${url}/login`, { email: EMAIL, password: PASSWORD }));
  expect((await ask(orders, token)).status).toBe(200);
  expect((await send(`${url}/logout`, {}, token)).status).toBe(204);
  await waitFor('the logout is enforced', async () => (await ask(orders, token)).status === 401);

  expect((await fetch(`${url}/livez`)).status).toBe(200);
  const readiness = await fetch(`${url}/readyz`);
  const { checks } = (await readiness.json()) as { readonly checks: readonly object[] };
  expect(readiness.status).toBe(200);
  for (const name of ['relay', 'kafka', 'database'])
    expect(checks).toContainEqual(expect.objectContaining({ name, status: 'pass' }));
  let metrics = '';
  await waitFor('the metrics of the event', async () => {
    metrics = await (await fetch(`${url}/metrics`)).text();
    return metrics.includes('rescind_log_head_seq 1\n');
  });
  expect(metrics).toContain('rescind_health_check{name="kafka",status="pass"} 1\n');
  // A new topic is no fault.
  expect(login.output()).not.toContain('warning');
}, 120_000);

test('the login service states in sentences that Kafka cannot be reached', async () => {
  const { login, url } = await startLogin(['127.0.0.1:1']);
  await waitFor('both lines', () => /kafka_publish_failed.*\[publish_failed\]/s.test(login.output()), 20_000);
  expect(login.output()).toContain('Kafka does not take the events of the log (unreachable)');
  expect(login.output()).not.toMatch(/^rescind: \w+: \w+=/m);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
}, 60_000);

test('a change of a user by the back office revokes their tokens', async () => {
  const directory = temporaryDirectory();
  const service = await openLoginService({
    url: 'https://login.example',
    databasePath: join(directory, 'login.sqlite'),
    keysPath: join(directory, 'keys'),
    feedClients: {},
  });
  onTestFinished(() => service.close());
  const { issuer, users } = service;
  const { id, credential_version: credentialVersion } = await users.add(EMAIL, PASSWORD);
  const first = await issuer.transaction((tx) => tx.beginSession({ sub: id, clientId: 'shop', credentialVersion }));
  await changeRole(service, id, 'admin');
  await expect(issuer.verify(first.access_token)).rejects.toThrow(expect.objectContaining({ code: 'token_revoked' }));
  const second = await issuer.refresh({ refreshToken: first.refresh_token, clientId: 'shop' });
  expect((await issuer.verify(second.access_token)).payload).toMatchObject({
    role: 'admin',
    scope: 'orders orders:write',
  });
  await suspend(service, id);
  await expect(issuer.verify(second.access_token)).rejects.toThrow(expect.objectContaining({ code: 'token_revoked' }));
  const refused = issuer.refresh({ refreshToken: second.refresh_token, clientId: 'shop' });
  await expect(refused).rejects.toMatchObject({ oauth: 'invalid_grant' });
});
