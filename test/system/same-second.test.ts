import { bearer, request } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fleetOf, untilAll, verdictsOf } from '../support/fleet.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

it('"log out everywhere" denies every earlier token and no later one, even within one second', async () => {
  const issuerEnvironment = { LOGINS_PER_MINUTE: '1000' };
  const { client, instances } = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 1, issuerEnvironment });
  const user = await client.register();
  let sameSecond = 0;
  // On a slow machine most rounds last longer than a second.
  for (let round = 1; round <= 12 || (sameSecond === 0 && round <= 60); round += 1) {
    const before = await client.login(user, `before ${round}`);
    expect((await client.logoutEverywhere(before)).status).toBe(204);
    const after = await client.login(user, `after ${round}`);
    await untilAll(instances, before.access_token, 'token_revoked');
    // The cut-off has been applied, and the later token is accepted.
    expect(await verdictsOf(instances, after.access_token)).toEqual(['200', '200']);
    if (decodeJwt(before.access_token).iat === decodeJwt(after.access_token).iat) sameSecond += 1;
  }
  expect(sameSecond).toBeGreaterThan(0);
});

it('fifty logins race with "log out everywhere": each token is refused, or was minted after it', async () => {
  const { client, instances, issuer } = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 0 });
  const user = await client.register();
  const early = await client.login(user, 'early');
  const { access_token: forAccount } = await client.login(user, 'phone', `${issuer.url}/account`);
  const racing = await Promise.all([
    ...Array.from({ length: 25 }, () => client.refresh(early.refresh_token)),
    request(`${issuer.url}/logout-everywhere`, { method: 'POST', ...bearer(forAccount) }),
    ...Array.from({ length: 25 }, () => client.refresh(early.refresh_token)),
  ]);
  const tokens = racing.flatMap(({ status, body }) =>
    status === 200 ? [(body as { access_token: string }).access_token] : [],
  );
  // Renewed tokens belong to a session that "everywhere" ended.
  for (const token of [early.access_token, ...tokens]) await untilAll(instances, token, 'token_revoked');
});
