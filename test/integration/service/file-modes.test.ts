import { chmodSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import { bearer, openFleet, protectedUrl, request } from '@rescind/dev-fleet';
import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';

/** The files and directories below a directory that other users may access, with their modes. */
function openToOthers(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' }).flatMap((name) => {
    const mode = statSync(join(directory, name)).mode & 0o777;
    return (mode & 0o077) === 0 ? [] : [`${name} ${mode.toString(8)}`];
  });
}

/** Sets the umask 0, as in a container or a unit that sets none. */
function withoutUmask(): void {
  const before = process.umask(0);
  onTestFinished(() => void process.umask(before));
}

test('files and directories of the services are accessible to their owner only, whatever the umask', async () => {
  withoutUmask();
  const fleet = await openFleet({ prices: 1, orders: 0 });
  onTestFinished(() => fleet.close());
  const [instance] = fleet.instances;
  if (instance === undefined) throw new Error('there is no instance');
  const user = await fleet.client.register();
  const { access_token: token } = await fleet.client.login(user, 'laptop');
  await fleet.client.logout(token);
  const isRefused = async () => (await request(protectedUrl(instance), bearer(token))).status === 401;
  await waitFor('the revocation is applied', isRefused);
  const names = readdirSync(fleet.directory);
  for (const ending of ['sqlite', 'sqlite.lock', 'sqlite-wal', 'keys']) {
    expect([ending, names.some((name) => name.endsWith(ending))]).toEqual([ending, true]);
  }
  expect(openToOthers(fleet.directory)).toEqual([]);
});

test('a lock file that others could open becomes private, in directories that are created', async () => {
  withoutUmask();
  const directory = temporaryDirectory();
  for (const lock of ['issuer.sqlite.lock', 'denylist.sqlite.lock']) {
    writeFileSync(join(directory, lock), '');
    chmodSync(join(directory, lock), 0o644);
  }
  const issuer = await openIssuer({
    issuer: 'https://login.example',
    store: sqliteStore({ path: join(directory, 'issuer.sqlite') }),
    keysPath: join(directory, 'made', 'keys'),
    subject: () => undefined,
  });
  onTestFinished(() => issuer.close());
  for (const path of ['denylist.sqlite', join('made', 'too', 'denylist.sqlite')]) {
    const denylist = openDenylist({ path: join(directory, path) });
    onTestFinished(() => void denylist.close());
  }
  expect(openToOthers(directory)).toEqual([]);
});
