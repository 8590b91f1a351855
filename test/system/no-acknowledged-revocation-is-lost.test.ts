import type { Fleet, Tokens } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fleetOf, untilAll, untilComplete, verdictsOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

/** Logs sessions out one after another and returns those whose logout was acknowledged; continues when there is no response. */
async function logOutAll({ client }: Fleet, sessions: readonly Tokens[], acknowledged: Tokens[]): Promise<void> {
  for (const session of sessions) {
    try {
      const { status } = await client.logout(session.access_token);
      if (status === 204) acknowledged.push(session);
    } catch {
      // The issuer was killed under this request: it was not acknowledged, so nothing was promised.
    }
  }
}

it.each(['kafka', 'embedded'])(
  'every acknowledged logout survives repeated kills (kill -9) of the issuer during logouts (%s)',
  async (log) => {
    const fleet = await fleetOf({ ...(log === 'kafka' && { brokers: broker.brokers }), prices: 1, orders: 1 });
    const { client, instances, issuer } = fleet;
    const user = await client.register();
    const sessions: Tokens[] = [];
    for (let device = 1; device <= 60; device += 1) sessions.push(await client.login(user, `device ${device}`));

    const acknowledged: Tokens[] = [];
    for (let kill = 0; kill < 4; kill += 1) {
      const batch = sessions.slice(kill * 15, kill * 15 + 15);
      const atLeast = acknowledged.length + 2 + kill;
      const logouts = logOutAll(fleet, batch, acknowledged);
      await waitFor('some logouts are acknowledged', () => acknowledged.length >= atLeast);
      await issuer.stop('SIGKILL');
      await logouts;
      await issuer.start();
      await issuer.ready();
    }
    expect(acknowledged.length).toBeGreaterThanOrEqual(2 + 3 + 4 + 5);

    await untilComplete(instances, log === 'kafka' ? 'kafka' : 'http');
    for (const { access_token, refresh_token } of acknowledged) {
      await untilAll(instances, access_token, 'token_revoked');
      expect((await client.refresh(refresh_token)).status).toBe(400);
    }
    const survivors = sessions.filter((session) => !acknowledged.includes(session));
    // Tokens that were not logged out still work: otherwise the test would pass with a fleet that refuses everything.
    const working = await Promise.all(survivors.map(({ access_token }) => verdictsOf(instances, access_token)));
    expect(working.flat().filter((verdict) => verdict === '200').length).toBeGreaterThan(0);
  },
);

it('a reader that is killed repeatedly (kill -9) during a stream of logouts applies all of them', async () => {
  const fleet = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 0 });
  const { client, instances } = fleet;
  const [instance] = instances;
  if (instance === undefined) throw new Error('one instance was asked for');
  const user = await client.register();
  const sessions: Tokens[] = [];
  for (let device = 1; device <= 40; device += 1) sessions.push(await client.login(user, `device ${device}`));

  const acknowledged: Tokens[] = [];
  const logouts = logOutAll(fleet, sessions, acknowledged);
  for (let kill = 0; kill < 3; kill += 1) {
    await instance.stop('SIGKILL');
    await instance.start();
  }
  await logouts;
  await instance.ready();
  expect(acknowledged).toHaveLength(sessions.length);
  for (const { access_token } of acknowledged) await untilAll(instances, access_token, 'token_revoked');
});
