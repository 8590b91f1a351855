import { copyFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceProcess } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { breakableDisk, emptyPageCache, injectError, mayBreak, mayInject } from '../support/failing-disk.ts';
import { checkOf, fleetOf, untilAll, verdictOf } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

// Whatever happens to the file of a running instance: it denies every revocation that it has received, accepts no token whose
// revocation it cannot know, and its health reports the fault.

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

const storeOf = (instance: ServiceProcess) => checkOf(instance, 'feed_store');

const untilStored = (instance: ServiceProcess) =>
  waitFor(
    'every row is in the file',
    async () => {
      const store = await storeOf(instance);
      return store?.status === 'pass' && store.pendingRows === 0;
    },
    30_000,
  );

/** One instance of prices, and logouts that wait until it has applied them. */
async function onePrices(directory?: string, more: Readonly<Record<string, string>> = {}) {
  const fleet = await fleetOf({
    brokers: broker.brokers,
    prices: 1,
    orders: 0,
    started: false,
    guardedEnvironment: more,
  });
  const [prices] = fleet.instances;
  if (prices === undefined) throw new Error('one instance was asked for');
  if (directory !== undefined) prices.environment.DENYLIST_PATH = join(directory, 'denylist.sqlite');
  for (const one of [fleet.issuer, prices]) {
    await one.start();
    await one.ready();
  }
  const path = prices.environment.DENYLIST_PATH ?? '';
  const user = await fleet.client.register();
  const login = async () => (await fleet.client.login(user, 'a device')).access_token;
  const revoked: string[] = [];
  const logout = async () => {
    const token = await login();
    await untilAll([prices], token, '200');
    expect((await fleet.client.logout(token)).status).toBe(204);
    await untilAll([prices], token, 'token_revoked');
    revoked.push(token);
  };
  const restart = async () => {
    await prices.stop('SIGKILL');
    await prices.start();
    await prices.ready();
  };
  const expectRevoked = async () => {
    for (const token of revoked) expect(await verdictOf(prices, token)).toBe('token_revoked');
  };
  return {
    ...fleet,
    prices,
    path,
    files: ['', '-wal'].map((part) => path + part),
    login,
    logout,
    revoked,
    restart,
    expectRevoked,
  };
}

describe.skipIf(!mayBreak)('a file system that becomes read-only under a running instance', () => {
  it('changes no decision and is reported; the instance does not start on it, and loses nothing after the repair', async () => {
    const disk = breakableDisk();
    const { prices, login, logout, expectRevoked } = await onePrices(disk.path);
    const valid = await login();
    await logout();
    await untilStored(prices);
    disk.becomeReadOnly();
    await logout();
    await waitFor('the store warns', async () => (await storeOf(prices))?.status === 'warn', 20_000);
    await logout();
    expect(await verdictOf(prices, valid)).toBe('200');
    expect(await checkOf(prices, 'view')).toMatchObject({ status: 'pass' });

    await prices.stop('SIGKILL');
    await expect(prices.start()).rejects.toThrow(/denylist_un(writable|readable).*denylist\.sqlite/s);
    disk.repair();
    await prices.start();
    await prices.ready();
    await expectRevoked();
    await untilStored(prices);
    expect(await verdictOf(prices, valid)).toBe('200');
  });
});

describe.skipIf(!mayInject)('system calls of a running instance that fail on its file', () => {
  const writes = Array.from({ length: 14 }, (_, index) => index + 1);
  const errors = ['EIO', 'ENOSPC', 'EROFS'] as const;

  it('from the N-th write on, and at the N-th alone: each N loses nothing and requires no restart', async () => {
    const { prices, files, logout, restart, expectRevoked } = await onePrices();
    let failed = 0;
    for (const write of writes) {
      for (const when of [`${write}+`, `${write}`]) {
        const error = errors[write % errors.length] ?? 'EIO';
        const injection = await injectError(prices.pid(), { files, error, when });
        await logout();
        await logout();
        failed = Math.max(failed, Number((await storeOf(prices))?.failures));
        await injection.stop();
        await untilStored(prices);
      }
    }
    expect(failed).toBeGreaterThan(0);
    for (const event of ['feed_commit_failed', 'feed_commit_recovered'])
      await waitFor(`the line ${event}`, () => prices.line(event));
    await expectRevoked();
    await restart();
    await expectRevoked();
    expect(await checkOf(prices, 'denylist')).not.toHaveProperty('replaced');
  });

  it('from the N-th write on, until it is killed: each N leaves a file that a restart can trust', async () => {
    const { prices, files, logout, restart, expectRevoked } = await onePrices();
    for (const write of writes) {
      await injectError(prices.pid(), { files, error: 'EIO', when: `${write}+` });
      await logout();
      await restart();
      await expectRevoked();
      expect(await checkOf(prices, 'denylist')).not.toHaveProperty('replaced');
    }
  });

  it('every read: memory continues to deny, no token that may be revoked is accepted, and no restart is required', async () => {
    const { prices, path, files, login, logout, revoked, expectRevoked } = await onePrices();
    await logout();
    const valid = await login();
    await untilAll([prices], valid, '200');
    await untilStored(prices);
    const injection = await injectError(prices.pid(), { files, call: 'pread64', error: 'EIO', when: '1+' });
    emptyPageCache(path);
    await waitFor(
      'the revoked token cannot be looked up',
      async () => (await verdictOf(prices, revoked[0] ?? '')) === 'denylist_unreadable',
    );
    expect(await verdictOf(prices, valid)).toBe('200');
    await logout();
    expect(await checkOf(prices, 'denylist')).toMatchObject({ status: 'fail' });
    expect(await injection.stop()).toBeGreaterThan(0);
    await untilStored(prices);
    await expectRevoked();
    await waitFor('the check denylist passes', async () => (await checkOf(prices, 'denylist'))?.status === 'pass');
  });

  it.each(['fsync,fdatasync', 'ftruncate', 'pwrite64'] as const)(
    'each %s during its stop: the next start trusts the file',
    async (call) => {
      const { prices, files, logout, expectRevoked } = await onePrices();
      for (let n = 0; n < 3; n += 1) await logout();
      const injection = await injectError(prices.pid(), { files, call, error: 'EIO', when: '1+' });
      await prices.stop('SIGTERM');
      expect(await injection.stop()).toBeGreaterThan(0);
      await prices.start();
      await prices.ready();
      await expectRevoked();
    },
  );
});

type Harm = (path: string) => void;

const truncateTo =
  (bytesOf: (bytes: number) => number): Harm =>
  (path) =>
    truncateSync(path, bytesOf(statSync(path).size));
const remove =
  (...parts: string[]): Harm =>
  (path) => {
    for (const part of parts) rmSync(path + part, { force: true });
  };

const harms: readonly [string, Harm][] = [
  ['truncated to nothing', truncateTo(() => 0)],
  ['truncated to half a page', truncateTo(() => 2_048)],
  ['truncated to half', truncateTo((bytes) => bytes >> 1)],
  ['truncated by its last page', truncateTo((bytes) => bytes - 4_096)],
  ['removed', remove('')],
  ['removed, with its log', remove('', '-wal', '-shm')],
  [
    'removed, and another put in its place',
    (path) => {
      copyFileSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
  ],
];

/**
 * Waits until the instance has measured its file, as it does each second: a checkpoint enlarges the file and makes the write-ahead
 * log smaller, and heartbeats enlarge the log again.
 */
const untilMeasured = (instance: ServiceProcess, path: string) =>
  waitFor('the file is measured', async () => {
    const metrics = await (await fetch(`${instance.managementUrl}/metrics`)).text();
    return Number(/^rescind_denylist_wal_bytes (\d+)$/m.exec(metrics)?.[1]) === statSync(`${path}-wal`).size;
  });

describe('a damaged file', () => {
  it.each(harms)('under a running instance: it is %s', async (_, harm) => {
    const { prices, path, login, logout, revoked, restart, expectRevoked } = await onePrices();
    for (let n = 0; n < 3; n += 1) await logout();
    const valid = await login();
    await untilStored(prices);
    emptyPageCache(path);
    await untilMeasured(prices, path);
    harm(path);
    await logout();
    for (const token of revoked)
      expect(await verdictOf(prices, token)).toMatch(/^(token_revoked|denylist_unreadable)$/);
    expect(await verdictOf(prices, valid)).toBe('200');
    // If the write-ahead log has the page again, nothing is lost, and the file is trusted again at once.
    await waitFor('the fault of the file is logged', () => prices.line('denylist_file_fault'));
    await waitFor(
      'health says so, or the file is trusted again',
      async () =>
        prices.line('denylist_file_recovered') !== undefined || (await checkOf(prices, 'denylist'))?.status !== 'pass',
    );
    await logout();
    await restart();
    await expectRevoked();
    expect(await verdictOf(prices, valid)).toBe('200');
    await untilStored(prices);
    await logout();
  });

  it.each(harms)('while the instance is stopped: it is %s', async (_, harm) => {
    const { prices, path, logout, login, expectRevoked } = await onePrices();
    for (let n = 0; n < 3; n += 1) await logout();
    const valid = await login();
    await prices.stop('SIGTERM');
    harm(path);
    await prices.start();
    await prices.ready();
    await expectRevoked();
    expect(await verdictOf(prices, valid)).toBe('200');
    await logout();
  });
});
