import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fleet } from '@rescind/dev-fleet';
import { openBroker } from '@rescind/dev-kafka';
import { expect, it, onTestFinished } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { checkOf, fleetOf, untilAll, untilComplete, verdictsOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

const PRELOAD = fileURLToPath(new URL('../support/wall-clock.mjs', import.meta.url));
const MAIN = fileURLToPath(new URL('../../services/user-management/src/main.js', import.meta.url));

function setClock({ issuer }: Fleet, ...flags: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'restore', ...flags], {
    env: { PATH: process.env.PATH, ...issuer.environment, PORT: '0', MANAGEMENT_PORT: '0', ADMIN_PORT: '0' },
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, output: `${stdout}${stderr}` };
}

it.each([
  ['59 s', 59_000, 'kafka'],
  ['an hour', 3_600_000, 'kafka'],
  ['an hour', 3_600_000, 'http'],
  ['a day', 86_400_000, 'kafka'],
] as const)(
  'an issuer that ran %s ahead (%i ms, %s) works at once when its clock is set by the command',
  async (_, ahead, transport) => {
    const brokers: readonly string[] | undefined =
      transport === 'kafka' ? (await brokerOfThisTest()).brokers : undefined;
    const file = join(temporaryDirectory(), 'offset');
    const setWall = (ms: number) => writeFileSync(file, String(ms));
    setWall(0);
    const fleet = await fleetOf({
      brokers,
      prices: 1,
      orders: 1,
      issuerEnvironment: { NODE_OPTIONS: `--import=${PRELOAD}`, WALL_CLOCK_OFFSET_FILE: file },
    });
    const { client, instances, issuer } = fleet;
    const user = await client.register();
    const [kept, revoked] = [await client.login(user, 'kept'), await client.login(user, 'revoked')];
    await untilAll(instances, kept.access_token, '200');
    await issuer.stop();

    setWall(ahead);
    // Otherwise the issuer would detect by the broker's clock that its own is wrong.
    if (transport === 'kafka') issuer.environment.TRUSTED_CLOCK = 'issuer';
    await issuer.start();
    const stolen = await client.login(user, 'while the clock is ahead');
    expect((await client.refresh(stolen.refresh_token)).status).toBe(200);
    expect((await client.logout(revoked.access_token)).status).toBe(204);
    await issuer.stop();
    setWall(0);
    delete issuer.environment.TRUSTED_CLOCK;
    await issuer.start();
    await issuer.stop();

    expect(setClock(fleet, '--set-clok').status).toBe(64);
    const report = setClock(fleet, '--set-clock');
    expect([report.status, report.output]).toEqual([0, expect.stringContaining('setBackMs')]);
    await issuer.start();
    await issuer.ready();
    expect(await checkOf(issuer, 'clock')).toMatchObject({ status: 'pass' });
    await untilComplete(instances, transport);

    const fresh = await client.login(user, 'fresh');
    await untilAll(instances, fresh.access_token, '200');
    const refreshed = await client.refresh(kept.refresh_token);
    expect(refreshed.status).toBe(200);
    for (const { access_token } of [kept, revoked, stolen]) await untilRefused(instances, access_token);
    // A refresh token that was exchanged while the clock was ahead is no retry, and ends its session.
    for (const { refresh_token } of [revoked, stolen]) expect((await client.refresh(refresh_token)).status).toBe(400);
    expect((await client.logoutEverywhere(fresh)).status).toBe(204);
    await untilAll(instances, fresh.access_token, 'token_revoked');
    const after = await client.login(user, 'after the emergency');
    await untilAll(instances, after.access_token, '200');
    await waitFor('every view is fresh', async () => {
      const views = await Promise.all(instances.map((instance) => checkOf(instance, 'feed')));
      return views.every((view) => view?.suspect === null && Number(view?.ageMs) < 5_000);
    });
  },
);

async function brokerOfThisTest() {
  const broker = await openBroker();
  onTestFinished(() => broker.close());
  return broker;
}

/** Waits until all instances refuse the token, by the row of its key, or because they have fetched the keys since. */
async function untilRefused(instances: Fleet['instances'], token: string): Promise<void> {
  await waitFor('every instance refuses the token', async () => {
    const verdicts = await verdictsOf(instances, token);
    return verdicts.every((verdict) => verdict === 'token_revoked' || verdict === 'token_key_unknown');
  });
}
