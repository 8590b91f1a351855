import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import type { ServiceProcess } from '../../support/process.ts';
import { startProcess } from '../../support/process.ts';
import { createClient, freePort, issuerEnvironment, USER } from '../../support/user-management.ts';

const main = fileURLToPath(new URL('../../../services/user-management/src/main.js', import.meta.url));

async function start(environment: Record<string, string>) {
  const service = startProcess(main, environment);
  const { url, managementUrl } = await service.line('listening');
  await service.line('ready');
  return { ...service, ...createClient(String(url)), managementUrl: String(managementUrl) };
}

async function stopped(service: ServiceProcess) {
  service.kill('SIGTERM');
  expect(await service.exit, service.output()).toBe(0);
}

test('refuses a second process on the same database', async () => {
  const directory = temporaryDirectory();
  const environment = issuerEnvironment(directory, await freePort());
  const first = await start(environment);
  const second = startProcess(main, { ...environment, PORT: '0' });
  expect(await second.exit).toBe(1);
  expect((await second.line('start_failed')).message).toContain('Another process is the writer of this database');
  expect((await first.register()).status).toBe(201);
});

test('finishes a login in progress at a stop', async () => {
  const service = await start(issuerEnvironment(temporaryDirectory(), await freePort()));
  await service.register();
  const logins = Array.from({ length: 8 }, () => service.post('/login', USER));
  await Promise.race(logins);
  service.kill('SIGTERM');
  const answers = await Promise.allSettled(logins);
  // Accepted requests are answered completely; the others were not received.
  expect(answers.filter((answer) => answer.status === 'fulfilled' && answer.value.status !== 200)).toEqual([]);
  expect(answers.filter((answer) => answer.status === 'fulfilled').length).toBeGreaterThan(0);
  expect(await service.exit).toBe(0);
});

test('keeps acknowledged writes after kill -9', async () => {
  const environment = issuerEnvironment(temporaryDirectory(), await freePort());
  const first = await start(environment);
  await first.register();
  const [ended, kept] = [await first.login(), await first.login()];
  expect((await first.send('/logout', { method: 'POST', headers: first.asBearer(ended.access) })).status).toBe(204);
  first.kill('SIGKILL');
  await first.exit;

  const second = await start(environment);
  expect(await second.accepts(ended.access)).toBe(401);
  expect((await second.refresh(ended.refresh)).status).toBe(400);
  expect(await second.accepts(kept.access)).toBe(400);
  expect((await second.refresh(kept.refresh)).status).toBe(200);
  await stopped(second);
});

test('refuses writes to a database from a backup until restore has run, and serves keys, metadata and health', async () => {
  const directory = temporaryDirectory();
  const backup = temporaryDirectory();
  const environment = issuerEnvironment(directory, await freePort());
  const before = await start(environment);
  await before.register();
  const stolen = await before.login();
  await stopped(before);
  copyDatabase(directory, backup);

  const later = await start(environment);
  expect((await later.send('/logout', { method: 'POST', headers: later.asBearer(stolen.access) })).status).toBe(204);
  await stopped(later);
  copyDatabase(backup, directory);

  const restored = await start(environment);
  for (const answer of [
    await restored.post('/login', USER),
    await restored.register({ username: 'bob', password: 'another password' }),
    await restored.refresh(stolen.refresh),
    await restored.form('/oauth2/revoke', { token: stolen.refresh }),
  ]) {
    expect([answer.status, answer.body.code]).toEqual([503, 'database_restored']);
    expect(answer.headers.get('retry-after')).not.toBeNull();
  }
  expect((await restored.send('/.well-known/jwks.json')).status).toBe(200);
  expect((await restored.send('/.well-known/oauth-authorization-server')).status).toBe(200);
  const health = await fetch(`${restored.managementUrl}/readyz`);
  expect(health.status).toBe(200);
  expect(await health.json()).toMatchObject({
    status: 'warn',
    checks: expect.arrayContaining([{ name: 'writes', status: 'warn', refusing: expect.any(String) }]),
  });
  await stopped(restored);

  const command = startProcess(main, environment, ['restore']);
  expect(await command.exit, command.output()).toBe(0);
  expect(await command.line('restore_done')).toMatchObject({ level: 'info', complete: false });

  const after = await start(environment);
  expect(await after.accepts(stolen.access)).toBe(401);
  expect((await after.refresh(stolen.refresh)).status).toBe(400);
  expect((await after.post('/login', USER)).status).toBe(200);
  await stopped(after);
});

/** Whether a process that has ended had loaded a module, by the coverage it wrote. */
function hasLoaded(directory: string, module: string): boolean {
  return readdirSync(directory).some((name) => readFileSync(join(directory, name), 'utf8').includes(`/${module}/`));
}

test('does not load the client of Kafka without brokers', async () => {
  const coverage = temporaryDirectory();
  const environment = issuerEnvironment(temporaryDirectory(), await freePort());
  await stopped(await start({ ...environment, NODE_V8_COVERAGE: coverage }));
  expect(hasLoaded(coverage, 'better-sqlite3')).toBe(true);
  expect(hasLoaded(coverage, 'kafkajs')).toBe(false);
});

test('starts, becomes ready and enforces a logout while Kafka is down', async () => {
  const environment = issuerEnvironment(temporaryDirectory(), await freePort());
  const nobody = `127.0.0.1:${await freePort()}`;
  const coverage = temporaryDirectory();
  const service = await start({ ...environment, NODE_V8_COVERAGE: coverage, KAFKA_BROKERS: nobody });
  await service.register();
  const { access } = await service.login();
  expect((await service.send('/logout', { method: 'POST', headers: service.asBearer(access) })).status).toBe(204);
  expect(await service.accepts(access)).toBe(401);
  const health = await fetch(`${service.managementUrl}/readyz`);
  expect(health.status).toBe(200);
  expect(await health.json()).toMatchObject({
    status: 'warn',
    checks: expect.arrayContaining([
      expect.objectContaining({ name: 'kafka', status: 'warn', topic: 'rescind.revocations' }),
    ]),
  });
  await stopped(service);
  expect(hasLoaded(coverage, 'kafkajs')).toBe(true);
});

function copyDatabase(from: string, to: string): void {
  for (const name of readdirSync(from).filter((file) => file.includes('.sqlite') && !file.includes('lock'))) {
    copyFileSync(join(from, name), join(to, name));
  }
}
