import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { RescindError } from '@rescind/revocation';
import { openService } from '@rescind/service';
import { userManagement } from '@rescind/user-management';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { mayMount, smallDisk } from '../../support/small-disk.ts';
import { freePort, issuerEnvironment, openUserManagement, USER } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

type Opened = Awaited<ReturnType<typeof openUserManagement>>;

async function readiness({ managementUrl }: Opened) {
  const response = await fetch(`${managementUrl}/readyz`);
  const { checks } = (await response.json()) as { checks: { name: string; status: string; reason?: string }[] };
  return { status: response.status, storage: checks.find(({ name }) => name === 'storage') };
}

const metric = async ({ managementUrl }: Opened, series: string) => {
  const text = await (await fetch(`${managementUrl}/metrics`)).text();
  return Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')[1],
  );
};

const logged = ({ lines }: Opened, event: string) => lines.filter((line) => line.includes(`"event":"${event}"`));

describe.skipIf(!mayMount)('an issuer on a disk that becomes full', () => {
  test('answers each write 503 with a code, is not ready, and recovers automatically', async () => {
    const disk = smallDisk('6m');
    const service = await openUserManagement({}, disk.path);
    await service.register();
    const before = await service.login();
    expect(await readiness(service)).toMatchObject({ status: 200, storage: { status: 'pass' } });

    disk.fill();
    for (const answer of [
      await service.post('/login', USER),
      await service.post('/register', { username: 'bob', password: 'another long password' }),
      await service.refresh(before.refresh),
      await service.form('/oauth2/revoke', { token: before.refresh }),
      await service.post('/logout-everywhere', {}, service.asBearer(before.access)),
    ]) {
      expect([answer.status, answer.body.code, answer.text]).toEqual([503, 'storage_unavailable', expect.anything()]);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect(await readiness(service)).toMatchObject({ status: 503, storage: { status: 'fail', reason: 'full' } });
    expect(await metric(service, 'rescind_writes_refused{reason="storage_unavailable"}')).toBe(1);
    expect(await metric(service, 'rescind_storage_failures_total{file="database",reason="full"}')).toBeGreaterThan(4);
    expect(await metric(service, 'rescind_health_check{name="storage",status="fail"}')).toBe(1);
    expect((await service.send('/.well-known/jwks.json')).status).toBe(200);
    expect(logged(service, 'storage_failed').filter((line) => line.includes('"database"'))).toHaveLength(1);

    disk.free();
    await waitFor(
      'the storage check passes',
      async () => (await readiness(service)).storage?.status === 'pass',
      10_000,
    );
    expect((await readiness(service)).status).toBe(200);
    expect(await metric(service, 'rescind_writes_refused{reason="storage_unavailable"}')).toBe(0);
    expect((await service.refresh(before.refresh)).status).toBe(200);
    expect(logged(service, 'storage_recovered').length).toBeGreaterThan(0);
  });

  test('writes the high-water mark on a full disk of the keys, and reports a read-only one, which serves durable state', async () => {
    const disk = smallDisk('1m');
    const service = await openUserManagement({ KEYS_PATH: join(disk.path, 'keys') });
    await service.register();
    const { access } = await service.login();
    disk.fill();
    expect((await service.post('/logout-everywhere', {}, service.asBearer(access))).status).toBe(204);
    expect(await readiness(service)).toMatchObject({ status: 200, storage: { status: 'pass' } });
    const { access: another } = await service.login();
    disk.remount('ro');
    expect((await service.post('/logout-everywhere', {}, service.asBearer(another))).status).toBe(204);
    expect(await readiness(service)).toMatchObject({ status: 200, storage: { status: 'warn', reason: 'read_only' } });
    const failures = 'rescind_storage_failures_total{file="high_water",reason="read_only"}';
    expect(await metric(service, failures)).toBeGreaterThan(0);
    disk.remount('rw');
    await waitFor(
      'the high-water mark is written',
      async () => (await readiness(service)).storage?.status === 'pass',
      10_000,
    );
  });
});

describe.skipIf(!mayMount)('an issuer on a file system that is read-only at start', () => {
  test.each(['the database', 'the keys'])('does not start, and names what is wrong: %s', async (what) => {
    const disk = smallDisk('6m');
    const directory = temporaryDirectory();
    const port = await freePort();
    const paths =
      what === 'the database'
        ? { DATABASE_PATH: join(disk.path, 'database.sqlite') }
        : { KEYS_PATH: join(disk.path, 'keys') };
    const environment = { ...issuerEnvironment(directory, port), ...paths };
    const first = await openService(userManagement, environment, { write: () => undefined });
    await first.close();
    disk.remount('ro');
    const error = await openService(userManagement, environment, { write: () => undefined }).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(RescindError);
    expect(error.code).toBe('storage_unavailable');
    expect(error.message).toContain(disk.path);
    disk.remount('rw');
    const again = await openService(userManagement, environment, { write: () => undefined });
    await again.close();
  });
});

/** Overwrites every leaf page of a table, as a disk with damaged sectors does. */
function damageTable(path: string, table: string): void {
  const database = new Database(path);
  database.pragma('wal_checkpoint(TRUNCATE)');
  const pages = database
    .prepare<[string], number>(`SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'`)
    .pluck()
    .all(table);
  database.close();
  expect(pages.length).toBeGreaterThan(0);
  const file = openSync(path, 'r+');
  for (const page of pages) writeSync(file, Buffer.alloc(4096, 0xa5), 0, 4096, (page - 1) * 4096);
  closeSync(file);
}

test('answers 503 with the reason and is unhealthy when the database is damaged', async () => {
  const directory = temporaryDirectory();
  const same = { ISSUER: 'https://issuer.example', PORT: '0' };
  const sound = await openUserManagement(same, directory);
  for (let user = 0; user < 40; user++) await sound.register({ username: `user-${user}`, password: 'a long password' });
  await sound.close();
  damageTable(join(directory, 'user-management.sqlite'), 'accounts');
  const damaged = await openUserManagement(same, directory);
  const answers = [];
  for (let user = 0; user < 40; user++) {
    answers.push(await damaged.post('/login', { username: `user-${user}`, password: 'a long password' }));
  }
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused.length).toBeGreaterThan(0);
  for (const { status, body } of refused) expect([status, body.code]).toEqual([503, 'storage_unavailable']);
  expect((await readiness(damaged)).storage?.status).not.toBe('pass');
});
