import type { Server } from 'node:http';
import type { VerifiedToken } from '@rescind/guard';
import type { LiveStream, SessionEnd } from '@rescind/guard/sse';
import { guardLongPoll, guardSse } from '@rescind/guard/sse';
import { openTestKit } from '@rescind/guard/testing';
import { afterEach, expect, test } from 'vitest';
import { listenOnFreePort } from '../../support/socket-clients.ts';
import { waitFor } from '../../support/wait.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function openSetting() {
  const kit = openTestKit();
  closing.push(() => kit.close());
  const { server, url, close } = await listenOnFreePort();
  closing.push(close);
  const ends: SessionEnd[] = [];
  const streams: LiveStream[] = [];
  const polls: ReturnType<typeof guardLongPoll>[] = [];
  (server as Server).on('request', (request, response) => {
    const decision = kit.guard.decide(String(request.headers.authorization).slice(7));
    if (!decision.accepted) return response.writeHead(401).end();
    const token: VerifiedToken = decision.token;
    const onEnd = (_response: unknown, end: SessionEnd) => void ends.push(end);
    if (request.url === '/poll') polls.push(guardLongPoll(response, kit.guard, token, { onEnd }));
    else streams.push(guardSse(response, kit.guard, token, { onEnd, heartbeatMs: 20 }));
    return undefined;
  });

  async function stream(token: string) {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    let text = '';
    let isDone = false;
    const reading = (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of response.body ?? []) text += decoder.decode(chunk as Uint8Array);
    })();
    reading.then(
      () => {
        isDone = true;
      },
      () => {
        isDone = true;
      },
    );
    return { response, text: () => text, isDone: () => isDone };
  }
  const poll = (token: string) => fetch(`${url}/poll`, { headers: { authorization: `Bearer ${token}` } });
  return { kit, ends, streams, polls, stream, poll };
}

test('streams events and heartbeats, and ends with the session', async () => {
  const { kit, ends, streams, stream } = await openSetting();
  const client = await stream(kit.token());
  expect(client.response.headers.get('content-type')).toBe('text/event-stream');
  streams[0]?.send('price', { EUR: 1 }, '7');
  await waitFor('the event arrives', () => client.text().includes('event: price\nid: 7\ndata: {"EUR":1}\n\n'));
  await waitFor('a heartbeat arrives', () => client.text().includes(':\n\n'));
  kit.revoke({ claim: 'sid', value: 'session-1' });
  streams[0]?.send('secret', 1);
  await waitFor('the stream has ended', client.isDone);
  expect(
    client.text().endsWith('event: session-end\ndata: {"code":"session_ended","retry":false,"after_ms":0}\n\n'),
  ).toBe(true);
  expect(client.text()).not.toContain('secret');
  expect(ends.map(({ code }) => code)).toEqual(['session_ended']);
});

test('ends a stream with the expiry of its token and after a soft revocation, so that the client returns', async () => {
  const { kit, stream } = await openSetting();
  const first = await stream(kit.token({ jti: 'first' }));
  kit.revoke({ claim: 'jti', value: 'first' });
  await waitFor('the stream has ended', first.isDone);
  expect(first.text()).toContain('"code":"token_expired","retry":true');
  const second = await stream(kit.token());
  kit.clock.advance(901_000);
  await waitFor('the stream has ended', second.isDone);
  expect(second.text()).toContain('"code":"token_expired","retry":true');
});

test('refuses the name of an event with a line break', async () => {
  const { kit, streams, stream } = await openSetting();
  await stream(kit.token());
  expect(() => streams[0]?.send('a\nb', 1)).toThrow(TypeError);
});

test('responds to a long poll, or with 401 when its session ends', async () => {
  const { kit, polls, poll } = await openSetting();
  const answered = poll(kit.token());
  await waitFor('the request waits', () => polls.length === 1);
  polls[0]?.respond({ message: 1 });
  expect(await (await answered).json()).toEqual({ message: 1 });

  const ended = poll(kit.token());
  await waitFor('the request waits', () => polls.length === 2);
  kit.revoke({ claim: 'sub', value: 'user-1' });
  polls[1]?.respond({ secret: 1 });
  const response = await ended;
  expect([response.status, await response.json()]).toEqual([401, { code: 'session_ended', retry: false, after_ms: 0 }]);
});

test('ends a long poll with 503 and Retry-After while the view is stale', async () => {
  const { kit, polls, ends, poll } = await openSetting();
  const ended = poll(kit.token());
  await waitFor('the request waits', () => polls.length === 1);
  kit.makeStale();
  polls[0]?.respond({ secret: 1 });
  const response = await ended;
  const body = (await response.json()) as { readonly after_ms: number };
  expect([response.status, body]).toMatchObject([503, { code: 'view_stale', retry: true }]);
  expect(Number(response.headers.get('retry-after'))).toBe(Math.ceil(body.after_ms / 1000));
  expect(ends.map(({ code }) => code)).toEqual(['view_stale']);
});

test('sends nothing after the application has closed a stream', async () => {
  const { kit, ends, streams, stream } = await openSetting();
  const errors: unknown[] = [];
  const client = await stream(kit.token());
  const [live] = streams;
  // Each write after the end would be an error event without a listener, which ends the process.
  const fail = (error: unknown) => errors.push(error);
  process.on('uncaughtException', fail);
  closing.push(() => process.off('uncaughtException', fail));
  live?.close();
  live?.send('price', 1);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  await waitFor('the stream has ended', client.isDone);
  expect(ends.map(({ code }) => code)).toEqual(['session_ended']);
  expect(client.text()).not.toContain('price');
  expect(errors).toEqual([]);
});

test('follows no token for a client that has gone before the stream', async () => {
  const kit = openTestKit();
  closing.push(() => kit.close());
  const { server, url, close } = await listenOnFreePort();
  closing.push(close);
  const decision = kit.guard.decide(kit.token());
  if (!decision.accepted) throw new Error('the token is refused');
  const ends: SessionEnd[] = [];
  let isOpened = false;
  server.on('request', (_request, response) => {
    response.on('close', () =>
      setImmediate(() => {
        guardSse(response, kit.guard, decision.token, { onEnd: (_, end) => void ends.push(end) });
        isOpened = true;
      }),
    );
  });
  const gone = new AbortController();
  const request = fetch(url, { signal: gone.signal });
  server.once('request', () => gone.abort());
  await expect(request).rejects.toThrow();
  await waitFor('the stream is opened', () => isOpened);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  expect(ends).toEqual([]);
});
