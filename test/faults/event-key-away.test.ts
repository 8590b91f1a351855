import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fleet, ServiceProcess } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { checkOf, fleetOf, untilAll, untilComplete, verdictOf } from '../support/fleet.ts';
import { administerKeys } from '../support/key-administration.ts';
import { thiefOf } from '../support/thief.ts';
import { waitFor } from '../support/wait.ts';

// The event key is revoked while an instance receives nothing, and a thief who has the key writes to the topic.

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

const PRELOAD = fileURLToPath(new URL('../support/network-cut.mjs', import.meta.url));

/** Two instances; the first can be taken off the network. */
async function fleetWithCut() {
  const file = join(temporaryDirectory(), 'cut');
  const fleet = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 1, started: false });
  const [away, stays] = fleet.instances;
  if (away === undefined || stays === undefined) throw new Error('two instances were asked for');
  Object.assign(away.environment, { NODE_OPTIONS: `--import=${PRELOAD}`, NETWORK_CUT_FILE: file });
  for (const one of [fleet.issuer, away, stays]) {
    await one.start();
    await one.ready();
  }
  await untilComplete(fleet.instances, 'kafka');
  const leave: Readonly<Record<string, () => Promise<unknown>>> = {
    stopped: () => away.stop('SIGTERM'),
    killed: () => away.stop('SIGKILL'),
    'cut off': async () => writeFileSync(file, ''),
    frozen: async () => away.pause(),
  };
  const comeBack = async (how: string) => {
    rmSync(file, { force: true });
    if (how === 'frozen') away.resume();
    if (away.pid() === undefined) await away.start();
    await away.ready();
  };
  return { ...fleet, away, stays, leave: async (how: string) => leave[how]?.(), comeBack };
}

const epochOf = async (instance: ServiceProcess) => String((await checkOf(instance, 'feed'))?.epoch ?? '');

const untilEpoch = (instance: ServiceProcess, isRight: (epoch: string) => boolean) =>
  waitFor('the epoch is the expected one', async () => isRight(await epochOf(instance)), 30_000);

const revokeActive = async (fleet: Fleet) => {
  const keys = administerKeys(fleet);
  await keys.revoke(await keys.active('event'));
};

const IN_2100 = { iat: 4_102_444_800, iat_ms: 4_102_444_800_000 };

const cases = ['stopped', 'killed', 'cut off', 'frozen'].flatMap((how) =>
  [false, true].map((isStolen): [string, boolean] => [how, isStolen]),
);

it.each(cases)(
  'an instance is %s while the event key is revoked; records of a thief on the topic: %s',
  async (how, isStolen) => {
    const fleet = await fleetWithCut();
    const { client, instances, away, stays } = fleet;
    const thief = thiefOf(fleet, broker.brokers);
    const user = await client.register();
    const [before, during, valid] = [
      await client.login(user, 'before'),
      await client.login(user, 'during'),
      await client.login(user, 'valid'),
    ];
    await client.logout(before.access_token);
    await untilAll(instances, before.access_token, 'token_revoked');
    const old = await epochOf(away);

    await fleet.leave(how);
    await revokeActive(fleet);
    if (isStolen) {
      await thief.write(
        thief.heartbeat('9999999999-x'),
        thief.heartbeat(old),
        thief.heartbeat(old, IN_2100),
        thief.jws({ epoch: '9999999999-x', seq: 1, prev: null, txn: 't' }),
      );
    }
    expect((await client.logout(during.access_token)).status).toBe(204);
    await untilAll([stays], during.access_token, 'token_revoked');
    await fleet.comeBack(how);

    for (const { access_token } of [before, during]) await untilAll(instances, access_token, 'token_revoked');
    await untilEpoch(away, (epoch) => epoch !== old && epoch !== '' && !epoch.startsWith('9999999999'));
    await untilComplete(instances, 'kafka');
    expect(await epochOf(away)).toBe(await epochOf(stays));
    await untilAll(instances, valid.access_token, '200');
    // If a forged time of 2100 were accepted and stored, rows that still deny would be pruned.
    await away.stop('SIGKILL');
    await away.start();
    await away.ready();
    for (const { access_token } of [before, during]) expect(await verdictOf(away, access_token)).toBe('token_revoked');
    expect(await verdictOf(away, valid.access_token)).toBe('200');
  },
);

it('two consecutive revocations of the event key delay no logout between or after them', async () => {
  const fleet = await fleetWithCut();
  const { client, instances, away } = fleet;
  const thief = thiefOf(fleet, broker.brokers);
  const user = await client.register();
  const valid = await client.login(user, 'valid');
  const revoked: string[] = [];
  const logout = async () => {
    const { access_token } = await client.login(user, 'leaves');
    expect((await client.logout(access_token)).status).toBe(204);
    revoked.push(access_token);
    await untilAll(instances, access_token, 'token_revoked', 10_000);
  };
  for (let round = 0; round < 2; round += 1) {
    await revokeActive(fleet);
    await revokeActive(fleet);
    await logout();
    await thief.write(thief.heartbeat('9999999999-x'), thief.heartbeat('9999999999-x', IN_2100));
    await logout();
  }
  await untilComplete(instances, 'kafka');
  await away.stop('SIGKILL');
  await away.start();
  await away.ready();
  for (const token of revoked) await untilAll(instances, token, 'token_revoked');
  await untilAll(instances, valid.access_token, '200');
});

it('an instance misses two revocations of event keys, and each key is stolen', async () => {
  const fleet = await fleetWithCut();
  const { client, instances, away, stays } = fleet;
  const first = thiefOf(fleet, broker.brokers);
  const user = await client.register();
  const [one, two] = [await client.login(user, 'one'), await client.login(user, 'two')];
  await untilAll(instances, two.access_token, '200');
  await fleet.leave('cut off');
  await revokeActive(fleet);
  const second = thiefOf(fleet, broker.brokers, await administerKeys(fleet).active('event'));
  await client.logout(one.access_token);
  await revokeActive(fleet);
  await client.logout(two.access_token);
  await untilAll([stays], two.access_token, 'token_revoked');
  for (const thief of [first, second]) {
    await thief.write(thief.heartbeat('9999999999-x'), thief.heartbeat(await epochOf(stays), IN_2100));
  }
  await fleet.comeBack('cut off');
  for (const { access_token } of [one, two]) await untilAll(instances, access_token, 'token_revoked');
  await untilEpoch(away, (epoch) => epoch !== '');
  await untilComplete(instances, 'kafka');
  expect(await epochOf(away)).toBe(await epochOf(stays));
});

it('four records of unknown keys before each real logout cause no logout to be dropped', async () => {
  const fleet = await fleetWithCut();
  const { client, instances } = fleet;
  const thief = thiefOf(fleet, broker.brokers);
  const user = await client.register();
  const revoked: string[] = [];
  for (let round = 0; round < 5; round += 1) {
    const { access_token } = await client.login(user, 'leaves');
    const garbage = ['a', 'b', 'c', 'd'].map((name) =>
      thief.jws({ epoch: '9999999999-x', seq: 1, prev: null, txn: 't' }, `${round}${name}`.padEnd(43, 'x')),
    );
    await thief.write(...garbage);
    expect((await client.logout(access_token)).status).toBe(204);
    revoked.push(access_token);
    await untilAll(instances, access_token, 'token_revoked', 10_000);
  }
  await untilComplete(instances, 'kafka');
  for (const instance of instances) {
    await instance.stop('SIGKILL');
    await instance.start();
    await instance.ready();
  }
  for (const token of revoked) await untilAll(instances, token, 'token_revoked');
});
