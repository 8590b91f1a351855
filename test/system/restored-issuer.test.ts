import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Fleet } from '@rescind/dev-fleet';
import { codeOf, request } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fleetOf, untilAll, untilComplete } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

const SUFFIXES = ['', '-wal', '-shm'];
const MAIN = fileURLToPath(new URL('../../services/user-management/src/main.js', import.meta.url));

function copyDatabase(from: string, to: string): void {
  for (const suffix of SUFFIXES) {
    rmSync(to + suffix, { force: true });
    if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
  }
}

function restore({ issuer }: Fleet): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, 'restore'], {
    env: { PATH: process.env.PATH, ...issuer.environment, PORT: '0', MANAGEMENT_PORT: '0', ADMIN_PORT: '0' },
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, output: `${stdout}${stderr}` };
}

it.each(['kafka', 'embedded'])(
  'an issuer with a restored database refuses writes until restore has run, and makes no revoked token valid (%s)',
  async (log) => {
    const fleet = await fleetOf({ ...(log === 'kafka' && { brokers: broker.brokers }), prices: 1, orders: 1 });
    const { client, instances, issuer } = fleet;
    const database = issuer.environment.DATABASE_PATH ?? '';
    const user = await client.register();
    const [early, late] = [await client.login(user, 'early'), await client.login(user, 'late')];
    await client.logout(early.access_token);
    await issuer.stop();
    copyDatabase(database, `${database}.backup`);
    await issuer.start();
    await issuer.ready();
    expect((await client.logout(late.access_token)).status).toBe(204);
    await untilAll(instances, late.access_token, 'token_revoked');

    await issuer.stop();
    copyDatabase(`${database}.backup`, database);
    await issuer.start();
    const refused = await request(`${issuer.url}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(user),
    });
    expect([refused.status, codeOf(refused)]).toEqual([503, 'database_restored']);
    expect((await request(`${issuer.url}/.well-known/jwks.json`)).status).toBe(200);
    expect((await request(`${issuer.url}/.well-known/oauth-authorization-server`)).status).toBe(200);

    await issuer.stop();
    const report = restore(fleet);
    expect(report.output).not.toMatch(/stack|at .*\.ts:\d+/);
    expect(report.status).toBe(0);
    await issuer.start();
    await issuer.ready();
    await untilComplete(instances, log === 'kafka' ? 'kafka' : 'http');

    // Every earlier token is refused, and the sessions that had ended after the backup stay ended.
    for (const { access_token } of [early, late]) await untilAll(instances, access_token, 'token_revoked');
    for (const { refresh_token } of [early, late]) expect((await client.refresh(refresh_token)).status).toBe(400);
    const anew = await client.login(user, 'anew');
    await untilAll(instances, anew.access_token, '200');
    await client.logout(anew.access_token);
    await untilAll(instances, anew.access_token, 'token_revoked');
  },
);

it('the evidence of readers reveals a restored issuer whose high-water file was lost with the database', async () => {
  const fleet = await fleetOf({ prices: 1, orders: 0 });
  const { client, instances, issuer, directory } = fleet;
  const database = issuer.environment.DATABASE_PATH ?? '';
  const user = await client.register();
  const late = await client.login(user, 'late');
  await issuer.stop();
  copyDatabase(database, `${database}.backup`);
  const keys = issuer.environment.KEYS_PATH ?? '';
  const backup = `${directory}/keys.backup`;
  spawnSync('cp', ['-a', keys, backup]);
  await issuer.start();
  await issuer.ready();
  await client.logout(late.access_token);
  await untilAll(instances, late.access_token, 'token_revoked');

  await issuer.stop();
  copyDatabase(`${database}.backup`, database);
  rmSync(keys, { recursive: true });
  spawnSync('cp', ['-a', backup, keys]);
  await issuer.start();
  await waitFor(
    'writes are refused',
    async () => {
      const answer = await request(`${issuer.url}/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(user),
      });
      return codeOf(answer) === 'database_restored';
    },
    30_000,
  );
  await untilAll(instances, late.access_token, 'token_revoked');
});
