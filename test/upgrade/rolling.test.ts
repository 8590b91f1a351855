import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Fleet, ServiceProcess, Tokens } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { checkOf, fleetOf, untilAll, untilComplete, verdictOf } from '../support/fleet.ts';
import { administerKeys } from '../support/key-administration.ts';
import { waitFor } from '../support/wait.ts';

// Processes of the version before and of this one in one fleet, through a real broker and without one.

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

const LOGS = ['kafka', 'http'] as const;
type Log = (typeof LOGS)[number];

type Version = 'before' | 'present';

const mainOf = (service: string, version: Version, present: string) =>
  version === 'present' ? present : join(inject('previousVersion'), 'services', service, 'src/main.ts');

interface Mixed extends Fleet {
  /** Stops a process and starts it as another version, on the same files. */
  changeTo(process: ServiceProcess, version: Version): Promise<void>;
  readonly prices: ServiceProcess;
  readonly orders: ServiceProcess;
}

async function fleetOfVersions(log: Log, issuer: Version, prices: Version, orders: Version): Promise<Mixed> {
  const fleet = await fleetOf({
    ...(log === 'kafka' && { brokers: broker.brokers }),
    prices: 1,
    orders: 1,
    started: false,
  });
  grantKnownScopes(fleet.operatorsFile);
  const [first, second] = fleet.instances;
  if (first === undefined || second === undefined) throw new Error('two instances were asked for');
  const presentOf = new Map([fleet.issuer, first, second].map((process) => [process, process.main]));
  const set = (process: ServiceProcess, version: Version) => {
    process.main = mainOf(process.service, version, presentOf.get(process) ?? '');
  };
  set(fleet.issuer, issuer);
  set(first, prices);
  set(second, orders);
  for (const process of [fleet.issuer, first, second]) {
    await process.start();
    await process.ready();
  }
  return {
    ...fleet,
    prices: first,
    orders: second,
    async changeTo(process, version) {
      await process.stop('SIGTERM');
      set(process, version);
      await process.start();
      await process.ready();
    },
  };
}

/** Administration scopes that both versions know: an issuer does not start with an unknown one. */
const KNOWN_SCOPES = ['revocations', 'users', 'sessions', 'clients', 'keys', 'audit'].map((area) => `admin:${area}`);

function grantKnownScopes(operatorsFile: string): void {
  const operators: Record<string, { scopes: string[] }> = JSON.parse(readFileSync(operatorsFile, 'utf8'));
  for (const operator of Object.values(operators)) operator.scopes = KNOWN_SCOPES;
  writeFileSync(operatorsFile, JSON.stringify(operators));
}

/** Which version of a process runs: the present one has more checks. */
const isPresent = async (process: ServiceProcess) => (await checkOf(process, 'configuration')) !== undefined;

/** A user logs in, refreshes, logs out and is refused from then on. Throws when any of it fails. */
async function comeAndGo({ client, instances }: Fleet, device: string): Promise<Tokens> {
  const user = await client.register();
  const first = await client.login(user, device);
  await untilAll(instances, first.access_token, '200');
  const second = await client.refreshed(first.refresh_token);
  await untilAll(instances, second.access_token, '200');
  expect((await client.logout(second.access_token)).status).toBe(204);
  for (const { access_token } of [first, second]) await untilAll(instances, access_token, 'token_revoked');
  expect((await client.refresh(second.refresh_token)).status).toBe(400);
  return second;
}

const healthy = async (instances: readonly ServiceProcess[], log: Log) => {
  await untilComplete(instances, log);
  for (const instance of instances) expect((await instance.health()).status).toBe(200);
};

describe.each(LOGS)('a fleet of two versions (%s)', (log) => {
  it.each<[string, Version, Version]>([
    ['readers of the version before, an issuer of this one', 'present', 'before'],
    ['readers of this version, an issuer of the one before', 'before', 'present'],
  ])('%s: logins, refreshes, logouts, a revoked token, a logout everywhere', async (_, issuer, readers) => {
    const fleet = await fleetOfVersions(log, issuer, readers, readers);
    const { client, instances } = fleet;
    expect(await isPresent(fleet.issuer)).toBe(issuer === 'present');
    expect(await isPresent(fleet.prices)).toBe(readers === 'present');
    for (const device of ['first', 'second']) await comeAndGo(fleet, device);

    const user = await client.register();
    const [one, two, three] = [
      await client.login(user, 'one'),
      await client.login(user, 'two'),
      await client.login(user, 'three'),
    ];
    expect((await client.revoke(one.access_token)).status).toBe(200);
    await untilAll(instances, one.access_token, 'token_revoked');
    await untilAll(instances, two.access_token, '200');
    expect((await client.revoke(two.refresh_token)).status).toBe(200);
    await untilAll(instances, two.access_token, 'token_revoked');
    // A refresh token used twice ends its session.
    await client.refreshed(three.refresh_token);
    expect((await client.refresh(three.refresh_token)).status).not.toBe(500);
    await healthy(instances, log);
  });

  it.each<[string, readonly ('issuer' | 'prices' | 'orders')[]]>([
    ['the issuer first', ['issuer', 'prices', 'orders']],
    ['the readers first', ['prices', 'orders', 'issuer']],
  ])(
    'is upgraded one process after another, %s: no revoked token is accepted, and no session is lost',
    async (_, order) => {
      const fleet = await fleetOfVersions(log, 'before', 'before', 'before');
      const { client, instances } = fleet;
      const user = await client.register();
      const early = await client.login(user, 'from before');
      let stays = await client.login(user, 'stays');
      const revoked = [(await comeAndGo(fleet, 'before')).access_token];
      for (const name of order) {
        // A user logs out while the process is stopped, unless that is the issuer.
        const process = fleet[name];
        const leaving = await client.login(user, `leaves with ${name}`);
        await untilAll(instances, leaving.access_token, '200');
        await process.stop('SIGTERM');
        if (name !== 'issuer') {
          expect((await client.logout(leaving.access_token)).status).toBe(204);
          revoked.push(leaving.access_token);
        }
        await fleet.changeTo(process, 'present');
        expect(await isPresent(process)).toBe(true);
        for (const token of revoked) await untilAll(instances, token, 'token_revoked');
        stays = await client.refreshed(stays.refresh_token);
        for (const { access_token } of [early, stays]) await untilAll(instances, access_token, '200');
        revoked.push((await comeAndGo(fleet, `after ${name}`)).access_token);
        await healthy(instances, log);
      }
      for (const process of [fleet.issuer, ...instances]) {
        await process.stop('SIGKILL');
        await process.start();
        await process.ready();
      }
      for (const token of revoked) await untilAll(instances, token, 'token_revoked');
      expect((await client.logout(early.access_token)).status).toBe(204);
      await untilAll(instances, early.access_token, 'token_revoked');
      await untilAll(instances, stays.access_token, '200');
    },
  );
});

it('a downgraded reader refuses the newer file with its error code, and starts without it', async () => {
  const fleet = await fleetOfVersions('kafka', 'present', 'present', 'present');
  const { prices, instances } = fleet;
  const { access_token } = await comeAndGo(fleet, 'laptop');
  await expect(fleet.changeTo(prices, 'before')).rejects.toThrow(/denylist_newer/);
  for (const part of ['', '-wal', '-shm']) rmSync(`${prices.environment.DENYLIST_PATH}${part}`, { force: true });
  await prices.start();
  await prices.ready();
  expect(await isPresent(prices)).toBe(false);
  await untilAll(instances, access_token, 'token_revoked');
  await comeAndGo(fleet, 'phone');
  await fleet.changeTo(prices, 'present');
  await untilAll(instances, access_token, 'token_revoked');
  await comeAndGo(fleet, 'tablet');
});

it('a downgraded issuer refuses the newer database with its error code, and this version continues', async () => {
  const fleet = await fleetOfVersions('http', 'present', 'before', 'present');
  const { issuer } = fleet;
  const present = issuer.main;
  await expect(fleet.changeTo(issuer, 'before')).rejects.toThrow(/database_newer/);
  issuer.main = present;
  await issuer.start();
  await issuer.ready();
  await comeAndGo(fleet, 'laptop');
});

it.each<[Version, Version]>([
  ['present', 'before'],
  ['before', 'present'],
])(
  'the event key is revoked by an issuer of the version %s: readers of the version %s follow, and keep a complete view',
  async (issuer, readers) => {
    const fleet = await fleetOfVersions('kafka', issuer, readers, readers);
    const { instances } = fleet;
    const gone = await comeAndGo(fleet, 'before the revocation');
    const keys = administerKeys(fleet, issuer === 'present');
    await keys.revoke(await keys.active('event'));
    const after = await comeAndGo(fleet, 'after it');
    await healthy(instances, 'kafka');
    for (const instance of instances) {
      await instance.stop('SIGKILL');
      await instance.start();
      await instance.ready();
    }
    for (const { access_token } of [gone, after]) await untilAll(instances, access_token, 'token_revoked');
    for (const instance of instances) expect(await verdictOf(instance, after.access_token)).toBe('token_revoked');
    await waitFor('no view is suspect', async () => {
      const feeds = await Promise.all(instances.map((instance) => checkOf(instance, 'feed')));
      return feeds.every((feed) => feed?.suspect === null);
    });
  },
);
