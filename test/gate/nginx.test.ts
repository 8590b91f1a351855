import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ask, bearer, openGate } from '../integration/gate/setting.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { freePort } from '../support/user-management.ts';
import { waitFor } from '../support/wait.ts';

// The examples of docs/gate.md as they are, with a real nginx, and services in Python and Go.

const EXAMPLE = join(import.meta.dirname, '../../examples/gate');

/** @throws Error that says what to install */
function requireProgram(command: string, argument: string, install: string): void {
  const { error } = spawnSync(command, [argument]);
  if (error !== undefined) throw new Error(`npm run test:gate needs ${command}: ${install}`, { cause: error });
}

/** Starts a program, killed when the test has finished. Resolves with its first line of output that matches. */
async function start(command: string, args: readonly string[], ready: RegExp, limitMs: number): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const ended = once(child, 'close');
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', (line) => lines.push(line));
  onTestFinished(async () => {
    // With its children: `go run` starts another program.
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await ended;
  });
  return waitFor(
    `${command} is ready`,
    () => {
      if (child.exitCode !== null) throw new Error(`${command} ended: ${lines.join('\n')}`);
      return lines.find((line) => ready.test(line));
    },
    limitMs,
  );
}

/** nginx with the example, on a port of its own. */
async function startNginx(gateSocket: string, ordersPort: number): Promise<string> {
  requireProgram('nginx', '-v', 'install nginx, such as `apt-get install nginx-light` on Debian');
  const directory = temporaryDirectory();
  const port = await freePort();
  const example = readFileSync(join(EXAMPLE, 'nginx.conf'), 'utf8')
    .replace('unix:/run/rescind/gate.sock', `unix:${gateSocket}`)
    .replace('listen 8080', `listen 127.0.0.1:${port}`)
    .replaceAll('127.0.0.1:5000', `127.0.0.1:${ordersPort}`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory};`,
  );
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    join(directory, 'nginx.conf'),
    `daemon off; pid ${directory}/nginx.pid; error_log stderr notice; ${user}
     events {} http { access_log off; ${temporary.join(' ')} ${example} }`,
  );
  await start('nginx', ['-p', directory, '-c', join(directory, 'nginx.conf')], /start worker process /, 10_000);
  return String(port);
}

async function openFleet() {
  const socketPath = join(temporaryDirectory(), 'gate.sock');
  const fleet = await openGate({ SOCKET_PATH: socketPath });
  return { ...fleet, socketPath };
}

const payloadOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

describe('a service in Python behind nginx', () => {
  async function open() {
    requireProgram('python3', '--version', 'install Python 3.8 or later');
    const fleet = await openFleet();
    const line = await start('python3', [join(EXAMPLE, 'orders.py'), '0'], /^listening/, 10_000);
    const port = await startNginx(fleet.socketPath, Number(line.split(' ')[1]));
    return { ...fleet, nginx: { port } };
  }

  it('receives requests with an accepted token, with its identity', async () => {
    const { nginx, access } = await open();
    const answer = await ask(nginx, '/orders/7?scope=none', bearer(access));
    expect(answer).toMatchObject({
      status: 200,
      body: {
        path: '/orders/7?scope=none',
        subject: payloadOf(access).sub,
        scopes: expect.arrayContaining(['orders:read']),
      },
    });
    expect((await ask(nginx, '/orders/cancel', bearer(access), { method: 'POST', body: '{}' })).status).toBe(200);
  });

  it('receives no request without a token, without the scope, with a revoked token', async () => {
    const { issuer, nginx, access, login } = await open();
    const none = await ask(nginx, '/orders');
    expect([none.status, none.headers['www-authenticate']]).toEqual([401, 'Bearer']);

    const { access: narrow } = await login('orders:read');
    expect((await ask(nginx, '/orders', bearer(narrow))).status).toBe(200);
    const insufficient = await ask(nginx, '/orders/cancel?scope=orders:read', bearer(narrow), { method: 'POST' });
    expect(insufficient.status).toBe(403);
    expect(insufficient.headers['www-authenticate']).toContain('scope="orders:write"');

    await issuer.send('/logout', { method: 'POST', headers: issuer.asBearer(access) });
    const revoked = await waitFor('the refusal', async () => {
      const answer = await ask(nginx, '/orders', bearer(access));
      return answer.status === 401 && answer;
    });
    expect(revoked.headers['www-authenticate']).toContain('error="invalid_token"');
  });

  it('receives no identity that a client has written', async () => {
    const { nginx, access } = await open();
    expect((await ask(nginx, '/orders', [...bearer(access), ['Rescind-Subject', 'admin']])).status).toBe(400);
    // nginx drops names with an underscore.
    const underscore = await ask(nginx, '/orders', [...bearer(access), ['Rescind_Subject', 'admin']]);
    expect(underscore).toMatchObject({ status: 200, body: { subject: payloadOf(access).sub } });
    expect((await ask(nginx, '/_gate/read', bearer(access))).status).toBe(404);
    expect((await ask(nginx, '/orders', [...bearer(access), ...bearer(access)])).status).toBe(400);
  });

  it('receives nothing while the gate is away', async () => {
    const { gate, nginx, access } = await open();
    gate.kill('SIGKILL');
    await gate.exit;
    expect((await ask(nginx, '/orders', bearer(access))).status).toBe(503);
  });
});

describe('a service in Go that asks the gate by its socket', () => {
  it('accepts a token, and refuses it once it is revoked', { timeout: 180_000 }, async () => {
    requireProgram('go', 'version', 'install Go 1.21 or later');
    const { issuer, gate, access, login, socketPath } = await openFleet();
    const args = ['run', join(EXAMPLE, 'prices.go'), '127.0.0.1:0', socketPath];
    const line = await start('go', args, /^listening/, 120_000);
    const prices = { port: line.split(':').at(-1) ?? '' };
    expect(await ask(prices, '/prices', bearer(access))).toMatchObject({
      status: 200,
      body: { subject: payloadOf(access).sub },
    });
    expect((await ask(prices, '/prices')).status).toBe(401);
    const { access: narrow } = await login('orders:read');
    const insufficient = await ask(prices, '/prices', bearer(narrow));
    expect([insufficient.status, insufficient.body.code]).toEqual([403, 'scope_insufficient']);

    await issuer.send('/logout', { method: 'POST', headers: issuer.asBearer(access) });
    const revoked = await waitFor('the refusal', async () => {
      const answer = await ask(prices, '/prices', bearer(access));
      return answer.status === 401 && answer;
    });
    expect(revoked.body.code).toBe('token_revoked');
    gate.kill('SIGKILL');
    await gate.exit;
    expect((await ask(prices, '/prices', bearer(narrow))).status).toBe(503);
  });
});
