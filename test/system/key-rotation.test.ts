import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ServiceProcess } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkOf, fleetOf, untilAll, untilComplete, verdictsOf } from '../support/fleet.ts';
import { administerKeys, kidOf, live } from '../support/key-administration.ts';
import { waitFor } from '../support/wait.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

/** Other verifiers then cache the keys for a second. */
const SOON = { KEY_PUBLISH_BEFORE: '3s', LOGINS_PER_MINUTE: '100000' };
const MAIN = fileURLToPath(new URL('../../services/user-management/src/main.js', import.meta.url));

/** Waits until all instances refuse the token, by the cut-off or because the key is no longer published, whichever arrives first. */
async function untilRefused(instances: readonly ServiceProcess[], token: string): Promise<void> {
  await waitFor('every instance refuses it', async () => {
    const verdicts = await verdictsOf(instances, token);
    return verdicts.every((verdict) => verdict === 'token_revoked' || verdict === 'token_key_unknown');
  });
}

it('a rotation by command under load refuses no request, ends no session and loses no logout (security 18)', async () => {
  const fleet = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 1, issuerEnvironment: SOON });
  const { client, instances, issuer } = fleet;
  const keys = administerKeys(fleet);
  const user = await client.register();
  const sessions = [await client.login(user, 'laptop'), await client.login(user, 'phone')];
  const jwks = createRemoteJWKSet(new URL(`${issuer.url}/.well-known/jwks.json`), { cooldownDuration: 0 });
  const before = await client.login(user, 'before');
  await jwtVerify(before.access_token, jwks, { issuer: issuer.url, audience: 'prices', typ: 'at+jwt' });

  const life = live(fleet, user, sessions);
  const first = await keys.active('token');
  const [second] = await Promise.all([keys.rotate('token', 'ES256'), keys.rotate('event')]);
  const [third] = await Promise.all([keys.rotate('token', 'RS256'), keys.rotate('event')]);
  await waitFor('the last key to have been used', () => life.kids.has(third), 30_000);
  await life.stop();
  expect(life.refused).toEqual([]);
  expect([...life.kids]).toEqual([first, second, third]);

  for (const token of life.loggedOut) await untilAll(instances, token, 'token_revoked');
  await untilComplete(instances, 'kafka');
  expect(await verdictsOf(instances, before.access_token)).toEqual(['200', '200']);
  expect(kidOf(before.access_token)).toBe(first);
  // Another library verifies the tokens, with the former keys and with the present ones.
  for (const token of [before.access_token, (await client.login(user, 'after')).access_token]) {
    await jwtVerify(token, jwks, { issuer: issuer.url, audience: 'prices', typ: 'at+jwt' });
  }
});

it('scheduled rotations of keys and epochs refuse no request', async () => {
  const issuerEnvironment = {
    ...SOON,
    KEY_PUBLISH_BEFORE: '2s',
    KEY_ROTATION_INTERVAL: '4s',
    EVENT_KEY_ROTATION_INTERVAL: '5s',
  };
  const fleet = await fleetOf({ prices: 1, orders: 1, issuerEnvironment });
  const { client, instances, issuer } = fleet;
  const user = await client.register();
  const life = live(fleet, user, [await client.login(user, 'laptop')]);
  await waitFor('four keys to have signed', () => life.kids.size >= 4, 60_000);
  await life.stop();
  expect(life.refused).toEqual([]);
  for (const token of life.loggedOut) await untilAll(instances, token, 'token_revoked');
  await untilComplete(instances, 'http');

  const check = await checkOf(issuer, 'keys');
  expect(check).toMatchObject({ status: 'pass', alg: 'RS256', rotationAt: expect.stringMatching(/^\d{4}-.*Z$/) });
  const metrics = await (await fetch(`${issuer.managementUrl}/metrics`)).text();
  for (const purpose of ['token', 'event']) {
    expect(metrics).toMatch(
      new RegExp(`rescind_key_rotations_total{purpose="${purpose}",cause="schedule"[^}]*} [1-9]`),
    );
    expect(metrics).toMatch(new RegExp(`rescind_key_age_seconds{purpose="${purpose}"[^}]*} \\d`));
  }
  const rotated = await waitFor('the rotation is logged', () => issuer.line('key_rotated'));
  expect(rotated).toMatchObject({ level: 'info', cause: 'schedule' });
});

it('every instance refuses tokens of a revoked key, and logins continue', async () => {
  const fleet = await fleetOf({ brokers: broker.brokers, prices: 2, orders: 1 });
  const { client, instances } = fleet;
  const keys = administerKeys(fleet);
  const user = await client.register();
  const [stolen, stays] = [await client.login(user, 'stolen'), await client.login(user, 'stays')];
  await untilAll(instances, stolen.access_token, '200');
  const { signingKid, revokedKids } = await keys.revoke(kidOf(stolen.access_token));
  expect(revokedKids).toEqual([kidOf(stolen.access_token)]);
  const login = await client.login(user, 'at once');
  expect(kidOf(login.access_token)).toBe(signingKid);
  for (const { access_token } of [stolen, stays]) await untilRefused(instances, access_token);
  await untilAll(instances, login.access_token, '200');
  const refreshed = await client.refresh(stays.refresh_token);
  expect(refreshed.status).toBe(200);

  // The event key is revoked too: earlier denials remain, and later ones are applied.
  await keys.revoke(await keys.active('event'));
  await client.logout(login.access_token);
  await untilAll(instances, login.access_token, 'token_revoked');
  await untilComplete(instances, 'kafka');
});

it('a reader that was down while the event key changed has applied everything when it is ready', async () => {
  const fleet = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 1, issuerEnvironment: SOON });
  const { client, instances, issuer } = fleet;
  const [away] = instances;
  if (away === undefined) throw new Error('there is no instance');
  const keys = administerKeys(fleet);
  const user = await client.register();
  const [early, late, alive] = [
    await client.login(user, 'early'),
    await client.login(user, 'late'),
    await client.login(user, 'alive'),
  ];
  await untilComplete(instances, 'kafka');
  await client.logout(early.access_token);
  await away.stop('SIGKILL');
  await keys.rotate('event');
  await client.logout(late.access_token);
  await away.start();
  await away.ready();
  expect(await verdictsOf([away], late.access_token)).toEqual(['token_revoked']);
  expect(await verdictsOf([away], early.access_token)).toEqual(['token_revoked']);

  // The new key cannot be fetched: records that cannot be verified are ignored, and read again later.
  await away.stop('SIGKILL');
  await keys.rotate('event');
  await client.logoutEverywhere(alive);
  await waitFor('the event is published', async () => (await checkOf(issuer, 'relay'))?.lagEvents === 0, 30_000);
  await issuer.stop('SIGKILL');
  await away.start();
  await issuer.start();
  await untilAll(instances, alive.access_token, 'token_revoked', 60_000);
  await untilComplete(instances, 'kafka');
});

it('the issuer detects a database from before the rotations, and its restore makes no revoked token valid', async () => {
  const fleet = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 0, issuerEnvironment: SOON });
  const { client, instances, issuer } = fleet;
  const database = issuer.environment.DATABASE_PATH ?? '';
  const copy = (from: string, to: string) => {
    for (const end of ['', '-wal', '-shm']) {
      rmSync(to + end, { force: true });
      if (existsSync(from + end)) copyFileSync(from + end, to + end);
    }
  };
  const user = await client.register();
  const gone = await client.login(user, 'gone');
  await issuer.stop();
  copy(database, `${database}.backup`);
  await issuer.start();
  await issuer.ready();
  const keys = administerKeys(fleet);
  await Promise.all([keys.rotate('token'), keys.rotate('event')]);
  const since = await client.login(user, 'since');
  await client.logout(gone.access_token);
  await untilAll(instances, gone.access_token, 'token_revoked');

  await issuer.stop();
  copy(`${database}.backup`, database);
  await issuer.start();
  await waitFor('writes are refused', async () => Boolean((await checkOf(issuer, 'writes'))?.refusing));
  expect(await verdictsOf(instances, since.access_token)).toEqual(['200']);
  await issuer.stop();
  const { status, stdout } = spawnSync(process.execPath, [MAIN, 'restore'], {
    env: { PATH: process.env.PATH, ...issuer.environment, PORT: '0', MANAGEMENT_PORT: '0', ADMIN_PORT: '0' },
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(status, stdout).toBe(0);
  await issuer.start();
  await issuer.ready();
  await untilComplete(instances, 'kafka');
  for (const { access_token } of [gone, since]) await untilRefused(instances, access_token);
  expect((await client.refresh(gone.refresh_token)).status).toBe(400);
  await untilAll(instances, (await client.login(user, 'anew')).access_token, '200');
});
