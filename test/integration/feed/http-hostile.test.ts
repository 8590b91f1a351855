import type { IncomingMessage, ServerResponse } from 'node:http';
import { request as rawRequest } from 'node:http';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { createBasicAuthenticator, createRevocationsHandler, httpTransport } from '@rescind/feed';
import { describe, expect, it, onTestFinished } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { createPlainLog } from './plain-log.ts';
import { createListeningTelemetry, record } from './recorder.ts';
import type { Handle } from './server.ts';
import { openServer } from './server.ts';

const SECRET = 'a-secret-of-the-reader';

const eventStream = (response: ServerResponse) => response.writeHead(200, { 'Content-Type': 'text/event-stream' });

async function readFrom(handle: Handle, options: { stallMs?: number } = {}) {
  const telemetry = createListeningTelemetry();
  const server = await openServer(handle);
  const transport = httpTransport({
    issuer: server.url,
    clientId: 'prices',
    clientSecret: SECRET,
    telemetry,
    ...options,
  });
  return { server, telemetry, reader: record(transport) };
}

/** Writes without end, as fast as the socket permits. */
function pour(response: ServerResponse, text: string): void {
  const more = () => {
    while (!response.destroyed && response.write(text));
  };
  response.on('drain', more);
  more();
}

describe('a reader of a faulty server', () => {
  it.each([
    ['unauthorized', 401],
    ['forbidden', 403],
    ['not_found', 404],
    ['too_many_connections', 429],
    ['unavailable', 503],
    ['status_418', 418],
  ])('reports %s for status %i', async (reason, status) => {
    const { reader, telemetry } = await readFrom((_, response) => response.writeHead(status).end('<html>no</html>'));
    await waitFor('two attempts', () => reader.lost.length >= 2);
    expect(new Set(reader.lost)).toEqual(new Set([reason]));
    expect(reader.opened()).toBe(0);
    expect(telemetry.heard()).toContain(reason);
    // The label of the metric is one of a bounded set.
    if (reason.startsWith('status_')) expect(telemetry.heard()).toContain('status_wrong');
    expect(telemetry.heard()).not.toContain(SECRET);
    expect(telemetry.heard()).not.toContain(Buffer.from(`prices:${SECRET}`).toString('base64'));
  });

  it('follows no redirect', async () => {
    const elsewhere: IncomingMessage[] = [];
    const other = await openServer((request, response) => {
      elsewhere.push(request);
      response.end();
    });
    const { reader } = await readFrom((_, response) => response.writeHead(307, { location: other.url }).end());
    await waitFor('two attempts', () => reader.lost.length >= 2);
    expect(reader.lost[0]).toBe('redirect_refused');
    expect(elsewhere).toEqual([]);
  });

  it.each(['text/html', 'application/json', 'text/event-streams', undefined])(
    'refuses the content type %s',
    async (type) => {
      const { reader } = await readFrom((_, response) => {
        if (type !== undefined) response.setHeader('Content-Type', type);
        response.end('event: heartbeat\ndata: x\n\n');
      });
      await waitFor('a loss', () => reader.lost.length > 0);
      expect(reader.lost[0]).toBe('content_type_wrong');
      expect(reader.records).toEqual([]);
    },
  );

  it.each([
    ['a line without an end', 'data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', ''],
    ['an event without an end', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', '\ndata: '],
  ])('drops %s', async (_, text, separator) => {
    const { reader } = await readFrom((_request, response) => {
      eventStream(response).write('event: revocation\ndata: ');
      pour(response, `${text}${separator}`.repeat(200));
    });
    await waitFor('a loss', () => reader.lost.length > 0);
    expect(reader.lost[0]).toBe('oversized');
    expect(reader.records).toEqual([]);
  });

  it('discards an endless unknown field', async () => {
    const { reader, server } = await readFrom((_, response) => {
      eventStream(response).write('event: heartbeat\ndata: first\n\n');
      pour(response, 'rubbish '.repeat(8_000));
    });
    const before = process.memoryUsage().rss;
    await waitFor(
      '100 MB of it are sent',
      () => [...server.sockets].some(({ bytesWritten }) => bytesWritten > 1e8),
      30_000,
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(2e8);
    expect(reader.texts()).toEqual(['first']);
  });

  it('passes invalid records on to the decoder, ignores events of other names, and continues', async () => {
    const { reader, telemetry } = await readFrom((_, response) => {
      eventStream(response).write(
        [
          ':a comment\n\n',
          'event: revocation\ndata: before the heartbeat\n\n',
          'event: heartbeat\ndata: \u0000\ud83d\ude00\n\n',
          'event: other\ndata: {"admin":true}\n\n',
          'data: nameless\n\n',
          'retry: 999999999\n\nnonsense\n\n',
          'event: revocation\r\nid: 1:1\r\ndata: two\r\ndata: lines\r\n\r\n',
        ].join(''),
      );
    });
    await waitFor('three records are read', () => reader.records.length === 3);
    expect(reader.records).toEqual([
      { jws: 'before the heartbeat', hint: null, live: false, isEvent: true },
      { jws: '\u0000\ud83d\ude00', hint: null, live: true, isEvent: false },
      { jws: 'two\nlines', hint: null, live: true, isEvent: true },
    ]);
    expect(telemetry.heard().split('rescind_feed_ignored_total')).toHaveLength(3);
  });

  it('reopens a connection without traffic', async () => {
    const { reader, server } = await readFrom((_, response) => eventStream(response).flushHeaders(), { stallMs: 100 });
    await waitFor('a second connection is open', () => reader.opened() >= 2);
    expect(reader.lost[0]).toBe('stalled');
    await waitFor('the former connections are closed', () => server.sockets.size <= 1);
  });

  it('closes a connection without a response', async () => {
    const { reader } = await readFrom(() => {}, { stallMs: 100 });
    await waitFor('a loss', () => reader.lost.length > 0);
    expect(reader.lost[0]).toBe('stalled');
  });

  it('does not count its own work as a stall', async () => {
    let sent = 0;
    const { reader } = await readFrom(
      (_, response) => {
        eventStream(response);
        const timer = setInterval(() => {
          sent += 1;
          response.write('event: heartbeat\ndata: x\n\n');
        }, 20);
        response.on('close', () => clearInterval(timer));
      },
      { stallMs: 300 },
    );
    reader.hold(true);
    await waitFor('a record is read', () => reader.records.length > 0);
    const before = sent;
    // At least three times as long as it would take to be stalled.
    await waitFor('45 more are sent', () => sent >= before + 45);
    reader.hold(false);
    const held = reader.records.length;
    await waitFor('more records are read', () => reader.records.length > held + 3);
    expect(reader.lost).toEqual([]);
  });

  it('loses nothing when the connection is cut at any byte', async () => {
    let requests = 0;
    const text = 'event: heartbeat\ndata: whole\n\nevent: revocation\ndata: cut';
    const { reader } = await readFrom((_, response) => {
      requests += 1;
      eventStream(response).write(text, () => response.destroy());
    });
    await waitFor('three attempts', () => requests >= 3);
    expect(new Set(reader.texts())).toEqual(new Set(['whole']));
  });

  it('backs off from a server that closes each connection at once', async () => {
    let ticks = 0;
    let last = 0;
    let longest = 0;
    const timer = setInterval(() => {
      ticks += 1;
    }, 5);
    onTestFinished(() => clearInterval(timer));
    const { reader } = await readFrom((_, response) => {
      longest = Math.max(longest, ticks - last);
      last = ticks;
      eventStream(response).end('event: heartbeat\ndata: x\n\n');
    });
    await waitFor('a loss', () => reader.lost.length > 0);
    // Counts ticks instead of time, so that a slow machine does not count as waiting. Only a growing back-off waits that long.
    await waitFor('a wait of 40 ticks', () => longest >= 40, 30_000);
    expect(reader.lost.length).toBeGreaterThanOrEqual(2);
  });
});

describe('a server with faulty clients', () => {
  async function open({
    padding = 0,
    ...options
  }: {
    readersPerClient?: number;
    stuckMs?: number;
    padding?: number;
  } = {}) {
    const log = createPlainLog({ padding });
    const telemetry = createListeningTelemetry();
    const handler = createRevocationsHandler({
      source: log,
      authenticate: createBasicAuthenticator({ prices: SECRET, orders: 'another' }),
      telemetry,
      ...options,
    });
    onTestFinished(() => handler.close());
    const server = await openServer(handler.handle);
    const authorization = `Basic ${Buffer.from(`prices:${SECRET}`).toString('base64')}`;
    const call = (path: string, init: RequestInit = {}) =>
      fetch(`${server.url}${path}`, { headers: { authorization }, ...init });
    return { log, handler, server, call, authorization, telemetry };
  }

  it.each([
    ['none', undefined],
    ['a wrong secret', `Basic ${btoa('prices:wrong')}`],
    ['an unknown client', `Basic ${btoa(`nobody:${SECRET}`)}`],
    ['a client without a secret', `Basic ${btoa('prices')}`],
    ["another's secret", `Basic ${btoa('prices:another')}`],
    ['a bearer token', 'Bearer x'],
    ['rubbish', 'Basic \u00ff\u00ff'],
    ['a prototype', `Basic ${btoa('__proto__:x')}`],
  ])('answers 401 to %s', async (_, authorization) => {
    const { server, handler } = await open();
    for (const [path, method] of [
      ['/revocations', 'GET'],
      ['/revocations/proof', 'POST'],
    ] as const) {
      const response = await fetch(`${server.url}${path}`, {
        method,
        headers: authorization === undefined ? {} : { authorization },
      });
      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
      expect(await response.json()).toMatchObject({ status: 401, code: 'client_invalid' });
    }
    expect(handler.readers()).toBe(0);
  });

  it('accepts GET for the stream, POST for evidence, and no other method', async () => {
    const { call } = await open();
    for (const [path, methods, allowed] of [
      ['/revocations', ['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'], 'GET'],
      ['/revocations/proof', ['GET', 'PUT', 'HEAD'], 'POST'],
    ] as const) {
      for (const method of methods) {
        const response = await call(path, { method });
        expect([response.status, response.headers.get('allow')]).toEqual([405, allowed]);
      }
    }
    expect((await call('/revocations/other')).status).toBe(404);
  });

  it('tells caches and proxies neither to store nor to buffer the stream', async () => {
    const { call } = await open();
    const gone = new AbortController();
    const response = await call('/revocations', { signal: gone.signal });
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('x-accel-buffering')).toBe('no');
    gone.abort();
  });

  it('limits the connections of one client, and frees those that were closed', async () => {
    const { call, handler, server } = await open({ readersPerClient: 2 });
    const gone = new AbortController();
    await call('/revocations', { signal: gone.signal });
    await call('/revocations', { signal: gone.signal });
    const third = await call('/revocations');
    expect(third.status).toBe(429);
    expect(third.headers.get('retry-after')).toBe('5');
    const others = await fetch(`${server.url}/revocations`, {
      headers: { authorization: `Basic ${btoa('orders:another')}` },
      signal: gone.signal,
    });
    expect(others.status).toBe(200);
    gone.abort();
    await waitFor('every reader is disconnected', () => handler.readers() === 0);
    const again = new AbortController();
    expect((await call('/revocations', { signal: again.signal })).status).toBe(200);
    again.abort();
  });

  it('disconnects a reader that stops reading', async () => {
    const { log, server, handler, authorization } = await open({ stuckMs: 200, padding: 20_000 });
    log.append(2_000);
    const socket: Socket = connect(server.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.write(`GET /revocations HTTP/1.1\r\nHost: x\r\nAuthorization: ${authorization}\r\n\r\n`);
    socket.pause();
    await waitFor('the reader is connected', () => handler.readers() === 1);
    await waitFor('the reader is dropped', () => handler.readers() === 0);
    await waitFor('the socket is gone', () => server.sockets.size === 0);
  });

  it('refuses evidence of the wrong type, of the wrong size, and without meaning', async () => {
    const { call, log, authorization } = await open();
    const post = (type: string, body: string) =>
      call('/revocations/proof', { method: 'POST', headers: { authorization, 'content-type': type }, body });
    expect((await post('text/plain', 'x')).status).toBe(415);
    expect((await post('application/secevent+jwt', 'bad')).status).toBe(400);
    expect((await post('application/secevent+jwt', 'x'.repeat(300_000))).status).toBe(413);
    expect(log.proofs).toEqual([]);
    expect((await post('application/secevent+jwt; charset=utf-8', 'good')).status).toBe(204);
    expect(log.proofs).toEqual(['good']);
  });

  it('stops reading endless evidence', async () => {
    const { server, authorization } = await open();
    const request = rawRequest(`${server.url}/revocations/proof`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/secevent+jwt' },
    });
    const outcome = new Promise((resolve) => {
      request.on('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      request.on('error', () => {});
    });
    const more = () => {
      while (!request.destroyed && request.write('x'.repeat(65_536)));
    };
    request.on('drain', more);
    more();
    expect(await outcome).toBe(413);
    await waitFor('the connection is closed', () => server.sockets.size === 0);
    request.destroy();
  });

  it('responds 500 while the log cannot be read, and recovers', async () => {
    const log = createPlainLog();
    let broken = true;
    const handler = createRevocationsHandler({
      source: {
        ...log,
        heartbeat: () => {
          if (broken) throw new Error('disk I/O error');
          return log.heartbeat();
        },
      },
      authenticate: () => 'prices',
    });
    onTestFinished(() => handler.close());
    const server = await openServer(handler.handle);
    const reader = record(httpTransport({ issuer: server.url, clientId: 'prices', clientSecret: SECRET }));
    await waitFor('a refusal', () => reader.lost.length > 0);
    expect(reader.lost[0]).toBe('status_500');
    broken = false;
    await waitFor('a heartbeat', () => reader.records.length > 0);
  });

  it('ends all connections when it closes, and accepts none afterwards', async () => {
    const { call, handler, server } = await open();
    const response = await call('/revocations');
    handler.close();
    expect(await response.text()).toMatch(/^event: heartbeat\ndata: heartbeat\.0001-a\.0\n\n$/);
    const refused = await call('/revocations');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(handler.readers()).toBe(0);
    await server.kill();
  });

  it('logs no secret', async () => {
    const { call, telemetry } = await open();
    await call('/revocations', { headers: { authorization: `Basic ${btoa('prices:nearly-the-secret')}` } });
    expect(telemetry.heard()).toContain('client_invalid');
    expect(telemetry.heard()).not.toMatch(/nearly-the-secret|a-secret-of/);
    expect(telemetry.heard()).not.toContain(btoa('prices:nearly-the-secret'));
  });
});
