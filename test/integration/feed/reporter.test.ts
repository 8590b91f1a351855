import { join } from 'node:path';
import type { Transport } from '@rescind/feed';
import { createBasicAuthenticator, createRevocationsHandler } from '@rescind/feed';
import type { FeedStore } from '@rescind/feed/follower';
import type { InstanceReport } from '@rescind/feed/reports';
import { RescindError, systemClock } from '@rescind/revocation';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import { isDenied, openInstance, serve, transportTo } from './follower-setting.ts';
import { openServer } from './server.ts';
import type { SignedLog } from './signed-log.ts';
import { createSignedLog } from './signed-log.ts';

const newPath = () => join(temporaryDirectory(), 'denylist.db');

interface Received {
  readonly clientId: string;
  readonly report: InstanceReport;
}

/** A server of the log that keeps the reports it accepts. */
async function serveReports(log: SignedLog, nextMs = 250) {
  const received: Received[] = [];
  const source = Object.assign(log, {
    receiveReport(clientId: string, report: InstanceReport) {
      received.push({ clientId, report });
      return { nextMs };
    },
  });
  const { server, stop } = await serve(source);
  const last = () => received.at(-1)?.report;
  return { url: server.url, received, last, stop };
}

const checkOf = (instance: ReturnType<typeof openInstance>) =>
  instance.follower.health().find(({ name }) => name === 'reports');

test('reports when it is ready, when it advances, and when it stops', async () => {
  const log = createSignedLog();
  log.append('before');
  const { url, received, last } = await serveReports(log);
  const instance = openInstance(log, transportTo(url), newPath(), { instance: { name: 'prices-1', version: '1.2.3' } });
  await instance.follower.ready();
  await waitFor('the first event is reported', () => last()?.seq === 1);
  expect(received[0]?.clientId).toBe('prices');
  expect(last()).toMatchObject({
    instance: 'prices-1',
    version: '1.2.3',
    transport: 'http',
    suspect: null,
    leaving: false,
  });
  expect(last()?.key).toMatch(/^[\w-]{32}$/);

  log.append('gone');
  await waitFor('the next event is reported', () => last()?.seq === 2);
  expect(isDenied(instance, 'gone')).toBe(true);
  await waitFor('the issuer has answered', () => checkOf(instance)?.state === 'accepted');
  await instance.stop();
  expect(last()).toMatchObject({ seq: 2, leaving: true, key: received[0]?.report.key });
});

test('reports a position once it is durable, and counts from when it was enforced', async () => {
  const log = createSignedLog();
  const { url, last } = await serveReports(log);
  let isFull = false;
  const wrap = (store: FeedStore): FeedStore => ({
    load: (name) => store.load(name),
    quarantined: (name) => store.quarantined(name),
    enforce: (change) => store.enforce(change),
    pendingRows: () => store.pendingRows(),
    flush() {
      if (isFull) throw new Error('the disk is full');
      store.flush();
    },
  });
  const instance = openInstance(log, transportTo(url), newPath(), { wrap });
  await instance.follower.ready();
  log.append('first');
  await waitFor('the first position is reported', () => last()?.seq === 1);
  isFull = true;
  const appendedAt = performance.now();
  log.append('second');
  await waitFor('the second event is enforced', () => isDenied(instance, 'second'));
  await waitFor('the disk has refused it', () => instance.heard().includes('feed_commit_failed'));
  expect(last()?.seq).toBe(1);
  isFull = false;
  await waitFor('the second position is reported', () => last()?.seq === 2);
  const heldAtMost = performance.now() - appendedAt + 1;
  expect(last()?.heldMs).toBeGreaterThan(50);
  expect(last()?.heldMs).toBeLessThan(heldAtMost);
});

test('joins the positions of a burst in one report, each with the time for which it was held', async () => {
  const log = createSignedLog();
  const { url, received, last } = await serveReports(log, 1_000);
  const instance = openInstance(log, transportTo(url), newPath());
  await instance.follower.ready();
  log.append('a');
  await waitFor('the first position is reported', () => last()?.seq === 1);
  const before = received.length;
  const began = performance.now();
  for (let index = 0; index < 10; index += 1) {
    log.append(`sid-${index}`);
    await waitFor('the event is enforced', () => isDenied(instance, `sid-${index}`));
  }
  await waitFor('the last position is reported', () => last()?.seq === 11);
  // One a second, however long the ten events take.
  expect(received.length - before).toBeLessThanOrEqual(2 + Math.floor((performance.now() - began) / 1_000));
  const positions = received.slice(before).flatMap(({ report }) => [...report.earlier, report]);
  expect(new Set(positions.map(({ seq }) => seq))).toEqual(
    new Set(Array.from({ length: 10 }, (_, index) => index + 2)),
  );
  const { earlier = [], heldMs = 0 } = last() ?? {};
  expect([...earlier.map((one) => one.heldMs), heldMs]).toEqual(
    [...earlier.map((one) => one.heldMs), heldMs].sort((a, b) => b - a),
  );
});

test('reports a position of a log that has been quiet for longer than a day', async () => {
  const log = createSignedLog();
  log.append('before');
  const { url, last } = await serveReports(log);
  let slept = 0;
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + slept };
  const instance = openInstance(log, transportTo(url), newPath(), { clock });
  await instance.follower.ready();
  await waitFor('the first report', () => last()?.seq === 1);
  await waitFor('the issuer has answered', () => checkOf(instance)?.state === 'accepted');
  slept = 25 * 3_600_000;
  await instance.stop();
  expect(last()).toMatchObject({ heldMs: 86_400_000, leaving: true });
});

test('a failing report is counted and seen in health, and changes nothing else', async () => {
  const log = createSignedLog();
  const { url } = await serveReports(log);
  const http = transportTo(url);
  let answer: 'fails' | 'works' = 'fails';
  const transport: Transport = {
    ...http,
    submitReport: async () => {
      if (answer === 'works') return { nextMs: 250 };
      throw new RescindError('client_invalid');
    },
  };
  const instance = openInstance(log, transport, newPath());
  await instance.follower.ready();
  await waitFor('the failure is seen', () => checkOf(instance)?.status === 'warn');
  expect(checkOf(instance)).toMatchObject({ state: 'refused', lastError: 'client_invalid' });
  expect(instance.heard()).toContain('rescind_reports_sent_total');
  log.append('gone');
  await waitFor('the revocation is enforced', () => isDenied(instance, 'gone'));
  expect(instance.follower.view().ready).toBe(true);
  answer = 'works';
  await waitFor('the reporter works again', () => checkOf(instance)?.status === 'pass', 20_000);
});

test('an issuer that takes no reports is no failure, and one that hangs delays no stop', async () => {
  const log = createSignedLog();
  const { server } = await serve(log);
  const old = openInstance(log, transportTo(server.url), newPath());
  await old.follower.ready();
  await waitFor('the reporter has noticed that reports are unsupported', () => checkOf(old)?.state === 'unsupported');
  expect(checkOf(old)?.status).toBe('pass');

  const { url } = await serveReports(log);
  const http = transportTo(url);
  const timeouts: (number | undefined)[] = [];
  const hanging = openInstance(
    log,
    {
      ...http,
      submitReport: (_report, options) =>
        timeouts.push(options?.timeoutMs) === 1 ? Promise.resolve({ nextMs: 250 }) : hang(options),
    },
    newPath(),
  );
  await hanging.follower.ready();
  await waitFor('the first report', () => timeouts.length > 0);
  await hanging.stop();
  expect(timeouts.at(-1)).toBeLessThan(5_000);
});

/** As a server that accepts the connection and answers nothing. */
function hang(options: { readonly timeoutMs?: number } = {}): Promise<never> {
  const signal = AbortSignal.timeout(options.timeoutMs ?? 60_000);
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}

test('instance: false sends no reports', async () => {
  const log = createSignedLog();
  const { url, received } = await serveReports(log);
  const instance = openInstance(log, transportTo(url), newPath(), { instance: false });
  await instance.follower.ready();
  log.append('gone');
  await waitFor('the revocation is enforced', () => isDenied(instance, 'gone'));
  await instance.stop();
  expect(checkOf(instance)).toBe(undefined);
  expect(received).toEqual([]);
});

test('the endpoint requires the credential of the log, and refuses what is no report', async () => {
  const log = createSignedLog();
  const accepted: InstanceReport[] = [];
  const handler = createRevocationsHandler({
    source: Object.assign(log, {
      receiveReport(_: string, report: InstanceReport) {
        accepted.push(report);
        return { nextMs: 250 };
      },
    }),
    authenticate: createBasicAuthenticator({ prices: 'a-secret' }),
  });
  const server = await openServer(handler.handle);
  onTestFinished(() => server.kill());
  const good = { key: 'k'.repeat(22), instance: 'a', epoch: 'e', seq: 1, heldMs: 0 };
  const send = async (body: unknown, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${server.url}/revocations/reports`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Basic ${btoa('prices:a-secret')}`, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const { code = null, detail = '' } = (await answer.json()) as { code?: string; detail?: string };
    return [answer.status, code, detail];
  };
  expect((await send(good))[0]).toBe(200);
  // What a later version adds is ignored.
  expect((await send({ ...good, later: true }))[0]).toBe(200);
  expect((await send(good, { authorization: `Basic ${btoa('prices:wrong')}` })).slice(0, 2)).toEqual([
    401,
    'client_invalid',
  ]);
  expect((await send(good, { 'content-type': 'text/plain' })).slice(0, 2)).toEqual([415, 'media_type_wrong']);
  expect((await send({ ...good, later: 'x'.repeat(20_000) })).slice(0, 2)).toEqual([413, 'body_too_large']);
  const wrong: readonly (readonly [string, unknown])[] = [
    ['body', '{'],
    ['body', '[]'],
    ['body', 'null'],
    ['key', { ...good, key: 'short' }],
    ['key', { ...good, key: undefined }],
    ['instance', { ...good, instance: '' }],
    ['instance', { ...good, instance: 'x'.repeat(129) }],
    ['instance', { ...good, instance: 'a\u202eb' }],
    ['version', { ...good, version: 1 }],
    ['epoch', { ...good, epoch: '' }],
    ['seq', { ...good, seq: -1 }],
    ['seq', { ...good, seq: 1.5 }],
    ['seq', { ...good, seq: '1' }],
    ['heldMs', { ...good, heldMs: -1 }],
    ['heldMs', { ...good, heldMs: 1e300 }],
    [
      'earlier',
      {
        ...good,
        earlier: [
          { seq: 2, heldMs: 0 },
          { seq: 1, heldMs: 0 },
        ],
      },
    ],
    ['earlier', { ...good, earlier: Array.from({ length: 65 }, (_, seq) => ({ seq, heldMs: 0 })) }],
    ['earlier', { ...good, earlier: [null] }],
    ['ageMs', { ...good, ageMs: 'old' }],
    ['ageMs', { ...good, ageMs: 1e300 }],
    ['suspect', { ...good, suspect: 'A gap' }],
    ['transport', { ...good, transport: 'no name' }],
    ['leaving', { ...good, leaving: 'yes' }],
  ];
  for (const [name, body] of wrong) {
    const [status, code, detail] = await send(body);
    expect([status, code, String(detail).includes(name)], JSON.stringify(body)).toEqual([400, 'report_invalid', true]);
  }
  expect(accepted.length).toBe(2);
});
