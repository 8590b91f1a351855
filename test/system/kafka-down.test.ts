import { expect, it } from 'vitest';
import { brokerOfOwn, checkOf, fleetOf, untilAll, untilComplete, verdictsOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

it('a logout while Kafka is down survives a kill -9 of the issuer and reaches the fleet by the fallback transport', async () => {
  const broker = await brokerOfOwn();
  const { client, instances, issuer } = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 1 });
  const user = await client.register();
  const [first, second, third] = [
    await client.login(user, '1'),
    await client.login(user, '2'),
    await client.login(user, '3'),
  ];
  await broker.stop();

  expect((await client.logout(first.access_token)).status).toBe(204);
  await issuer.stop('SIGKILL');
  await issuer.start();
  await untilAll(instances, first.access_token, 'token_revoked', 30_000);
  expect((await client.refresh(first.refresh_token)).status).toBe(400);

  // A user is hacked while Kafka is down.
  expect((await client.logoutEverywhere(second)).status).toBe(204);
  await untilAll(instances, third.access_token, 'token_revoked');

  await broker.start();
  await untilComplete(instances, 'kafka');
  await waitFor('every event is published', async () => (await checkOf(issuer, 'relay'))?.lagEvents === 0, 30_000);
  for (const { access_token } of [first, second, third]) {
    expect(await verdictsOf(instances, access_token)).toEqual(['token_revoked', 'token_revoked']);
  }
});

it('the issuer starts while Kafka is down, and an instance that starts then reads the fallback transport', async () => {
  const broker = await brokerOfOwn();
  const { client, instances, issuer } = await fleetOf({
    brokers: broker.brokers,
    prices: 1,
    orders: 0,
    started: false,
  });
  await broker.stop();
  await issuer.start();
  const [instance] = instances;
  if (instance === undefined) throw new Error('one instance was asked for');
  await instance.start();
  await instance.ready(60_000);
  const user = await client.register();
  const tokens = await client.login(user, 'laptop');
  await untilAll([instance], tokens.access_token, '200');
  await client.logout(tokens.access_token);
  await untilAll([instance], tokens.access_token, 'token_revoked');
  await broker.start();
  await untilComplete(instances, 'kafka');
});

it('instances read the fallback transport while a broker is frozen, and return to Kafka when it has recovered', async () => {
  const broker = await brokerOfOwn();
  const { client, instances } = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 1 });
  const user = await client.register();
  const tokens = await client.login(user, 'laptop');
  await untilComplete(instances, 'kafka');
  await broker.pause();
  try {
    expect((await client.logout(tokens.access_token)).status).toBe(204);
    await untilAll(instances, tokens.access_token, 'token_revoked', 20_000);
    await untilComplete(instances, 'http');
  } finally {
    await broker.resume();
  }
  await untilComplete(instances, 'kafka');
});
