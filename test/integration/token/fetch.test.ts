import http, { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { gzipSync } from 'node:zlib';
import { readBody } from '@rescind/revocation/http';
import { describeFetchFailure, nodeFetch } from '@rescind/token/fetch';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../support/user-management.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function serve(listener: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const init = (more: object = {}) => ({
  redirect: 'error' as const,
  signal: new AbortController().signal,
  headers: {},
  ...more,
});

it('begins a request after the present turn of the event loop', async () => {
  const url = await serve((_request, response) => response.end());
  const order: string[] = [];
  const { request } = http;
  http.request = ((...parameters: Parameters<typeof request>) => {
    order.push('request');
    return request(...parameters);
  }) as typeof request;
  closing.push(() => {
    http.request = request;
  });
  const answered = nodeFetch(url, init());
  process.nextTick(() => order.push('tick'));
  await Promise.resolve();
  order.push('turn');
  await answered;
  expect(order.at(-1)).toBe('request');
  expect(order.toSorted()).toEqual(['request', 'tick', 'turn']);
});

/** The two implementations that can be given as the option `fetch`. */
const fetches = [
  ['by node:http', nodeFetch],
  ['the global one', globalThis.fetch],
] as const;

describe.each(fetches)('a fetch %s', (_, fetch) => {
  it('sends method, headers and body, and gives status, headers and body', async () => {
    const url = await serve((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        response.writeHead(418, { 'X-Seen': `${request.method} ${request.headers['x-asked']}` });
        response.end(Buffer.concat(chunks));
      });
    });
    const response = await fetch(url, init({ method: 'POST', headers: { 'x-asked': 'yes' }, body: 'tea' }));
    expect(response.status).toBe(418);
    expect(response.headers.get('x-seen')).toBe('POST yes');
    expect(response.headers.get('x-absent')).toBeNull();
    expect((await readBody(response.body, { maxBytes: 3 }))?.toString()).toBe('tea');
  });

  it('reads no more of a body than it may', async () => {
    let isClosed = false;
    const url = await serve((_request, response) => {
      const timer = setInterval(() => response.write(Buffer.alloc(1_000)), 1);
      response.on('close', () => {
        clearInterval(timer);
        isClosed = true;
      });
    });
    expect(await readBody((await fetch(url, init())).body, { maxBytes: 10_000 })).toBeUndefined();
    await expect.poll(() => isClosed, { timeout: 5_000 }).toBe(true);
  });

  it('closes the connection when a body is cancelled', async () => {
    let isClosed = false;
    const url = await serve((_request, response) => {
      response.write('more follows');
      response.on('close', () => {
        isClosed = true;
      });
    });
    await (await fetch(url, init())).body?.cancel();
    await expect.poll(() => isClosed, { timeout: 5_000 }).toBe(true);
  });

  it('follows no redirect', async () => {
    let requests = 0;
    const url = await serve((_request, response) => {
      requests++;
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    const refusal = await fetch(url, init()).then(undefined, (error: unknown) => error);
    expect(describeFetchFailure(refusal)).toBe('redirect');
    expect((await fetch(url, init({ redirect: 'manual' }))).status).toBe(302);
    expect(requests).toBe(2);
  });

  it('ends when its signal aborts, before the response and in its body', async () => {
    const silent = await serve(() => undefined);
    const before = new AbortController();
    const waiting = fetch(silent, init({ signal: before.signal }));
    before.abort();
    await expect(waiting).rejects.toThrow();

    const started = await serve((_request, response) => void response.write('begun'));
    const during = new AbortController();
    const response = await fetch(started, init({ signal: during.signal }));
    const reading = readBody(response.body, { maxBytes: 1_000 });
    during.abort();
    await expect(reading).rejects.toThrow();
  });

  it('reports a body that ends too early', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('ten bytes.');
      setImmediate(() => response.destroy());
    });
    await expect(fetch(url, init()).then((response) => readBody(response.body, { maxBytes: 1_000 }))).rejects.toThrow();
  });

  it('reports the error code of the system when no process listens', async () => {
    const failure = await fetch(`http://127.0.0.1:${await freePort()}/`, init()).then(
      undefined,
      (error: unknown) => error,
    );
    expect(describeFetchFailure(failure)).toBe('ECONNREFUSED');
  });
});

describe('a fetch by node:http', () => {
  it('asks for no compression, and refuses a compressed response', async () => {
    let asked: unknown;
    const url = await serve((request, response) => {
      asked = request.headers['accept-encoding'];
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync('packed'));
    });
    const failure = await nodeFetch(url, init()).then(undefined, (error: unknown) => error);
    expect(describeFetchFailure(failure)).toBe('CONTENT_ENCODING');
    expect(asked).toBe('identity');
  });

  it('sends a request again when the server has closed a connection that was kept alive', async () => {
    // Each connection answers one request, and is closed when the second arrives on it.
    let connections = 0;
    const server = createTcpServer((socket) => {
      connections++;
      let requests = 0;
      socket.on('error', () => undefined);
      socket.on('data', () => {
        requests++;
        if (requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        else socket.resetAndDestroy();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    for (let turn = 0; turn < 2; turn++) {
      const response = await nodeFetch(url, init());
      expect((await readBody(response.body, { maxBytes: 10 }))?.toString()).toBe('ok');
    }
    expect(connections).toBe(2);
  });

  it('refuses an address of another protocol', async () => {
    await expect(nodeFetch('ftp://127.0.0.1/', init())).rejects.toThrow(/protocol/i);
  });
});
