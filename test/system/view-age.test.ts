import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fleet, ServiceProcess } from '@rescind/dev-fleet';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { checkOf, fleetOf, untilAll, verdictsOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

const PRELOAD = fileURLToPath(new URL('../support/wall-clock.mjs', import.meta.url));

/** One instance whose wall clock is set; the issuer keeps the machine's. A view is stale after 10 s. */
async function fleetWithWall(offsetMs: number): Promise<{ fleet: Fleet; setWall(offsetMs: number): void }> {
  const file = join(temporaryDirectory(), 'offset');
  const setWall = (ms: number) => writeFileSync(file, String(ms));
  setWall(offsetMs);
  const clock = { NODE_OPTIONS: `--import=${PRELOAD}`, WALL_CLOCK_OFFSET_FILE: file };
  const fleet = await fleetOf({
    prices: 1,
    orders: 0,
    guardedEnvironment: { MAX_STALENESS: '10s', ...clock },
  });
  return { fleet, setWall };
}

const ageOf = async ({ instances: [instance] }: Fleet) =>
  instance && ((await checkOf(instance, 'feed'))?.ageMs as number | null | undefined);

/** Waits until the view of the running instance is so old. */
const untilOlder = (fleet: Fleet, ms: number) =>
  waitFor(`a view older than ${ms} ms`, async () => Number(await ageOf(fleet)) > ms, 30_000);

it.each([
  ['set 120 s behind the issuer', -120_000, -120_000],
  ['set back by 30 s while the issuer is away', 0, -30_000],
])('an instance whose wall clock is %s knows after a restart how old its view is', async (_, before, after) => {
  const { fleet, setWall } = await fleetWithWall(0);
  const { client, instances, issuer } = fleet;
  const [instance] = instances as readonly [ServiceProcess];
  const token = (await client.login(await client.register(), 'laptop')).access_token;
  await untilAll(instances, token, '200');
  setWall(before);
  const isBehind = async () => /^(warn|fail)$/.test(String((await checkOf(instance, 'clock'))?.status));
  await waitFor('the issuer is seen ahead', async () => before === 0 || (await isBehind()));
  await issuer.stop('SIGKILL');
  const silentSince = performance.now();
  await untilOlder(fleet, 2_000);
  setWall(after);
  await untilOlder(fleet, 11_000);
  await instance.stop('SIGKILL');
  await instance.start();
  // At least as old as when it was asked: the response may take its time.
  const { age, silentMs } = await waitFor('the check of the feed', async () => {
    const silentMs = performance.now() - silentSince;
    const age = await ageOf(fleet);
    return typeof age === 'number' && { age, silentMs };
  });
  expect(age).toBeGreaterThan(silentMs - 2_000);
  // The view is older than MAX_STALENESS: the instance is not ready by age, and accepts no token.
  expect(await verdictsOf(instances, token)).toEqual(['view_not_ready']);
});

it('an instance that was frozen refuses requests until it has applied what was revoked in that time', async () => {
  const { fleet } = await fleetWithWall(0);
  const { client, instances, issuer } = fleet;
  const [instance] = instances;
  const user = await client.register();
  const [revoked, valid] = [await client.login(user, 'revoked'), await client.login(user, 'valid')];
  await untilAll(instances, valid.access_token, '200');
  instance?.pause();
  await client.logout(revoked.access_token);
  await issuer.stop('SIGKILL');
  const frozenAt = performance.now();
  await waitFor('MAX_STALENESS is exceeded', () => performance.now() - frozenAt > 11_000, 20_000);
  instance?.resume();
  // It has not read the logout, and does not accept the token, because its view is too old.
  expect(await verdictsOf(instances, valid.access_token)).not.toEqual(['200']);
  await issuer.start();
  await untilAll(instances, revoked.access_token, 'token_revoked');
  await untilAll(instances, valid.access_token, '200');
});
