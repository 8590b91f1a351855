import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fleet } from '@rescind/dev-fleet';
import { codeOf, request } from '@rescind/dev-fleet';
import { decodeJwt } from 'jose';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { fleetOf, untilAll, verdictsOf } from '../support/fleet.ts';

const PRELOAD = fileURLToPath(new URL('../support/wall-clock.mjs', import.meta.url));

/** A fleet whose issuer's wall clock can be set; the instances keep the machine's. */
async function fleetWithClock(): Promise<{ fleet: Fleet; setWall(offsetMs: number): void }> {
  const file = join(temporaryDirectory(), 'offset');
  writeFileSync(file, '0');
  const fleet = await fleetOf({
    prices: 1,
    orders: 0,
    issuerEnvironment: { NODE_OPTIONS: `--import=${PRELOAD}`, WALL_CLOCK_OFFSET_FILE: file },
  });
  return { fleet, setWall: (offsetMs) => writeFileSync(file, String(offsetMs)) };
}

it('the issuer clock is set back by 20 s: cut-offs still cover what was minted before, and later tokens work', async () => {
  const { fleet, setWall } = await fleetWithClock();
  const { client, instances } = fleet;
  const user = await client.register();
  const [laptop, phone] = [await client.login(user, 'laptop'), await client.login(user, 'phone')];
  setWall(-20_000);
  const minted = await client.login(user, 'after the clock went back');
  expect(Number(decodeJwt(minted.access_token).iat_ms)).toBeGreaterThanOrEqual(
    Number(decodeJwt(phone.access_token).iat_ms),
  );
  expect((await client.logout(laptop.access_token)).status).toBe(204);
  await untilAll(instances, laptop.access_token, 'token_revoked');
  expect(await verdictsOf(instances, minted.access_token)).toEqual(['200']);

  setWall(0);
  expect((await client.logoutEverywhere(minted)).status).toBe(204);
  for (const { access_token } of [phone, minted]) await untilAll(instances, access_token, 'token_revoked');
  const fresh = await client.login(user, 'fresh');
  await untilAll(instances, fresh.access_token, '200');
});

it.each([-3_600_000, 3_600_000])(
  'the wall clock of the issuer jumps by an hour (%i ms): no token is minted and logouts continue, until it is corrected',
  async (jump) => {
    const { fleet, setWall } = await fleetWithClock();
    const { client, instances, issuer } = fleet;
    const user = await client.register();
    const [laptop, phone] = [await client.login(user, 'laptop'), await client.login(user, 'phone')];
    setWall(jump);
    const refused = await request(`${issuer.url}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(user),
    });
    expect([refused.status, codeOf(refused)]).toEqual([503, 'clock_parted']);
    expect((await client.logout(laptop.access_token)).status).toBe(204);
    await untilAll(instances, laptop.access_token, 'token_revoked');

    setWall(0);
    const after = await client.login(user, 'after');
    await untilAll(instances, after.access_token, '200');
    expect((await client.logoutEverywhere(after)).status).toBe(204);
    for (const { access_token } of [phone, after]) await untilAll(instances, access_token, 'token_revoked');
  },
);
