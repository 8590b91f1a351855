import type { Fleet } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkOf, fleetOf, untilAll, untilComplete, verdictsOf } from '../support/fleet.ts';
import { administerKeys } from '../support/key-administration.ts';
import { thiefOf } from '../support/thief.ts';
import { waitFor } from '../support/wait.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

const fleet = () => fleetOf({ brokers: broker.brokers, prices: 1, orders: 1 });

const revokeEventKey = (one: Fleet, kid: string) => administerKeys(one).revoke(kid);

const epochOf = async ({ instances: [instance] }: Fleet) =>
  instance && String((await checkOf(instance, 'feed'))?.epoch ?? '');

it('records of unknown keys on the topic delay no logout', async () => {
  const one = await fleet();
  const thief = thiefOf(one, broker.brokers);
  const user = await one.client.register();
  await untilComplete(one.instances, 'kafka');
  for (let n = 0; n < 12; n += 1) {
    const made = `${n}`.padEnd(43, 'x');
    await thief.write(thief.jws({ epoch: '9999999999-x', seq: 1, prev: null, txn: 't' }, made));
    const { access_token } = await one.client.login(user, `device ${n}`);
    await one.client.logout(access_token);
    await untilAll(one.instances, access_token, 'token_revoked', 10_000);
  }
});

it('a revoked event key forges no epoch, no time and no position, and logouts are not delayed', async () => {
  const one = await fleet();
  const { client, instances } = one;
  const thief = thiefOf(one, broker.brokers);
  const user = await client.register();
  const [first, second] = [await client.login(user, 'first'), await client.login(user, 'second')];
  await untilComplete(instances, 'kafka');
  const before = await epochOf(one);
  await revokeEventKey(one, thief.kid);
  await client.logout(first.access_token);
  await untilAll(instances, first.access_token, 'token_revoked');
  const after = await waitFor('the new epoch', async () => {
    const epoch = await epochOf(one);
    return epoch !== before && epoch;
  });

  const in2100 = { iat: 4_102_444_800, iat_ms: 4_102_444_800_000 };
  await thief.write(
    thief.heartbeat('9999999999-x'),
    thief.heartbeat(String(after), in2100),
    thief.heartbeat(String(before), in2100),
  );
  await client.logout(second.access_token);
  await untilAll(instances, second.access_token, 'token_revoked');
  const valid = await client.login(user, 'valid');
  await untilAll(instances, valid.access_token, '200');
  expect(await epochOf(one)).toBe(after);
  await untilComplete(instances, 'kafka');
});

it('an instance that was down while the event key was revoked leaves its epoch and follows the new one', async () => {
  const one = await fleet();
  const { client, instances } = one;
  const [away] = instances;
  const thief = thiefOf(one, broker.brokers);
  const user = await client.register();
  const { access_token } = await client.login(user, 'laptop');
  await untilComplete(instances, 'kafka');
  const before = await epochOf(one);
  await away?.stop();
  await revokeEventKey(one, thief.kid);
  await thief.write(thief.heartbeat(String(before)));
  await client.logout(access_token);
  await away?.start();
  await untilAll(instances, access_token, 'token_revoked');
  await untilComplete(instances, 'kafka');
  expect(await epochOf(one)).not.toBe(before);
});

it('the issuer revokes its active event key after a forged revocation of it, and reports that the key was stolen', async () => {
  const one = await fleet();
  const { client, instances, issuer } = one;
  const thief = thiefOf(one, broker.brokers);
  const user = await client.register();
  const { access_token } = await client.login(user, 'laptop');
  await untilComplete(instances, 'kafka');
  const before = await epochOf(one);
  const iss = issuer.environment.ISSUER;
  const deny = [
    { iss, claim: 'event_kid', value: thief.kid, issuedUntil: Date.now(), expiresAt: 9e15, endsSession: false },
  ];
  const events = { 'https://rescind.dev/events/event-key-revoked': { reason: 'forged' } };
  await thief.write(thief.jws({ epoch: before, seq: 9_999, prev: 'x', txn: 't', events, deny }));
  await waitFor('the stolen key is logged', () => issuer.line('event_key_stolen'), 20_000);
  expect((await checkOf(issuer, 'keys'))?.event_key_stolen).toBe(thief.kid);
  expect(await verdictsOf(instances, access_token)).toEqual(['200', '200']);
  await client.logout(access_token);
  await untilAll(instances, access_token, 'token_revoked');
  await untilComplete(instances, 'kafka');
  expect((await client.login(user, 'after')).access_token).toBeTruthy();
});
