import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fleetOf, untilAll, untilComplete, verdictsOf } from '../support/fleet.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

it('a logout reaches every instance of every service, including two instances of one service', async () => {
  const { client, instances } = await fleetOf({ brokers: broker.brokers, prices: 2, orders: 2 });
  const user = await client.register();
  const laptop = await client.login(user, 'laptop');
  const phone = await client.login(user, 'phone');
  expect(await verdictsOf(instances, laptop.access_token)).toEqual(['200', '200', '200', '200']);

  expect((await client.logout(laptop.access_token)).status).toBe(204);
  await untilAll(instances, laptop.access_token, 'token_revoked');
  expect(await verdictsOf(instances, phone.access_token)).toEqual(['200', '200', '200', '200']);
});

it('a logout reaches both of two instances that started with copies of one denylist', async () => {
  const fleet = await fleetOf({ brokers: broker.brokers, prices: 2, orders: 0 });
  const { client, instances, directory } = fleet;
  const [first, second] = instances;
  if (first === undefined || second === undefined) throw new Error('two instances were asked for');
  const user = await client.register();
  const before = await client.login(user, 'before the copy');
  await client.logout(before.access_token);
  await untilAll(instances, before.access_token, 'token_revoked');

  // As on a cloned volume: the same file with the same position.
  await Promise.all([first.stop(), second.stop()]);
  for (const suffix of ['', '-wal', '-shm']) {
    const from = join(directory, `${first.name}.sqlite${suffix}`);
    if (existsSync(from)) copyFileSync(from, join(directory, `${second.name}.sqlite${suffix}`));
  }
  await Promise.all([first.start(), second.start()]);
  await Promise.all([first.ready(), second.ready()]);
  await untilComplete(instances, 'kafka');

  expect(await verdictsOf(instances, before.access_token)).toEqual(['token_revoked', 'token_revoked']);
  for (let round = 1; round <= 5; round += 1) {
    const tokens = await client.login(user, `round ${round}`);
    expect(await verdictsOf(instances, tokens.access_token)).toEqual(['200', '200']);
    await client.logout(tokens.access_token);
    await untilAll(instances, tokens.access_token, 'token_revoked');
  }
});

it('a second process on one denylist file is refused with its reason', async () => {
  const { instances, directory } = await fleetOf({ prices: 2, orders: 0 });
  const [first, second] = instances;
  if (first === undefined || second === undefined) throw new Error('two instances were asked for');
  await second.stop();
  second.environment.DENYLIST_PATH = join(directory, `${first.name}.sqlite`);

  await expect(second.start()).rejects.toThrow(/Another process has this denylist open/);
});
