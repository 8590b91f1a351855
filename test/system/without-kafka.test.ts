import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from '@rescind/dev-fleet';
import { basicAuthorization } from '@rescind/revocation/http';
import { expect, it } from 'vitest';
import { checkOf, fleetOf, untilAll, untilComplete, verdictsOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

it('a logout reaches every instance without Kafka, the embedded default', async () => {
  const { client, instances } = await fleetOf();
  const user = await client.register();
  const [laptop, phone] = [await client.login(user, 'laptop'), await client.login(user, 'phone')];
  await untilComplete(instances, 'http');
  await client.logout(laptop.access_token);
  await untilAll(instances, laptop.access_token, 'token_revoked');
  expect(await verdictsOf(instances, phone.access_token)).toEqual(['200', '200', '200', '200']);
});

it('instances decide by their view while the issuer is down, and catch up when it is back', async () => {
  const { client, instances, issuer } = await fleetOf({ prices: 1, orders: 1 });
  const user = await client.register();
  const [alive, revoked] = [await client.login(user, 'alive'), await client.login(user, 'revoked')];
  await client.logout(revoked.access_token);
  await untilAll(instances, revoked.access_token, 'token_revoked');
  await issuer.stop('SIGKILL');
  await waitFor(
    'health reports the loss',
    async () => {
      const views = await Promise.all(instances.map((instance) => checkOf(instance, 'view')));
      return views.every((view) => view?.status === 'warn');
    },
    20_000,
  );
  expect(await verdictsOf(instances, alive.access_token)).toEqual(['200', '200']);
  expect(await verdictsOf(instances, revoked.access_token)).toEqual(['token_revoked', 'token_revoked']);

  await issuer.start();
  await client.logout(alive.access_token);
  await untilAll(instances, alive.access_token, 'token_revoked');
  await untilComplete(instances, 'http');
});

it('the event stream requires a credential of a service, and begins with a heartbeat', async () => {
  const { client, issuer, directory } = await fleetOf({ prices: 0, orders: 0 });
  const user = await client.register();
  const tokens = await client.login(user, 'laptop');
  const address = `${issuer.url}/revocations`;
  const secret = readFileSync(join(directory, 'prices', 'feed-client-secret'), 'utf8');
  const basic = (name: string, password: string) => ({
    authorization: basicAuthorization(name, password),
  });

  for (const headers of [
    {},
    basic('prices', 'wrong'),
    basic('nobody', secret),
    { authorization: `Bearer ${tokens.access_token}` },
  ]) {
    const answer = await request(address, { headers });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^Basic /);
  }

  const stop = new AbortController();
  const response = await fetch(address, { headers: basic('prices', secret), signal: stop.signal });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const reader = response.body?.getReader();
  const first = new TextDecoder().decode((await reader?.read())?.value);
  expect(first).toMatch(/event: heartbeat/);
  expect(first).not.toMatch(/^id:/m);
  stop.abort();
});
