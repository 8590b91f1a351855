import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { checkOf, fleetOf, untilAll } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

const PRELOAD = fileURLToPath(new URL('../support/wall-clock.mjs', import.meta.url));

it.each([
  ['59 s', 59_000, 'warn'],
  ['an hour', 3_600_000, 'fail'],
])(
  'an issuer that ran with its wall clock %s ahead reports its lead after the correction, and revokes at once',
  async (_, ahead, status) => {
    const file = join(temporaryDirectory(), 'offset');
    const setWall = (ms: number) => writeFileSync(file, String(ms));
    setWall(0);
    const { client, instances, issuer } = await fleetOf({
      prices: 1,
      orders: 0,
      issuerEnvironment: { NODE_OPTIONS: `--import=${PRELOAD}`, WALL_CLOCK_OFFSET_FILE: file },
    });
    const user = await client.register();
    const { access_token, refresh_token } = await client.login(user, 'before');
    await untilAll(instances, access_token, '200');
    await issuer.stop();
    setWall(ahead);
    await issuer.start();
    await client.login(user, 'while the clock is ahead');
    await issuer.stop();
    setWall(0);
    await issuer.start();
    const check = await waitFor('the check of the clock', () => checkOf(issuer, 'clock'));
    expect(check).toMatchObject({ status });
    expect(Number(check.leadMs)).toBeGreaterThan(ahead / 2);

    // Beyond 60 s no token is minted; within, a cut-off by time does not wait.
    const answer = await (ahead > 60_000 ? client.logout(access_token) : client.logoutEverywhere({ refresh_token }));
    expect(answer.status).toBe(204);
    const [instance] = instances;
    await waitFor('the cut-off is applied by every instance', async () => {
      const feed = instance && (await checkOf(instance, 'feed'));
      return feed?.status === 'pass' && Number(feed.seq) >= 1 && Number(feed.ageMs) < 5_000;
    });
    await untilAll(instances, access_token, 'token_revoked');
  },
);
