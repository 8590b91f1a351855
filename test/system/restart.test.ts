import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fleetOf, untilAll, untilComplete, untilWritten, verdictsOf } from '../support/fleet.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

it('an instance restarts with the issuer down: keys and denylist are in its file', async () => {
  const { client, instances, issuer } = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 1 });
  const user = await client.register();
  const [alive, revoked] = [await client.login(user, 'alive'), await client.login(user, 'revoked')];
  await client.logout(revoked.access_token);
  await untilAll(instances, revoked.access_token, 'token_revoked');
  await untilAll(instances, alive.access_token, '200');
  await untilWritten(instances);
  await issuer.stop('SIGKILL');

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await Promise.all(instances.map((instance) => instance.stop(signal)));
    await Promise.all(instances.map((instance) => instance.start()));
    await Promise.all(instances.map((instance) => instance.ready()));
    expect(await verdictsOf(instances, revoked.access_token)).toEqual(['token_revoked', 'token_revoked']);
    expect(await verdictsOf(instances, alive.access_token)).toEqual(['200', '200']);
  }
});

it('the issuer restarts: sessions, keys and cut-offs are in its file, and the log continues', async () => {
  const { client, instances, issuer } = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 1 });
  const user = await client.register();
  const [laptop, phone] = [await client.login(user, 'laptop'), await client.login(user, 'phone')];
  await client.logout(laptop.access_token);
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await issuer.stop(signal);
    await issuer.start();
    await issuer.ready();
  }
  expect((await client.refresh(laptop.refresh_token)).status).toBe(400);
  const refreshed = await client.refresh(phone.refresh_token);
  expect(refreshed.status).toBe(200);
  const { access_token } = refreshed.body as { access_token: string };
  await untilAll(instances, access_token, '200');
  await client.logout(access_token);
  await untilAll(instances, access_token, 'token_revoked');
  await untilComplete(instances, 'kafka');
});

it('every process stops gracefully, with status 0', async () => {
  const { instances, issuer } = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 1 });
  expect(await Promise.all([...instances, issuer].map((one) => one.stop('SIGTERM')))).toEqual([0, 0, 0]);
});

it('a second writer on the issuer database is refused, and the first continues', async () => {
  const first = await fleetOf({ prices: 1, orders: 0 });
  const second = await fleetOf({ prices: 0, orders: 0, started: false });
  second.issuer.environment.DATABASE_PATH = first.issuer.environment.DATABASE_PATH ?? '';
  second.issuer.environment.KEYS_PATH = first.issuer.environment.KEYS_PATH ?? '';
  await expect(second.issuer.start()).rejects.toThrow(/Another process is the writer of this database/);
  const user = await first.client.register();
  const tokens = await first.client.login(user, 'laptop');
  await first.client.logout(tokens.access_token);
  await untilAll(first.instances, tokens.access_token, 'token_revoked');
});
