import { join } from 'node:path';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkOf, fleetOf, untilAll, untilComplete, verdictOf, verdictsOf } from '../support/fleet.ts';
import { limitFileSize, mayLimit, mayMount, smallDisk } from '../support/small-disk.ts';
import { waitFor } from '../support/wait.ts';

// A revocation that was received and verified is enforced, whatever the disk of the instance does, by both transports of the log.

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

const TRANSPORTS = ['kafka', 'http'] as const;

describe.skipIf(!mayMount)('a disk of an instance that is full', () => {
  it.each(TRANSPORTS)(
    'changes no decision, is reported, and stores everything once there is space (%s)',
    async (transport) => {
      const disk = smallDisk('6m');
      const { client, instances, issuer } = await fleetOf({
        ...(transport === 'kafka' && { brokers: broker.brokers }),
        prices: 1,
        orders: 1,
        started: false,
      });
      const [prices] = instances;
      if (prices === undefined) throw new Error('one instance was asked for');
      prices.environment.DENYLIST_PATH = join(disk.path, 'denylist.sqlite');
      for (const process of [issuer, ...instances]) await process.start();
      await Promise.all([issuer, ...instances].map((process) => process.ready()));
      const user = await client.register();
      const logins = await Promise.all(['1', '2', '3', '4'].map((name) => client.login(user, name)));
      const tokens = logins.map(({ access_token }) => access_token);
      const [one = '', two = '', three = '', four = ''] = tokens;
      await client.logout(one);
      await untilAll(instances, one, 'token_revoked');
      await untilStored(prices, { status: 'pass', pendingRows: 0 });

      disk.fill();
      await client.logout(two);
      await untilAll(instances, two, 'token_revoked');
      await untilStored(prices, { status: 'warn' });
      await client.logout(three);
      await untilAll(instances, three, 'token_revoked');
      expect(await verdictOf(prices, four)).toBe('200');
      expect(await checkOf(prices, 'view')).toMatchObject({ status: 'pass' });

      // A restart on the full disk reads again what only memory denied.
      await prices.stop('SIGKILL');
      await prices.start();
      await prices.ready();
      await untilAll([prices], three, 'token_revoked');
      expect(await verdictsOf([prices], one)).toEqual(['token_revoked']);

      disk.free();
      await untilStored(prices, { status: 'pass', pendingRows: 0 });
      await prices.stop('SIGKILL');
      await prices.start();
      await prices.ready();
      expect(await Promise.all([one, two, three].map((token) => verdictOf(prices, token)))).toEqual(
        Array(3).fill('token_revoked'),
      );
      await untilAll(instances, four, '200');
      await untilComplete(instances, transport);
    },
  );
});

describe.skipIf(!mayLimit)('a file of an instance that may not grow', () => {
  it('is enforced from memory (without the right to mount)', async () => {
    const { client, instances } = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 0 });
    const [prices] = instances;
    if (prices === undefined) throw new Error('one instance was asked for');
    const user = await client.register();
    const [first, second] = [await client.login(user, '1'), await client.login(user, '2')];
    await untilAll(instances, first.access_token, '200');
    limitFileSize(prices.pid(), 4_096);
    await client.logout(first.access_token);
    await untilAll(instances, first.access_token, 'token_revoked');
    await untilStored(prices, { status: 'warn' });
    expect(await verdictOf(prices, second.access_token)).toBe('200');
    limitFileSize(prices.pid(), 'unlimited');
    await untilStored(prices, { status: 'pass', pendingRows: 0 });
  });
});

type Instance = Parameters<typeof checkOf>[0];

const untilStored = (instance: Instance, expected: Readonly<Record<string, unknown>>) =>
  waitFor(
    `feed_store is ${JSON.stringify(expected)}`,
    async () => {
      const check = await checkOf(instance, 'feed_store');
      return Object.entries(expected).every(([name, value]) => check?.[name] === value);
    },
    30_000,
  );
