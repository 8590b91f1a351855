import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import type { Fleet } from '@rescind/dev-fleet';
import { openFleet } from '@rescind/dev-fleet';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { freePort } from '../support/user-management.ts';
import { waitFor } from '../support/wait.ts';
import { requireProgram, start } from './programs.ts';

// The live stream of the console behind a real nginx with TLS: as docs/console.md configures it, and with nothing but `proxy_pass`.

let fleet: Fleet;
beforeAll(async () => {
  fleet = await openFleet({ prices: 1, orders: 0, console: true });
}, 120_000);
afterAll(() => fleet?.close());

const EXAMPLE = readFileSync(join(import.meta.dirname, '../../examples/console/nginx.conf'), 'utf8');
const STOCK = EXAMPLE.replace(/ {2}# Trusted[\s\S]*?\n\n/, '').replace(/ {2}# The live stream[\s\S]*?\n {2}\}\n/, '');
const BUFFERING = STOCK.replace('proxy_pass', 'proxy_ignore_headers X-Accel-Buffering; proxy_pass');

/** @param settings more of the block `http` @returns the port by https, and its certificate */
async function startNginx(example: string, settings = '') {
  requireProgram('nginx', '-v', 'install nginx, such as `apt-get install nginx-light` on Debian');
  requireProgram('openssl', 'version', 'install openssl');
  const directory = temporaryDirectory();
  const [certificate, key] = [join(directory, 'console.pem'), join(directory, 'console.key')];
  const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'];
  spawnSync('openssl', [...made, '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate]);
  const port = await freePort();
  const server = example
    .replace('listen 443', `listen 127.0.0.1:${port}`)
    .replace('console.example', 'localhost')
    .replace('/etc/ssl/console.pem', certificate)
    .replace('/etc/ssl/console.key', key)
    .replaceAll('http://127.0.0.1:3060', fleet.console?.url ?? '');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${directory};`,
  );
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const file = join(directory, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; pid ${directory}/nginx.pid; error_log stderr notice; ${user}
     events {} http { access_log off; ${settings} ${temporary.join(' ')} ${server} }`,
  );
  await start('nginx', ['-p', directory, '-c', file], /start worker process /, 10_000);
  return { port, ca: readFileSync(certificate) };
}

/** Logs in at the console. @returns the headers of a request of the page */
async function logIn() {
  const own = { 'x-rescind-csrf': '1', 'content-type': 'application/json' };
  const login = await fetch(`${fleet.console?.url}/api/login`, {
    method: 'POST',
    headers: own,
    body: JSON.stringify(fleet.consoleUser),
  });
  expect(login.status).toBe(204);
  return { ...own, 'accept-encoding': 'gzip', cookie: login.headers.get('set-cookie')?.split(';')[0] ?? '' };
}

/** Opens the stream through nginx. @returns the text of its frames so far, and when each revocation arrived */
async function follow({ port, ca }: { readonly port: number; readonly ca: Buffer }, headers: Record<string, string>) {
  const agent = new Agent({ ca });
  const sent = request({
    agent,
    host: 'localhost',
    servername: 'localhost',
    family: 4,
    port,
    path: '/api/stream',
    headers,
  });
  const answered = Promise.withResolvers<IncomingMessage>();
  sent.on('response', answered.resolve).on('error', answered.reject).end();
  onTestFinished(() => agent.destroy());
  const seen = { text: '', beats: 0, encoding: undefined as string | undefined };
  void answered.promise.then(
    (response) => {
      seen.encoding = response.headers['content-encoding'];
      response.setEncoding('utf8').on('data', (chunk: string) => {
        seen.text += chunk;
        seen.beats += chunk.split('event: beat').length - 1;
      });
      // The end of the test cuts it.
      response.on('error', () => undefined);
    },
    () => undefined,
  );
  return seen;
}

test.each([
  ['as documented, where it compresses everything else,', EXAMPLE, 'gzip on; gzip_types *;'],
  ['with proxy_pass alone', STOCK, ''],
])('nginx %s passes each frame on at once', async (_, example, settings) => {
  const proxy = await startNginx(example, settings);
  const headers = await logIn();
  const seen = await follow(proxy, headers);
  const direct = await fetch(`${fleet.console?.url}/api/stream`, { headers });
  const reader = direct.body
    ?.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .getReader();
  onTestFinished(() => reader?.cancel());
  let text = '';
  const user = await fleet.client.register();
  for (let at = 0; at < 10; at++) {
    const { access_token: token } = await fleet.client.login(user, 'laptop');
    const { sid } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sid: string };
    await fleet.client.logout(token);
    while (!text.includes(sid)) text += (await reader?.read())?.value ?? '';
    await waitFor('the same frame through nginx', () => seen.text.includes(sid), 5_000);
  }
  expect(seen.encoding).toBeUndefined();
});

test('nginx that ignores X-Accel-Buffering holds frames back: the header of the response is what prevents it', async () => {
  const proxy = await startNginx(BUFFERING);
  const headers = await logIn();
  const [through, direct] = [await follow(proxy, headers), await follow(await startNginx(STOCK), headers)];
  await waitFor('frames through the other nginx', () => direct.beats > 4, 30_000);
  expect(through.beats).toBeLessThan(direct.beats - 2);
});
