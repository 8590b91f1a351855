import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createApp } from '@rescind/web';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';

/** The page of a directory that has a file beside it which is not served. */
async function openPage(clientId = 'web') {
  const directory = temporaryDirectory();
  const PAGE_PATH = join(directory, 'page');
  mkdirSync(join(PAGE_PATH, 'assets'), { recursive: true });
  writeFileSync(join(directory, 'secret.txt'), 'a secret');
  writeFileSync(join(PAGE_PATH, 'index.html'), '<html><body data-configuration=""></body></html>');
  writeFileSync(join(PAGE_PATH, 'assets', 'index-1.js'), 'export {};');
  const app = createApp({
    ISSUER: 'https://issuer.example',
    ACCOUNT_AUDIENCE: undefined,
    CLIENT_ID: clientId,
    PRICES_URL: undefined,
    GAME_URL: undefined,
    SESSION_MODES: ['cookie'],
    PAGE_PATH,
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  /** Sends the path as it is: `fetch` would normalize it. */
  return (path: string) =>
    new Promise<{ status: number; location: string | undefined; csp: string; text: string }>((resolve, reject) => {
      const sent = request({ port, host: '127.0.0.1', path }, (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => {
          const { location, 'content-security-policy': csp = '' } = response.headers;
          resolve({ status: response.statusCode ?? 0, location, csp: String(csp), text });
        });
      });
      sent.on('error', reject).end();
    });
}

test('serves the files of the page, and no other', async () => {
  const get = await openPage();
  expect(await get('/assets/index-1.js')).toMatchObject({ status: 200, text: 'export {};' });
  const others = [
    '/assets/../../secret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/assets/%2e%2e%2f%2e%2e%2fsecret.txt',
    '/assets/..%5c..%5csecret.txt',
    '/assets/index-1.js%00',
    '/assets/__proto__',
    '/assets/',
    '/secret.txt',
  ];
  for (const path of others) {
    const { status, text } = await get(path);
    expect([path, status >= 400, text.includes('a secret')]).toEqual([path, true, false]);
  }
});

test('redirects nowhere', async () => {
  const get = await openPage();
  for (const path of [
    '//evil.example',
    '//evil.example/%2e%2e',
    '/login//evil.example',
    '/login?next=//evil.example',
  ]) {
    expect([path, (await get(path)).location]).toEqual([path, undefined]);
  }
});

test('has its configuration as an attribute, whatever the text', async () => {
  const clientId = `$&$\`$'"><script>alert(1)</script>`;
  const { csp, text } = await (await openPage(clientId))('/login');
  expect(text.match(/data-configuration=/g)?.length).toBe(1);
  expect(text).not.toContain('<script>');
  const [, attribute = ''] = /data-configuration="([^"]*)"/.exec(text) ?? [];
  const json = attribute
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
  expect(JSON.parse(json)).toMatchObject({ clientId });
  for (const part of ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"]) {
    expect(csp).toContain(part);
  }
});
