import { join } from 'node:path';
import type { ServiceProcess } from '@rescind/dev-fleet';
import { expect, it } from 'vitest';
import { brokerOfOwn, fleetOf, untilAll, untilWritten, verdictOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

/** Starts an instance and asks it from its first moment: every verdict before it was ready, and the first after. */
async function startAsking(instance: ServiceProcess, token: string): Promise<{ before: string[]; after: string }> {
  await instance.start();
  const before: string[] = [];
  for (const end = performance.now() + 30_000; performance.now() < end; ) {
    const verdict = await verdictOf(instance, token);
    if ((await instance.health()).status === 200)
      return { before: [...before, verdict], after: await verdictOf(instance, token) };
    before.push(verdict);
  }
  throw new Error(`not ready: ${JSON.stringify((await instance.health()).body)}`);
}

it.each(['kafka', 'embedded'])(
  'an instance is ready only when it has caught up, and never accepts what was revoked while it was down (%s)',
  async (log) => {
    const broker = log === 'kafka' ? await brokerOfOwn() : undefined;
    const { client, instances } = await fleetOf({ brokers: broker?.brokers, prices: 2, orders: 0 });
    const [stays, away] = instances;
    if (stays === undefined || away === undefined) throw new Error('two instances were asked for');
    const user = await client.register();
    const tokens = await client.login(user, 'laptop');

    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await away.stop(signal);
      await client.logout(tokens.access_token);
      await untilAll([stays], tokens.access_token, 'token_revoked');
      const { before, after } = await startAsking(away, tokens.access_token);
      expect(before).not.toContain('200');
      expect(after).toBe('token_revoked');
    }
  },
);

it('an instance with an empty file is not ready before it has read the whole log', async () => {
  const broker = await brokerOfOwn();
  const { client, instances, directory } = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 0 });
  const [instance] = instances;
  if (instance === undefined) throw new Error('one instance was asked for');
  const user = await client.register();
  const tokens = await client.login(user, 'laptop');
  await client.logout(tokens.access_token);
  await instance.stop();
  instance.environment.DENYLIST_PATH = join(directory, 'empty.sqlite');

  const { before, after } = await startAsking(instance, tokens.access_token);
  expect(before).not.toContain('200');
  expect(after).toBe('token_revoked');
});

it('while no transport responds, an instance with an empty file is never ready, one with a fresh file is, by its stored age', async () => {
  const { client, instances, issuer, directory } = await fleetOf({ prices: 2, orders: 0 });
  const [fresh, empty] = instances;
  if (fresh === undefined || empty === undefined) throw new Error('two instances were asked for');
  const user = await client.register();
  const [alive, revoked] = [await client.login(user, 'alive'), await client.login(user, 'revoked')];
  await client.logout(revoked.access_token);
  await untilAll(instances, revoked.access_token, 'token_revoked');
  await untilWritten(instances);
  await Promise.all([fresh.stop('SIGKILL'), empty.stop('SIGKILL'), issuer.stop('SIGKILL')]);
  empty.environment.DENYLIST_PATH = join(directory, 'empty.sqlite');

  await Promise.all([fresh.start(), empty.start()]);
  await fresh.ready();
  expect(await verdictOf(fresh, revoked.access_token)).toBe('token_revoked');
  expect(await verdictOf(fresh, alive.access_token)).toBe('200');
  expect((await empty.health()).status).toBe(503);
  expect(['view_not_ready', 'keys_unavailable']).toContain(await verdictOf(empty, alive.access_token));

  await issuer.start();
  await empty.ready();
  expect(await verdictOf(empty, revoked.access_token)).toBe('token_revoked');
  expect(await verdictOf(empty, alive.access_token)).toBe('200');
});

it('while no transport responds, a file older than MAX_STALENESS does not make an instance ready', async () => {
  const { instances, issuer } = await fleetOf({ prices: 1, orders: 0, guardedEnvironment: { MAX_STALENESS: '1s' } });
  const [instance] = instances;
  if (instance === undefined) throw new Error('one instance was asked for');
  await issuer.stop('SIGKILL');
  await instance.stop('SIGKILL');
  const stopped = performance.now();
  await waitFor('the file is older than a second', () => performance.now() - stopped > 1_200);

  await instance.start();
  const started = performance.now();
  // It could be ready by its stored age after 5 s without a response at the earliest: checked after 8 s.
  await waitFor('eight seconds of silence have passed', async () => {
    expect((await instance.health()).status).not.toBe(200);
    return performance.now() - started > 8_000;
  });
});
