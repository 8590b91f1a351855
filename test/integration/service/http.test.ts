import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { openService } from '@rescind/service';
import { expect, onTestFinished, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { fixture } from './fixture/service.ts';

async function start(environment: Record<string, string> = {}) {
  const lines: string[] = [];
  const running = await openService(
    fixture,
    { PORT: '0', MANAGEMENT_PORT: '0', SHUTDOWN_TIMEOUT: '5s', ...environment },
    { write: (line: string) => void lines.push(line) },
  );
  onTestFinished(() => running.close());
  return { ...running, lines, events: () => lines.map((line) => JSON.parse(line)) };
}

const json = { 'Content-Type': 'application/json' };

test('refuses malformed requests with their error codes', async () => {
  const { url } = await start();
  const answer = async (path: string, init: RequestInit) => {
    const response = await fetch(`${url}${path}`, init);
    return { status: response.status, body: await response.json(), headers: response.headers };
  };
  const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = json) =>
    answer(path, { method: 'POST', body, headers });

  expect(await post('/json', '{"name":"a"}')).toMatchObject({ status: 200, body: { name: 'a' } });
  expect(await post('/json', '{"name":"a"}', { 'Content-Type': 'application/json; charset=UTF-8' })).toMatchObject({
    status: 200,
  });
  for (const type of ['text/plain', 'application/json; charset=utf-16', 'application/jsonp', 'multipart/form-data']) {
    expect(await post('/json', '{"name":"a"}', { 'Content-Type': type })).toMatchObject({
      status: 415,
      body: { code: 'media_type_wrong' },
    });
  }
  expect(await post('/json', '{}', { ...json, 'Content-Encoding': 'gzip' })).toMatchObject({ status: 415 });
  for (const body of ['', 'nonsense', '[]', '"a"', 'null', '{"name":1}', '{"name":"a","b":1}', '{"__proto__":{}}']) {
    const refused = await post('/json', body);
    expect(refused).toMatchObject({ status: 400, body: { status: 400, code: 'request_invalid' } });
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    expect(refused.headers.get('cache-control')).toBe('no-store');
  }
  for (const body of ['{"name":"a","name":"b"}', '{"name":"a","n\\u0061me":"a"}', '{"name":"a","b":[{"c":1,"c":1}]}']) {
    expect(await post('/json', body)).toMatchObject({
      status: 400,
      body: { issues: [{ message: 'must not have a member twice' }] },
    });
  }
  expect(await post('/json', '{"name":":\\":"}')).toMatchObject({ status: 200, body: { name: ':":' } });
  expect(await post('/json', new Uint8Array([0x22, 0xff, 0x22]))).toMatchObject({ status: 400 });
  expect(await post('/json', `{"name":"a","more":${'['.repeat(8)}${']'.repeat(8)}}`)).toMatchObject({ status: 400 });
  expect(await post('/json', `{"name":"${'[{\\"'.repeat(50)}"}`)).toMatchObject({ status: 200 });
  expect(await post('/json', `{"name":"${'x'.repeat(20_000)}"}`)).toMatchObject({
    status: 413,
    body: { code: 'body_too_large' },
  });

  expect(await answer('/nowhere', {})).toMatchObject({ status: 404, body: { code: 'not_found' } });
  expect(await answer('/%ZZ', {})).toMatchObject({ status: 404 });
  expect(await answer('/things/%ZZ', {})).toMatchObject({ status: 400, body: { code: 'request_invalid' } });
  const wrong = await answer('/things/7', { method: 'PUT' });
  expect(wrong).toMatchObject({ status: 405, body: { code: 'method_wrong' } });
  expect(wrong.headers.get('allow')).toBe('GET, HEAD, DELETE');
});

test('closes the connection of a body of 100 MB without reading it', async () => {
  const { url } = await start();
  const { hostname, port } = new URL(url);
  const sent = await new Promise<number>((resolve) => {
    const socket = connect(Number(port), hostname);
    let bytes = 0;
    const chunk = Buffer.alloc(65_536, 'x');
    const pump = () => {
      while (bytes < 100_000_000 && socket.write(chunk)) bytes += chunk.length;
    };
    socket.on('error', () => undefined).on('close', () => resolve(bytes));
    socket.on('data', () => undefined).on('drain', pump);
    socket.write(
      'POST /json HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    socket.write(`${(100_000_000).toString(16)}\r\n`);
    pump();
  });
  expect(sent).toBeLessThan(20_000_000);
});

test('security 55: CORS allows the configured origins, and never echoes the sent one', async () => {
  const { url } = await start({ CORS_ORIGINS: 'https://app.example,http://localhost:5173' });
  const ask = async (origin: string, init: RequestInit = {}) => {
    const { status, headers } = await fetch(url, { ...init, headers: { ...init.headers, Origin: origin } });
    expect(headers.get('vary')).toContain('Origin');
    return [status, headers.get('access-control-allow-origin')];
  };
  expect(await ask('https://app.example')).toEqual([200, 'https://app.example']);
  expect(await ask('http://localhost:5173')).toEqual([200, 'http://localhost:5173']);
  for (const stranger of ['https://evil.example', 'https://app.example.evil.example', 'http://app.example', 'null']) {
    expect(await ask(stranger)).toEqual([200, null]);
  }
  expect((await fetch(url)).headers.get('vary')).toContain('Origin');

  const preflight = { method: 'OPTIONS', headers: { 'Access-Control-Request-Method': 'DELETE' } };
  const answer = await fetch(`${url}/things/7`, {
    ...preflight,
    headers: { ...preflight.headers, Origin: 'https://app.example' },
  });
  expect(answer.status).toBe(204);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'access-control-allow-origin': 'https://app.example',
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET, HEAD, DELETE',
    'access-control-allow-headers': expect.stringContaining('Authorization'),
  });
  expect(await ask('https://evil.example', preflight)).toEqual([204, null]);
  const plain = await start();
  expect((await fetch(plain.url, { headers: { Origin: plain.url } })).headers.get('access-control-allow-origin')).toBe(
    null,
  );
});

test.each(['*', 'null', 'app.example', 'https://app.example/', 'https://*.example', 'HTTPS://app.example'])(
  'CORS_ORIGINS is not %s',
  async (origin) => {
    await expect(start({ CORS_ORIGINS: origin })).rejects.toMatchObject({ code: 'configuration_invalid' });
  },
);

test('refuses TRACE and other methods', async () => {
  const { url } = await start();
  const status = (method: string) =>
    new Promise<[number | undefined, string | undefined]>((resolve, reject) => {
      const request = httpRequest(`${url}/`, { method }, (response) => {
        response.resume();
        resolve([response.statusCode, response.headers.allow]);
      });
      request.on('error', reject).end();
    });
  for (const method of ['TRACE', 'PUT', 'PROPFIND']) expect(await status(method)).toEqual([405, 'GET, HEAD']);
  expect(await status('OPTIONS')).toEqual([204, 'GET, HEAD']);
});

test('answers an unexpected error without details, and continues to serve', async () => {
  const { url, events } = await start();
  const response = await fetch(`${url}/things/7`, { headers: { 'X-Request-Id': 'abc-1' } });
  expect(response.status).toBe(500);
  expect(await response.json()).toEqual({
    type: 'https://rescind.dev/errors#internal',
    title: 'Something went wrong here',
    status: 500,
    code: 'internal',
  });
  expect(response.headers.get('x-request-id')).toBe('abc-1');
  const line = events().find(({ event }) => event === 'request_failed');
  expect(line).toMatchObject({ level: 'error', requestId: 'abc-1', service: 'fixture', name: 'Error' });
  expect((await fetch(url)).status).toBe(200);
});

test('answers a RescindError with its status, and without its detail', async () => {
  const { url } = await start();
  const response = await fetch(`${url}/things/7`, { method: 'DELETE' });
  expect(response.status).toBe(503);
  expect(response.headers.get('retry-after')).toBe('8');
  expect(await response.text()).not.toContain('business');
});

test('sends security headers, and no banner', async () => {
  const { url } = await start();
  const { headers } = await fetch(url);
  expect(headers.get('x-powered-by')).toBeNull();
  expect(headers.get('server')).toBeNull();
  expect(headers.get('etag')).toBeNull();
  expect(headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'");
  expect(headers.get('x-content-type-options')).toBe('nosniff');
});

test('logs JSON lines in UTC, with an id for each request, and no secret', async () => {
  const { url, lines, events } = await start();
  const long = 'a'.repeat(65);
  const response = await fetch(`${url}/?access_token=very-secret`, { headers: { 'X-Request-Id': long } });
  const requestId = response.headers.get('x-request-id');
  expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
  const line = await waitFor('the request is logged', () => events().find(({ event }) => event === 'request'));
  expect(line).toMatchObject({ level: 'info', method: 'GET', route: '/', status: 200, requestId });
  expect(line.onlyHere).toBeUndefined();
  expect(events().find(({ event }) => event === 'answering')).toMatchObject({ onlyHere: true, requestId });
  expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(lines.join('')).not.toMatch(/very-secret|hunter2/);
  expect(lines.join('')).not.toContain('\u001b');
  expect(lines.every((text) => text.trimEnd().split(/[\r\n]/).length === 1)).toBe(true);
});

test('uses X-Forwarded-For of trusted proxies only', async () => {
  const headers = { 'X-Forwarded-For': '203.0.113.9' };
  const plain = await start();
  expect(await (await fetch(`${plain.url}/client`, { headers })).json()).not.toEqual({ address: '203.0.113.9' });
  const behind = await start({ TRUSTED_PROXIES: 'loopback' });
  expect(await (await fetch(`${behind.url}/client`, { headers })).json()).toEqual({ address: '203.0.113.9' });
});

test('serves the management pages on the management port only', async () => {
  const { url, managementUrl } = await start();
  const page = async (base: string, path: string) => {
    const response = await fetch(base + path);
    return { status: response.status, text: await response.text() };
  };
  expect(await page(managementUrl, '/livez')).toEqual({ status: 200, text: '{"status":"pass"}' });
  const ready = await waitFor('the service is ready', async () => {
    const answer = await page(managementUrl, '/readyz');
    return answer.status === 200 && answer;
  });
  expect(JSON.parse(ready.text)).toEqual({
    status: 'warn',
    checks: [
      { name: 'ready', status: 'pass' },
      { name: 'view', status: 'warn', ageMs: 12 },
      { name: 'connections', status: 'pass', open: expect.any(Number), refused: 0 },
    ],
  });
  expect(await page(managementUrl, '/version')).toEqual({
    status: 200,
    text: '{"name":"fixture","version":"1.2.3"}',
  });
  expect((await page(managementUrl, '/metrics')).text).toContain('nodejs_eventloop_lag_seconds');
  expect((await page(managementUrl, '/metrics')).text).toContain('# HELP process_cpu_user_seconds_total');
  expect(await page(managementUrl, '/')).toMatchObject({ status: 404 });
  expect((await fetch(`${managementUrl}/livez`, { method: 'POST' })).status).toBe(405);
  for (const path of ['/livez', '/readyz', '/metrics', '/version']) {
    expect(await page(url, path)).toMatchObject({ status: 404 });
  }
});
