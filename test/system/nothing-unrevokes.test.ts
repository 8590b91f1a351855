import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fleetOf, untilAll, untilComplete, verdictOf, verdictsOf } from '../support/fleet.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

/** Sends requests continuously from now on, and collects the accepted tokens. */
function watch(ask: () => Promise<string[]>): { stop(): Promise<string[]> } {
  const accepted: string[] = [];
  let watching = true;
  const done = (async () => {
    while (watching) accepted.push(...(await ask()).filter((verdict) => verdict === '200'));
  })();
  return {
    async stop() {
      watching = false;
      await done;
      return accepted;
    },
  };
}

it.each([
  { transport: 'kafka' as const, how: 'SIGKILL' as const },
  { transport: 'kafka' as const, how: 'SIGTERM' as const },
  { transport: 'http' as const, how: 'SIGKILL' as const },
])(
  'never accepts a revoked token again while instances are restarted ($how, by $transport)',
  async ({ transport, how }) => {
    const { client, instances, issuer } = await fleetOf({
      ...(transport === 'kafka' && { brokers: broker.brokers }),
      prices: 2,
      orders: 1,
    });
    const user = await client.register();
    const revoked = await client.login(user, 'revoked');
    const alive = await client.login(user, 'alive');
    await client.logout(revoked.access_token);
    await untilAll(instances, revoked.access_token, 'token_revoked');

    const watching = watch(() => verdictsOf(instances, revoked.access_token));
    for (const instance of [...instances, issuer]) {
      await instance.stop(how);
      await instance.start();
      await instance.ready();
    }
    await untilComplete(instances, transport);
    expect(await watching.stop()).toEqual([]);
    expect(await verdictsOf(instances, alive.access_token)).toEqual(['200', '200', '200']);
  },
);

it('refuses a token that was revoked by its jti, its session and its user, each alone, after every restart', async () => {
  const { client, instances } = await fleetOf({ prices: 1, orders: 0 });
  const [instance] = instances;
  if (instance === undefined) throw new Error('one instance was asked for');
  const users = [await client.register(), await client.register(), await client.register()] as const;
  const byToken = await client.login(users[0], 'jti');
  const bySession = await client.login(users[1], 'sid');
  const byUser = await client.login(users[2], 'sub');
  expect((await client.revoke(byToken.access_token)).status).toBe(200);
  expect((await client.logout(bySession.access_token)).status).toBe(204);
  expect((await client.logoutEverywhere(byUser)).status).toBe(204);
  const tokens = [byToken, bySession, byUser].map(({ access_token }) => access_token);
  for (const token of tokens) await untilAll([instance], token, 'token_revoked');

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await instance.stop(signal);
    await instance.start();
    await instance.ready();
    for (const token of tokens) expect(await verdictOf(instance, token)).toBe('token_revoked');
  }
  // RFC 7009 on an access token ends that token, not its session.
  expect((await client.refresh(byToken.refresh_token)).status).toBe(200);
  expect((await client.refresh(bySession.refresh_token)).status).toBe(400);
  expect((await client.refresh(byUser.refresh_token)).status).toBe(400);
});
