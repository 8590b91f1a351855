import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { EXIT, runCli } from '@rescind/cli';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { operatorEnvironment, runRescind } from '../../support/cli.ts';
import { broker, uniqueTopic } from '../../support/kafka.ts';
import { FEED_SECRET, freePort } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

const REVOCATIONS = 3;

/** A service whose log has some revocations, and the environment of an operator who reads the log. */
async function started(revocations = REVOCATIONS, settings: Record<string, string> = {}) {
  const service = await openAdministered(settings);
  for (let count = 0; count < revocations; count += 1) {
    const { answer } = await service.login();
    await service.ada.post(`/admin/sessions/${answer.sid}/end`, { why: 'a test' });
  }
  const environment = {
    ...operatorEnvironment(service),
    RESCIND_ISSUER: service.url,
    RESCIND_FEED_CLIENT_ID: 'prices',
    RESCIND_FEED_CLIENT_SECRET: FEED_SECRET,
  };
  const rescind = (parameters: string[], more: Record<string, string> = {}) =>
    runRescind(parameters, { ...environment, ...more });
  return { ...service, environment, rescind };
}

/** A proxy in front of an issuer that changes the blocks of its event stream. */
async function proxyOf(target: string, change: (block: string) => string): Promise<string> {
  const server = createServer(async (request, response) => {
    const headers = Object.fromEntries(
      ['authorization', 'last-event-id', 'accept'].flatMap((name) =>
        request.headers[name] ? [[name, String(request.headers[name])]] : [],
      ),
    );
    const answer = await fetch(target + request.url, { headers });
    response.writeHead(answer.status, { 'Content-Type': answer.headers.get('content-type') ?? '' });
    let text = '';
    response.on('error', () => undefined);
    for await (const chunk of Readable.fromWeb(answer.body as never)) {
      text += Buffer.from(chunk as Uint8Array).toString();
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) response.write(change(`${block}\n\n`));
    }
    response.end(text);
  });
  onTestFinished(() => server.closeAllConnections());
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('log verify', () => {
  test('verifies that the log has no gap, is signed, and equals the outbox', async () => {
    const { rescind } = await started();
    const { exitCode, stdout } = await rescind(['log', 'verify', '--json']);
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([
      0,
      { proved: true, from: 1, to: 3, events: 3, outbox: 3, topic: null, fault: null },
    ]);
  });

  test('names the first difference of a log that lacks an event, and ends with 10', async () => {
    const { rescind, url } = await started();
    const proxy = await proxyOf(url, (block) => (/^id: ?\S+:2$/m.test(block) ? '' : block));
    const { exitCode, stdout } = await rescind(['log', 'verify', '--json'], { RESCIND_ISSUER_URL: proxy });
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([10, { proved: false, fault: 'gap 2..2' }]);
    const text = await rescind(['log', 'verify'], { RESCIND_ISSUER_URL: proxy, KAFKA_BROKERS: '127.0.0.1:1' });
    expect(text.stdout).toContain('events verified\t2, signed by 1 key\n');
    expect(text.stdout).toContain('equal in the topic\tnot compared: the log itself is wrong\n');
  });

  test('states why the keys of the log cannot be read', async () => {
    const { rescind } = await started(0);
    const away = { RESCIND_ISSUER_URL: `http://127.0.0.1:${await freePort()}`, RESCIND_TIMEOUT: '1s' };
    const { exitCode, stderr } = await rescind(['log', 'verify'], away);
    expect([exitCode, stderr]).toEqual([
      1,
      expect.stringMatching(/\(unreachable: ECONNREFUSED\) \[keys_unreachable\]/),
    ]);
  });

  test('ends with 4 when the issuer refuses the reader', async () => {
    const { rescind } = await started(0);
    const secret = { RESCIND_FEED_CLIENT_SECRET: 'not-the-secret-of-prices-0123456789' };
    const { exitCode, stdout, stderr } = await rescind(['log', 'verify'], secret);
    expect([exitCode, stdout, stderr.includes('log_refused')]).toEqual([4, '', true]);
  });

  test('names an event whose signature is wrong', async () => {
    const { rescind, url } = await started();
    const proxy = await proxyOf(url, (block) =>
      /^id: ?\S+:2$/m.test(block)
        ? block.replace(/(data: ?\S+\.)(.)/, (_, head, first) => head + (first === 'A' ? 'B' : 'A'))
        : block,
    );
    const { exitCode, stdout } = await rescind(['log', 'verify', '--json'], { RESCIND_ISSUER_URL: proxy });
    expect([exitCode, JSON.parse(stdout)]).toMatchObject([
      10,
      { proved: false, fault: expect.stringContaining('signature') },
    ]);
  });

  test('compares the topic of a real Kafka with the outbox', async () => {
    const { brokers } = await broker();
    const settings = { KAFKA_BROKERS: brokers.join(','), KAFKA_TOPIC: uniqueTopic() };
    const { rescind, ada } = await started(REVOCATIONS, settings);
    await waitFor(
      'every revocation is published',
      async () => {
        const { items } = (await ada.get('/admin/revocations')).body;
        return (items as { published: boolean }[]).every(({ published }) => published);
      },
      30_000,
    );
    // A broker that has just started elects its coordinator for some seconds: the command itself tries again.
    const { exitCode, stdout, stderr } = await rescind(['log', 'verify', '--json'], settings);
    expect([exitCode, JSON.parse(stdout || stderr)]).toMatchObject([0, { proved: true, topic: 3, outbox: 3 }]);
  });
});

describe('log verify while no broker listens', () => {
  test('reads the topic again, notes each attempt on standard error, and ends with 130 when it is interrupted', async () => {
    const { environment } = await started(0);
    const stderr = new PassThrough();
    let notes = '';
    stderr.setEncoding('utf8').on('data', (text: string) => {
      notes += text;
    });
    let interrupt: () => void = () => undefined;
    const host = {
      env: { ...environment, KAFKA_BROKERS: `127.0.0.1:${await freePort()}`, KAFKA_TOPIC: uniqueTopic() },
      ...{ stdin: new PassThrough(), stdout: new PassThrough(), stderr },
      once(_signal: 'SIGINT', listener: () => void) {
        interrupt = listener;
      },
    };
    const exitCode = runCli(['log', 'verify'], host);
    const attempts = () => notes.match(/^# Kafka is not ready \(kafka_unreachable\); tries again for \d+ s$/gm) ?? [];
    await waitFor('two attempts have failed', () => attempts().length >= 2, 30_000);
    interrupt();
    expect(await exitCode).toBe(EXIT.interrupted.code);
    expect(EXIT.interrupted.code).toBe(130);
    expect(host.stdout.read()).toBeNull();
  });
});

describe('tail', () => {
  test('writes each event once, from the first one or after a position', async () => {
    const { rescind } = await started();
    const all = await rescind(['tail', '--all', '--limit', '3', '--json']);
    const lines = all.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect([all.exitCode, lines.map(({ seq }) => seq)]).toEqual([0, [1, 2, 3]]);
    const after = await rescind(['tail', '--from', `${lines[0].epoch}:2`, '--limit', '1']);
    expect(after.stdout).toContain(`${lines[0].epoch}:3 `);
  });

  test('notes a gap on standard error', async () => {
    const { rescind, url } = await started();
    const proxy = await proxyOf(url, (block) => (/^id: ?\S+:2$/m.test(block) ? '' : block));
    const { stderr } = await rescind(['tail', '--all', '--limit', '2'], { RESCIND_ISSUER_URL: proxy });
    expect(stderr).toContain('# gap 2..2');
  });

  test('ends with 4 when the issuer refuses the reader', async () => {
    const { rescind } = await started();
    const { exitCode, stdout } = await rescind(['tail'], {
      RESCIND_FEED_CLIENT_SECRET: 'not-the-secret-of-prices-0123456789',
    });
    expect([exitCode, stdout]).toEqual([4, '']);
  });
});
