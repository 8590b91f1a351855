import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkOf, fleetOf, untilAll, untilComplete, verdictOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

// A position means that all earlier rows are in the file: a file that differs from what was committed is set aside, and the log read again.

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

async function onePrices(brokers?: readonly string[]) {
  const fleet = await fleetOf({ ...(brokers !== undefined && { brokers }), prices: 1, orders: 0 });
  const [prices] = fleet.instances;
  const path = prices?.environment.DENYLIST_PATH;
  if (prices === undefined || path === undefined) throw new Error('one instance was asked for');
  const user = await fleet.client.register();
  const logout = async (device: string) => {
    const { access_token } = await fleet.client.login(user, device);
    await untilAll([prices], access_token, '200');
    await fleet.client.logout(access_token);
    await untilAll([prices], access_token, 'token_revoked');
    await untilStored();
    return access_token;
  };
  const untilStored = () =>
    waitFor('every row is in the file', async () => (await checkOf(prices, 'feed_store'))?.pendingRows === 0, 20_000);
  return { ...fleet, prices, path, logout };
}

const isSetAside = async (instance: Parameters<typeof checkOf>[0]) =>
  (await checkOf(instance, 'denylist'))?.replaced !== undefined;

it('an instance replaces a file with one flipped bit, and denies everything acknowledged again', async () => {
  const { prices, path, logout } = await onePrices(broker.brokers);
  const token = await logout('1');
  await untilComplete([prices], 'kafka');
  await prices.stop('SIGTERM');
  const bytes = readFileSync(path);
  const at = bytes.indexOf('logout');
  expect(at).toBeGreaterThan(0);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
  await prices.start();
  await prices.ready();
  expect(await isSetAside(prices)).toBe(true);
  const replaced = await waitFor('the damage is logged', () => prices.line('denylist_replaced'));
  expect(replaced).toMatchObject({ damage: expect.stringMatching(/^(structure|content)$/) });
  expect(await verdictOf(prices, token)).toBe('token_revoked');
});

it('a live copy with a write-ahead log of another time is complete up to its position, or is replaced', async () => {
  const { prices, path, logout } = await onePrices(broker.brokers);
  const first = await logout('1');
  const early = `${path}.early`;
  cpSync(path, early);
  await prices.stop('SIGTERM');
  await prices.start();
  await prices.ready();
  const second = await logout('2');
  const late = `${path}.late`;
  cpSync(`${path}-wal`, late);
  await prices.stop('SIGKILL');
  for (const part of ['', '-wal', '-shm']) rmSync(path + part, { force: true });
  cpSync(early, path);
  cpSync(late, `${path}-wal`);
  await prices.start();
  await prices.ready();
  await untilComplete([prices], 'kafka');
  for (const token of [first, second]) expect(await verdictOf(prices, token)).toBe('token_revoked');
});

it('an instance is not ready by age on an empty file that replaced a damaged one', async () => {
  const { prices, path, issuer, logout } = await onePrices();
  const token = await logout('1');
  await prices.stop('SIGTERM');
  await issuer.stop('SIGKILL');
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.fill(0xff, 4_096, 8_192));
  await prices.start();
  await waitFor('the damaged file is set aside', () => isSetAside(prices), 20_000);
  // With an intact file it would be ready by age after 5 s without a response.
  const until = Date.now() + 7_000;
  while (Date.now() < until) {
    expect((await prices.health()).status).toBe(503);
    await sleep(250);
  }
  expect(await verdictOf(prices, token)).not.toBe('200');
  await issuer.start();
  await prices.ready();
  expect(await verdictOf(prices, token)).toBe('token_revoked');
});
