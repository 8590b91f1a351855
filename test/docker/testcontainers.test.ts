import { openBroker } from '@rescind/dev-kafka';
import { expect, it } from 'vitest';
import { fleetOf, untilAll, untilComplete } from '../support/fleet.ts';

it('a Kafka in Docker, by Testcontainers, carries the log, and serves again after a kill', async () => {
  await using broker = await openBroker({ prefer: 'docker' });
  expect(broker.kind).toBe('docker');
  const { client, instances } = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 1 });
  const user = await client.register();
  const [laptop, phone] = [await client.login(user, 'laptop'), await client.login(user, 'phone')];
  await client.logout(laptop.access_token);
  await untilAll(instances, laptop.access_token, 'token_revoked');

  await broker.stop();
  await client.logout(phone.access_token);
  await untilAll(instances, phone.access_token, 'token_revoked', 30_000);
  await broker.start();
  await untilComplete(instances, 'kafka', 90_000);
});
