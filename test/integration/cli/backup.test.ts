import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runRescind } from '../../support/cli.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { freePort, issuerEnvironment, openUserManagement } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

/** A service on files of its own, which can be stopped and started, and the file of its environment. */
async function started() {
  const directory = temporaryDirectory();
  const environment = issuerEnvironment(directory, await freePort());
  const envFile = join(directory, 'service.env');
  writeFileSync(
    envFile,
    Object.entries(environment)
      .map(([name, value]) => `${name}=${value}`)
      .join('\n'),
  );
  const open = () => openUserManagement(environment, directory);
  const rescind = (...parameters: string[]) => runRescind(parameters, {});
  return {
    directory,
    database: environment.DATABASE_PATH ?? '',
    backups: join(directory, 'backups'),
    envFile,
    open,
    rescind,
  };
}

test('backs up a running service, and restores it once it has stopped', async () => {
  const { open, rescind, backups, envFile, database, directory } = await started();
  const running = await open();
  await running.register();
  const before = await running.login();
  const metrics = await (await fetch(`${running.managementUrl}/metrics`)).text();
  expect(metrics).not.toMatch(/^rescind_backup_last_success_timestamp_seconds /m);
  const backup = await rescind('backup', backups, '--env-file', envFile, '--json');
  expect(backup.stderr).toContain('KEYS_PATH');
  const { file, openSessions } = JSON.parse(backup.stdout);
  expect([backup.exitCode, openSessions, statSync(file).mode & 0o777]).toEqual([0, 1, 0o600]);
  expect(readdirSync(backups)).toHaveLength(1);
  // The scrape before it reads the time of the mark.
  const backedUpAt = await waitFor('the metric of the backup', async () => {
    const metrics = await (await fetch(`${running.managementUrl}/metrics`)).text();
    return /^rescind_backup_last_success_timestamp_seconds (\S+)$/m.exec(metrics)?.[1];
  });
  expect(Math.abs(Date.now() / 1_000 - Number(backedUpAt))).toBeLessThan(60);
  const ended = await running.login();
  await running.send('/logout', { method: 'POST', headers: running.asBearer(ended.access) });

  const restore = (...flags: string[]) => rescind('restore', file, '--env-file', envFile, '--json', ...flags);
  expect((await restore()).exitCode).toBe(8);
  expect((await restore('--replace')).exitCode).toBe(7);
  const locked = await restore('--replace', '--yes');
  expect([locked.exitCode, JSON.parse(locked.stderr.trim().split('\n').at(-1) ?? '').code]).toEqual([
    8,
    'database_locked',
  ]);
  await running.close();

  const done = await restore('--replace', '--yes');
  expect(done.exitCode, done.stderr).toBe(0);
  const { replaced, restored } = JSON.parse(done.stdout);
  // Without Kafka and without a reader nobody has the events after the backup.
  expect([restored.complete, done.stderr]).toEqual([false, expect.stringContaining('every session has ended')]);
  expect(statSync(replaced).isFile()).toBe(true);
  expect(readdirSync(directory).filter((name) => /partial|restoring/.test(name))).toEqual([]);
  const again = await open();
  expect(await again.accepts(ended.access)).toBe(401);
  expect((await again.login()).access).toBeTruthy();
  expect((await again.refresh(before.refresh)).status).not.toBe(503);
  expect(statSync(database).size).toBeGreaterThan(0);
});

test('refuses a damaged backup, and leaves the database as it is', async () => {
  const { open, rescind, backups, envFile, database } = await started();
  const running = await open();
  await running.register();
  await running.close();
  const { file } = JSON.parse((await rescind('backup', backups, '--database', database, '--json')).stdout);
  const whole = readFileSync(database);
  truncateSync(file, statSync(file).size - 4_096);
  const refused = await rescind('restore', file, '--env-file', envFile, '--replace', '--yes', '--json');
  expect([refused.exitCode, refused.stdout, JSON.parse(refused.stderr).code]).toEqual([1, '', 'database_damaged']);
  expect(readFileSync(database).equals(whole)).toBe(true);
});

test('names a database that is missing', async () => {
  const { rescind, backups } = await started();
  expect((await rescind('backup', backups, '--database', join(backups, 'none.sqlite'))).exitCode).toBe(6);
  expect((await rescind('backup', backups)).exitCode).toBe(2);
});
