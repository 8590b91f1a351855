import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startProcess } from '../../support/process.ts';
import { waitFor } from '../../support/wait.ts';

const main = fileURLToPath(new URL('fixture/main.ts', import.meta.url));
const ports = { PORT: '0', MANAGEMENT_PORT: '0' };

async function start(environment: Record<string, string> = {}) {
  const service = startProcess(main, { ...ports, ...environment });
  const { url, managementUrl, innerUrl } = await service.line('listening');
  await service.line('ready');
  return { ...service, url: String(url), managementUrl: String(managementUrl), innerUrl: String(innerUrl) };
}

/** The result of a new connection: `connected`, or the code of the error. */
function connecting(url: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
      socket.destroy();
      resolve('connected');
    });
    socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message));
  });
}

test('a stop finishes the running request, ends streams, and closes resources in reverse order', async () => {
  const service = await start();
  const slow = fetch(`${service.url}/slow?n=1`);
  const stream = await fetch(`${service.url}/stream`);
  await service.line('slow_begun');
  service.kill('SIGTERM');
  await service.line('stopping');
  expect((await fetch(`${service.managementUrl}/readyz`)).status).toBe(503);
  expect(await connecting(service.url)).toBe('ECONNREFUSED');
  service.kill('SIGUSR2');
  const answer = await slow;
  expect([answer.status, await answer.json()]).toEqual([200, { slow: '1' }]);
  await stream.text();
  expect(await service.exit).toBe(0);
  expect(service.lines.filter(({ event }) => event === 'closed').map(({ name }) => name)).toEqual(['second', 'first']);
});

test('a second listener has its own address, and a stop finishes its running requests', async () => {
  const service = await start();
  expect((await fetch(`${service.innerUrl}/stream`)).status).toBe(404);
  expect((await fetch(`${service.innerUrl}/slow`, { method: 'POST' })).status).toBe(405);
  const slow = fetch(`${service.innerUrl}/slow?n=2`);
  await service.line('inner_begun');
  service.kill('SIGTERM');
  await service.line('stopping');
  service.kill('SIGUSR2');
  expect(await (await slow).json()).toEqual({ inner: '2' });
  expect(await connecting(service.innerUrl)).toBe('ECONNREFUSED');
  expect(await service.exit).toBe(0);
});

test('a stop does not wait beyond its deadline', async () => {
  const service = await start({ SHUTDOWN_TIMEOUT: '100ms' });
  const slow = fetch(`${service.url}/slow`).catch((error) => error);
  await service.line('slow_begun');
  service.kill('SIGINT');
  expect(await service.exit).toBe(0);
  expect(await slow).toBeInstanceOf(TypeError);
  expect(await service.line('requests_cut')).toMatchObject({ level: 'warn', connections: 1 });
});

test('a second signal exits at once', async () => {
  const service = await start();
  fetch(`${service.url}/slow`).catch(() => undefined);
  await service.line('slow_begun');
  service.kill('SIGTERM');
  await service.line('stopping');
  service.kill('SIGTERM');
  expect(await service.exit).toBe(143);
});

test('an uncaught error is logged and ends the process', async () => {
  const service = await start();
  fetch(`${service.url}/uncaught`).catch(() => undefined);
  expect(await service.exit).toBe(1);
  expect(await service.line('unhandled_rejection')).toMatchObject({ level: 'error', message: 'nobody caught me' });
});

test('a wrong configuration is refused with all its errors, and no secret', async () => {
  const service = startProcess(main, { PORT: '99999', KEY: 'hunter2', RESCIND_PORT: '1' });
  expect(await service.exit).toBe(78);
  const refused = service.lines.filter(({ event }) => event === 'configuration_invalid');
  expect(refused.map(({ variable }) => variable)).toEqual(['RESCIND_PORT', 'PORT', 'KEY']);
  expect(service.output()).not.toContain('hunter2');
});

test('a port in use is reported with its variable', async () => {
  const other = createServer().listen(0);
  await waitFor('the other server listens', () => other.listening);
  const { port } = other.address() as AddressInfo;
  const service = startProcess(main, { ...ports, PORT: String(port) });
  expect(await service.exit).toBe(1);
  const failed = await service.line('start_failed');
  expect(failed.message).toMatch(/^(MANAGEMENT_)?PORT .*\d+ cannot be listened on \(EADDRINUSE\)/);
  expect(failed.causeCode).toBe('EADDRINUSE');
  expect(service.lines.filter(({ event }) => event === 'closed')).toHaveLength(2);
  const inner = startProcess(main, { ...ports, INNER_PORT: String(port) });
  expect(await inner.exit).toBe(1);
  expect(inner.lines.filter(({ event }) => event === 'closed')).toHaveLength(2);
  other.close();
});

test('a command runs, reports and exits; an unknown one is refused', async () => {
  const report = startProcess(main, ports, ['report']);
  expect(await report.exit).toBe(0);
  expect((await report.line('report_done')).counted).toBe(3);
  const unknown = startProcess(main, ports, ['restroe']);
  expect(await unknown.exit).toBe(64);
  expect(await unknown.line('command_unknown')).toMatchObject({ known: 'check-configuration, report' });
});

test('service links of Kubernetes and a misspelt variable are logged, and the service starts', async () => {
  const service = await start({
    MANAGEMENT_PORT: 'tcp://10.0.0.1:80',
    RESCIND_SERVICE_HOST: '10.0.0.2',
    SHUTDOWN_TIMOUT: '1s',
  });
  expect(await service.line('service_links_ignored')).toMatchObject({
    level: 'info',
    variables: 'MANAGEMENT_PORT, RESCIND_SERVICE_HOST',
  });
  expect(await service.line('variable_misspelt')).toMatchObject({ level: 'warn', variable: 'SHUTDOWN_TIMOUT' });
  service.kill('SIGTERM');
  expect(await service.exit).toBe(0);
});
