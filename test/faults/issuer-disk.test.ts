import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FleetOptions, FleetResponse, ServiceProcess, Tokens } from '@rescind/dev-fleet';
import { codeOf, request } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { InjectedError } from '../support/failing-disk.ts';
import { breakableDisk, emptyPageCache, injectError, mayBreak, mayInject } from '../support/failing-disk.ts';
import { checkOf, fleetOf, untilAll } from '../support/fleet.ts';
import { mayMount, smallDisk } from '../support/small-disk.ts';
import { waitFor } from '../support/wait.ts';

// Everything that the issuer acknowledged remains after a fault of its disk; a write that fails gets 503 with a code; no restart is
// required.

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

/** A fleet whose issuer keeps its database in a directory, and the acknowledged writes. */
async function fleetOn(directory?: string) {
  const issuerEnvironment: FleetOptions['issuerEnvironment'] = { LOGINS_PER_MINUTE: '10000' };
  if (directory !== undefined) {
    mkdirSync(join(directory, 'issuer'), { recursive: true });
    Object.assign(issuerEnvironment, { DATABASE_PATH: join(directory, 'issuer', 'user-management.sqlite') });
  }
  const fleet = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 0, issuerEnvironment });
  const { client, issuer, instances } = fleet;
  const user = await client.register();
  const acknowledged: Tokens[] = [];
  /** By session: the refresh token answered last. */
  const alive = new Set<Tokens>();
  const refused: FleetResponse[] = [];

  const login = async () => {
    const answer = await request(`${issuer.url}/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...user, deviceName: 'a device' }),
    });
    if (answer.status !== 200) refused.push(answer);
    else alive.add(answer.body as Tokens);
  };
  const refresh = async (tokens: Tokens) => {
    const answer = await client.refresh(tokens.refresh_token);
    if (answer.status !== 200) {
      refused.push(answer);
      return;
    }
    alive.delete(tokens);
    alive.add(answer.body as Tokens);
  };
  const logout = async (tokens: Tokens) => {
    const answer = await client.logout(tokens.access_token);
    if (answer.status !== 204) {
      refused.push(answer);
      return;
    }
    alive.delete(tokens);
    acknowledged.push(tokens);
  };
  /** Logins, refreshes and logouts, concurrently. */
  const use = async () => {
    const [first, second, third] = [...alive];
    await Promise.all([
      login(),
      login(),
      ...(first === undefined ? [] : [logout(first)]),
      ...(second === undefined ? [] : [refresh(second)]),
      ...(third === undefined ? [] : [refresh(third)]),
    ]);
  };
  /** Expects that every refusal is one of the storage, with a code and a time to retry. */
  const expectCoded = () => {
    for (const answer of refused) {
      expect([answer.status, codeOf(answer)]).toEqual([503, 'storage_unavailable']);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
  };
  const expectKept = async () => {
    for (const { access_token, refresh_token } of acknowledged) {
      await untilAll(instances, access_token, 'token_revoked');
      expect((await client.refresh(refresh_token)).status).toBe(400);
    }
    for (const tokens of [...alive]) {
      await untilAll(instances, tokens.access_token, '200');
      alive.delete(tokens);
      alive.add(await client.refreshed(tokens.refresh_token));
    }
  };
  for (let n = 0; n < 4; n += 1) await login();
  await use();
  expect(refused).toEqual([]);
  const path = issuer.environment.DATABASE_PATH ?? '';
  return { ...fleet, use, refused, acknowledged, expectCoded, expectKept, files: [path, `${path}-wal`] };
}

const storageOf = async (issuer: ServiceProcess) => (await checkOf(issuer, 'storage'))?.status;

const untilWell = (issuer: ServiceProcess) =>
  waitFor('the storage is well', async () => (await storageOf(issuer)) === 'pass', 30_000);

describe.skipIf(!mayBreak)('a file system that becomes read-only under the issuer', () => {
  it('causes 503 and is reported; the issuer does not start on it; after the repair it has all acknowledged writes', async () => {
    const disk = breakableDisk();
    const { issuer, use, refused, expectCoded, expectKept } = await fleetOn(disk.path);
    disk.becomeReadOnly();
    for (let n = 0; n < 3; n += 1) await use();
    expect(refused.length).toBeGreaterThan(3);
    expectCoded();
    expect((await issuer.health()).status).toBe(503);
    expect((await request(`${issuer.url}/.well-known/jwks.json`)).status).toBe(200);
    await issuer.stop('SIGKILL');
    await expect(issuer.start()).rejects.toThrow(/storage_unavailable.*user-management\.sqlite/s);
    disk.repair();
    await issuer.start();
    await issuer.ready();
    await expectKept();
  });
});

describe.skipIf(!mayMount)('a disk of the issuer that is full', () => {
  it('causes 503 until there is space, without a restart', async () => {
    const disk = smallDisk('8m');
    const { issuer, use, refused, expectCoded, expectKept } = await fleetOn(disk.path);
    disk.fill();
    await waitFor('several writes are refused', async () => {
      await use();
      return refused.length > 3;
    });
    expectCoded();
    expect((await issuer.health()).status).toBe(503);
    disk.free();
    await untilWell(issuer);
    await use();
    await expectKept();
    await issuer.stop('SIGKILL');
    await issuer.start();
    await issuer.ready();
    await expectKept();
  });
});

describe.skipIf(!mayInject)('system calls of the issuer that fail on its database', () => {
  const errors = ['EIO', 'ENOSPC', 'EROFS'] as const;
  const errorAt = (write: number) => errors[write % errors.length] ?? 'EIO';
  const writes = Array.from({ length: 12 }, (_, index) => index + 1);

  it('from the N-th write on, and at the N-th alone: each N gets an error code and recovers without a restart', async () => {
    const { issuer, use, refused, expectCoded, expectKept, files } = await fleetOn();
    for (const write of writes) {
      for (const when of [`${write}+`, `${write}`]) {
        const injection = await injectError(issuer.pid(), { files, error: errorAt(write), when });
        for (let n = 0; n < 3; n += 1) await use();
        await injection.stop();
        await untilWell(issuer);
      }
    }
    expect(refused.length).toBeGreaterThan(writes.length);
    expectCoded();
    await use();
    await expectKept();
  });

  it.each<[string, Omit<InjectedError, 'files'>]>([
    ['every sync', { call: 'fsync,fdatasync', error: 'EIO', when: '1+' }],
    ['every third sync', { call: 'fsync,fdatasync', error: 'EIO', when: '2+3' }],
    ['every read', { call: 'pread64', error: 'EIO', when: '1+' }],
  ])('%s: acknowledged writes are kept', async (_, error) => {
    const { issuer, use, expectCoded, expectKept, files } = await fleetOn();
    const injection = await injectError(issuer.pid(), { files, ...error });
    if (error.call === 'pread64') emptyPageCache(files[0] ?? '');
    for (let n = 0; n < 6; n += 1) await use();
    expect(await injection.stop()).toBeGreaterThan(0);
    expectCoded();
    // SQLite reports damage for a schema that it cannot read; a warning stays then.
    await waitFor('the issuer is ready', async () => (await issuer.health()).status === 200, 30_000);
    await use();
    await expectKept();
  });

  it('from the N-th write on, until it is killed: each N keeps all acknowledged writes', async () => {
    const { issuer, use, expectCoded, expectKept, files } = await fleetOn();
    for (const write of writes) {
      await injectError(issuer.pid(), { files, error: errorAt(write), when: `${write}+` });
      for (let n = 0; n < 2; n += 1) await use();
      await issuer.stop('SIGKILL');
      await issuer.start();
      await issuer.ready();
      await untilWell(issuer);
      expectCoded();
    }
    await use();
    await expectKept();
  });
});
