import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { openService } from '@rescind/service';
import { describe, expect, onTestFinished, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { fixture } from './fixture/service.ts';

async function started(environment: Record<string, string> = {}) {
  const lines: string[] = [];
  const service = await openService(
    fixture,
    { PORT: '0', MANAGEMENT_PORT: '0', LOG_LEVEL: 'info', ...environment },
    { write: (line: string) => void lines.push(line) },
  );
  onTestFinished(() => service.close());
  const metrics = async () => (await fetch(`${service.managementUrl}/metrics`)).text();
  return { ...service, lines, metrics };
}

interface Opened {
  readonly socket: Socket;
  /** Whether the other side has closed it. */
  readonly isClosed: () => boolean;
}

function open(url: string): Opened {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  let closed = false;
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed = true;
  });
  socket.resume();
  onTestFinished(() => void socket.destroy());
  return { socket, isClosed: () => closed };
}

const ask = (at: Opened) => at.socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n');

/** The response to a request that is sent as it is written here, up to the end of the connection. */
async function answerTo(url: string, request: string): Promise<string> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  socket.write(request);
  return text(socket);
}

describe('connections', () => {
  test.each([
    ['url', 'public', { MAX_CONNECTIONS: '3' }, 'total'],
    ['url', 'public', { MAX_CONNECTIONS_PER_ADDRESS: '3' }, 'address'],
    ['managementUrl', 'management', { MANAGEMENT_MAX_CONNECTIONS_PER_ADDRESS: '3' }, 'address'],
  ] as const)('%s: beyond the limit are closed, counted, and logged once', async (at, listener, limits, reason) => {
    const service = await started({ ...limits, ...(at === 'url' ? {} : { MANAGEMENT_HOST: '127.0.0.1' }) });
    const held = Array.from({ length: 3 }, () => open(service[at]));
    await waitFor('the sockets are connected', () => held.every(({ socket }) => socket.readyState === 'open'));
    const more = Array.from({ length: 20 }, () => open(service[at]));
    await waitFor('the others are closed', () => more.every(({ isClosed }) => isClosed()));
    expect(held.filter(({ isClosed }) => isClosed())).toEqual([]);
    const events = service.lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'connections_refused');
    expect(events).toEqual([expect.objectContaining({ listener, reason, limit: 3 })]);

    // The connected clients are served, and a freed place is given to a new one.
    const [first, ...others] = held;
    for (const { socket } of others) socket.destroy();
    await waitFor('a new one is served', async () => (await fetch(service[at]).catch(() => undefined)) !== undefined);
    expect(first?.isClosed()).toBe(false);
    expect(await service.metrics()).toContain(
      `rescind_connections_refused_total{listener="${listener}",reason="${reason}"} `,
    );
    const ready = JSON.parse(await (await fetch(`${service.managementUrl}/readyz`)).text());
    expect(ready.checks).toContainEqual(expect.objectContaining({ name: 'connections', status: 'warn' }));
  });

  test('of a trusted proxy are limited in total only', async () => {
    const service = await started({ MAX_CONNECTIONS_PER_ADDRESS: '2', TRUSTED_PROXIES: 'loopback' });
    const held = Array.from({ length: 10 }, () => open(service.url));
    const answers = held.map(({ socket }) => new Promise((resolve) => socket.once('data', resolve)));
    for (const each of held) ask(each);
    await Promise.all(answers);
    expect(held.filter(({ isClosed }) => isClosed())).toEqual([]);
  });

  test('that send their request byte by byte are closed at the time-out', async () => {
    const service = await started();
    const slow = open(service.url);
    const silent = open(service.url);
    slow.socket.write('GET / HTTP/1.1\r\nHost: here\r\n');
    const drip = setInterval(() => slow.socket.writable && slow.socket.write('X-Drip: 1\r\n'), 200);
    onTestFinished(() => clearInterval(drip));
    await waitFor('both sockets are closed', () => slow.isClosed() && silent.isClosed(), 30_000);
    expect(await service.metrics()).toContain('rescind_http_malformed_total{listener="public",reason="timeout"} 2');
  });
});

describe('the head of a request', () => {
  const head = (...lines: string[]) => [...lines, 'Connection: close', '', ''].join('\r\n');
  const BODY = ['Content-Type: application/json', 'Content-Length: 2'];
  const refused: [string, string][] = [
    ['two hosts', head('GET / HTTP/1.1', 'Host: here', 'Host: there')],
    ['the same host twice', head('GET / HTTP/1.1', 'Host: here', 'Host: here')],
    ['no host', head('GET / HTTP/1.1')],
    ['an empty host', head('GET / HTTP/1.1', 'Host:')],
    ['a list of hosts', head('GET / HTTP/1.1', 'Host: here, there')],
    ['a host with a user', head('GET / HTTP/1.1', 'Host: me@here')],
    ['a host with a path', head('GET / HTTP/1.1', 'Host: here/there')],
    ['two hosts in HTTP/1.0', head('GET / HTTP/1.0', 'Host: here', 'Host: there')],
    ['another authority in the target', head('GET http://there/ HTTP/1.1', 'Host: here')],
    ['another port in the target', head('GET http://here:81/ HTTP/1.1', 'Host: here')],
    ['a target without an authority', head('GET http:///x HTTP/1.1', 'Host: here')],
    ['two authorizations', head('GET / HTTP/1.1', 'Host: here', 'Authorization: Bearer a', 'Authorization: Bearer b')],
    ['two cookies', head('GET / HTTP/1.1', 'Host: here', 'Cookie: a=1', 'Cookie: b=2')],
    ['two origins', head('GET / HTTP/1.1', 'Host: here', 'Origin: https://a', 'Origin: https://b')],
    ['two content types', head('POST / HTTP/1.1', 'Host: here', ...BODY, 'Content-Type: text/plain')],
    ['two lengths', head('POST / HTTP/1.1', 'Host: here', ...BODY, 'Content-Length: 3')],
    ['the same length twice', head('POST / HTTP/1.1', 'Host: here', ...BODY, 'Content-Length: 2')],
    ['a length and chunks', head('POST / HTTP/1.1', 'Host: here', ...BODY, 'Transfer-Encoding: chunked')],
    [
      'chunks twice',
      `${head('POST / HTTP/1.1', 'Host: here', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    ],
    ['another encoding', head('POST / HTTP/1.1', 'Host: here', 'Transfer-Encoding: x, identity')],
    ['a space before the colon', head('GET / HTTP/1.1', 'Host : here')],
    ['a folded line', head('GET / HTTP/1.1', 'Host: here', 'X-One: a', ' b')],
    ['no HTTP', 'hello\r\n\r\n'],
  ];

  test('is refused with 400 when it is ambiguous, on every port', async () => {
    const service = await started();
    for (const at of [service.url, service.managementUrl]) {
      for (const [what, request] of refused) {
        const answer = await answerTo(at, request);
        const [head = '', body = ''] = answer.split('\r\n\r\n');
        expect([what, head.split('\r\n')[0]]).toEqual([what, 'HTTP/1.1 400 Bad Request']);
        expect([what, JSON.parse(body).code]).toEqual([what, 'request_invalid']);
        expect(head.toLowerCase()).toMatch(/content-type: application\/(problem\+)?json/);
      }
    }
    expect(await service.metrics()).toContain('rescind_http_malformed_total{listener="public",reason="malformed"} ');
  });

  test('is answered with one of each field, by name, address and port', async () => {
    const service = await started();
    for (const host of ['here', 'here:80', '127.0.0.1', '[::1]:3000', 'a_b.example', 'xn--bcher-kva.example']) {
      const answer = await answerTo(
        service.managementUrl,
        head('GET /livez HTTP/1.1', `Host: ${host}`, 'X-Two: 1', 'X-Two: 2'),
      );
      expect([host, answer.slice(0, 15)]).toEqual([host, 'HTTP/1.1 200 OK']);
    }
    expect(await answerTo(service.managementUrl, head('GET /livez HTTP/1.0'))).toMatch(/^HTTP\/1\.1 200 OK/);
    const large = head('GET /livez HTTP/1.1', 'Host: here', `X-Large: ${'x'.repeat(20_000)}`);
    expect(await answerTo(service.managementUrl, large)).toMatch(/^HTTP\/1\.1 431 /);
  });
});
