import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { broker, uniqueTopic } from '../../support/kafka.ts';
import { testTopic } from '../../support/kafka-topic.ts';
import type { ServiceProcess } from '../../support/process.ts';
import { startProcess } from '../../support/process.ts';
import { freePort } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';
import type { TestIssuer } from './issuer.ts';
import { openTestIssuer } from './issuer.ts';
import { ask } from './setting.ts';

const FILE = fileURLToPath(new URL('./ten-lines.ts', import.meta.url));

function start(
  issuer: TestIssuer,
  denylistPath: string,
  environment: Record<string, string> = {},
  more: object = {},
): ServiceProcess {
  const clientSecret = 'a-secret-of-the-reader';
  const options = { issuer: issuer.url, audience: 'prices', clientSecret, denylistPath, ...more };
  return startProcess(FILE, environment, [JSON.stringify(options)]);
}

const freshPath = () => join(temporaryDirectory(), 'data', 'denylist.sqlite');

async function urlOf(service: ServiceProcess): Promise<string> {
  return String((await service.line('listening')).url);
}

const isReady = (url: string) => async () => (await fetch(`${url}/readyz`)).status === 200;

/** The exit status, or undefined if the process is alive after ten seconds. */
const ended = (service: ServiceProcess) =>
  Promise.race([
    service.exit,
    new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 10_000).unref()),
  ]);

test('the router serves liveness, readiness and metrics', async () => {
  const issuer = await openTestIssuer();
  issuer.feedIsOpen = false;
  const url = await urlOf(start(issuer, freshPath()));
  expect(await (await fetch(`${url}/livez`)).json()).toEqual({ status: 'pass' });
  const early = await fetch(`${url}/readyz`);
  expect([early.status, await early.json()]).toEqual([
    503,
    { status: 'fail', checks: expect.arrayContaining([{ name: 'ready', status: 'fail' }]) },
  ]);

  issuer.feedIsOpen = true;
  await waitFor('the service is ready', isReady(url));
  expect((await ask(`${url}/prices`, issuer.token())).status).toBe(200);
  const response = await fetch(`${url}/metrics`);
  const text = await response.text();
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(text).toContain('rescind_ready 1\n');
  expect(text).toContain('rescind_health_check{name="view",status="pass"} 1\n');
  expect(text).toContain('rescind_decisions_total{result="accepted"} 1\n');
  expect(text).toContain('# TYPE rescind_decision_seconds histogram\n');
  expect((await fetch(`${url}/livez`, { method: 'HEAD' })).status).toBe(200);
  expect((await fetch(`${url}/readyz`, { method: 'POST' })).status).toBe(404);
});

test('the process ends after server.close() while the log is read', async () => {
  const issuer = await openTestIssuer();
  const service = start(issuer, freshPath());
  const url = await urlOf(service);
  await waitFor('the service is ready', isReady(url));
  expect((await ask(`${url}/prices`, issuer.token())).status).toBe(200);
  service.kill('SIGTERM');
  expect(await ended(service)).toBe(0);
});

test('the process ends after server.close() while the issuer is down', async () => {
  const issuer = await openTestIssuer();
  const service = start(issuer, freshPath());
  await waitFor('the service is ready', isReady(await urlOf(service)));
  await issuer.stop();
  await waitFor('the connection is lost', () => service.output().includes('[feed_connection_lost]'), 20_000);
  service.kill('SIGTERM');
  expect(await ended(service)).toBe(0);
  await issuer.start();
});

test('the process ends after server.close() before it has caught up', async () => {
  const issuer = await openTestIssuer();
  issuer.feedIsOpen = false;
  const service = start(issuer, freshPath());
  await urlOf(service);
  await waitFor('the connection is refused', () => service.output().includes('[feed_connection_lost]'), 20_000);
  service.kill('SIGTERM');
  expect(await ended(service)).toBe(0);
});

describe('with Kafka', () => {
  const connection = (brokers: readonly string[]) => ({ brokers, topic: uniqueTopic(), clientId: 'prices' });

  test('the process ends after server.close() while the log is read, and after close() of the guard too', async () => {
    const { brokers } = await broker();
    const kafka = connection(brokers);
    const topic = testTopic(brokers, kafka.topic);
    await topic.create();
    const issuer = await openTestIssuer();
    const [first, second] = [1, 2].map(() => start(issuer, freshPath(), {}, { kafka }));
    await waitFor('both processes read the topic', async () => (await topic.members('rescind.prices')) === 2, 30_000);
    first?.kill('SIGTERM');
    second?.kill('SIGINT');
    expect(await Promise.all([first, second].map((service) => service && ended(service)))).toEqual([0, 0]);
  });

  test('the process ends after server.close() while no broker answers', async () => {
    const issuer = await openTestIssuer();
    const kafka = connection([`127.0.0.1:${await freePort()}`]);
    const service = start(issuer, freshPath(), {}, { kafka });
    await waitFor('Kafka is lost', () => service.output().includes('[kafka_lost]'), 20_000);
    service.kill('SIGTERM');
    expect(await ended(service)).toBe(0);
  });
});

test('{worker} gives each instance of pm2 a file, and a shared file is refused with advice', async () => {
  const issuer = await openTestIssuer();
  const directory = temporaryDirectory();
  const path = join(directory, 'data', '{worker}.sqlite');
  const services = ['0', '1'].map((instance) => start(issuer, path, { NODE_APP_INSTANCE: instance }));
  for (const service of services) await waitFor('the service is ready', isReady(await urlOf(service)));
  expect(['0', '1'].map((name) => existsSync(join(directory, 'data', `${name}.sqlite`)))).toEqual([true, true]);

  const third = start(issuer, path, { NODE_APP_INSTANCE: '1' });
  expect(await third.exit).toBe(1);
  expect(third.output()).toMatch(/denylistPath .*1\.sqlite.*such as data\/\{worker\}\.sqlite/);
  const wrong = start(issuer, path, { NODE_APP_INSTANCE: '../1' });
  expect(await wrong.exit).toBe(1);
  expect(wrong.output()).toContain('NODE_APP_INSTANCE');
});
