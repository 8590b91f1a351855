import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { runCli } from '@rescind/cli';
import { expect, onTestFinished, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { operatorEnvironment } from '../../support/cli.ts';
import { environmentOf } from '../../support/cli-stub.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { freePort } from '../../support/user-management.ts';
import { waitFor } from '../../support/wait.ts';

/** A process whose streams are a terminal, unless stated otherwise. */
function terminal(env: Record<string, string>, columns = 80, isErrorTerminal = true) {
  const stream = (isTTY: boolean) => Object.assign(new PassThrough(), { isTTY, columns, setRawMode: () => undefined });
  const streams = { stdin: stream(true), stdout: stream(true), stderr: stream(isErrorTerminal) };
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    streams[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
    });
  let interrupt: () => void = () => undefined;
  const once = (_signal: 'SIGINT', listener: () => void) => {
    interrupt = listener;
  };
  return { host: { env, ...streams, once }, texts, interrupt: () => interrupt() };
}

const at = (time: string) => Date.parse(time);
const session = (sid: string, username: string, deviceName: string) => ({
  ...{ sid, sub: 's', username, clientId: 'web', deviceName, lastUsedAt: at('2026-01-01T00:00:00Z') },
  ...{ endedAt: null, reauthenticationReason: null },
});

test('aligns wide characters, keeps 8 characters of an id, and writes how long ago where a date has no room', async () => {
  const env = await environmentOf({
    items: [
      session('AAAABBBBCCCCDDDDEEEEFF', '田中太郎', '会社のノートパソコン'),
      session('b'.repeat(22), 'grace', 'e\u0301 📱'),
    ],
  });
  const { host, texts } = terminal(env, 60);
  expect(await runCli(['sessions'], host)).toBe(0);
  const [head = '', first = '', second = ''] = texts.stdout.split('\n');
  expect(first).toMatch(/^AAAABBBB[A-Z]*… {2}田中太郎 {2}web {5}会社の.*… {2}\d+ d ago {2}open$/);
  // Cells before the column: each of the 4 characters of the name takes two.
  expect(first.indexOf('web')).toBe(head.indexOf('client') - 4);
  expect(second.indexOf('web')).toBe(head.indexOf('client'));
  // The mark takes no cell, and the emoji, of two UTF-16 units, two.
  expect(second.indexOf(' d ago') - 1).toBe(
    first.indexOf(' d ago') + 4 + (first.match(/[会社のノートパソコン]/g)?.length ?? 0),
  );
});

test('names the columns for which a terminal has no room', async () => {
  const env = await environmentOf({ items: [session('b'.repeat(22), 'grace', 'phone')] });
  const { host, texts } = terminal(env, 30);
  expect(await runCli(['sessions'], host)).toBe(0);
  expect(texts.stdout.split('\n').every((line) => line.length <= 30)).toBe(true);
  expect(texts.stderr).toContain('# no room for device, last used, state: --fields selects columns');
});

test.each([
  ['Ctrl-C', '\u0003', 130, 'interrupted'],
  ['Ctrl-D', '\u0004', 7, 'confirmation_required'],
])('ends at a question with %s', async (_key, typed, exitCode, code) => {
  const env = await environmentOf({ sessions: 1, subjects: 1, affectedSessions: 1, affectedSubjects: 1 });
  const { host, texts } = terminal(env);
  const running = runCli(['revoke', '--sub', 's', '--why', 'a test'], host);
  await waitFor('the question', () => texts.stderr.includes('[y/N]'));
  host.stdin.write(typed);
  expect(await running).toBe(exitCode);
  expect(texts.stderr).toContain(`[${code}]`);
});

test('refuses a confirmed count that sessions have outgrown, and asks for the new one', async () => {
  const service = await openAdministered();
  await service.login();
  const { host, texts } = terminal(operatorEnvironment(service));
  const running = runCli(['revoke', '--client', 'web', '--why', 'a test'], host);
  await waitFor('the question', () => texts.stderr.includes('Type 1, '));
  const { access } = await service.login();
  host.stdin.write('1\r');
  await waitFor('the next question', () => texts.stderr.includes('Type 2, '));
  expect(texts.stderr).toContain('More sessions have begun since the preview; nothing was done');
  expect(await service.accepts(access)).toBe(400);
  host.stdin.write('2\r');
  expect(await running).toBe(0);
  expect(texts.stdout).toMatch(/ended sessions +2/);
});

test('colours a remark where standard error is a terminal, and nowhere else', async () => {
  const home = temporaryDirectory();
  mkdirSync(join(home, 'rescind'));
  writeFileSync(join(home, 'rescind', 'prod.json'), '{"production":true}');
  const env = await environmentOf({ sessions: 1, subjects: 1, affectedSessions: 1, affectedSubjects: 1 });
  const remarksOf = async (isErrorTerminal: boolean) => {
    const { host, texts } = terminal({ ...env, XDG_CONFIG_HOME: home }, 80, isErrorTerminal);
    await runCli(['revoke', '--everybody', '--why', 'a test', '--profile', 'prod', '--confirm', '9'], host);
    return texts.stderr;
  };
  expect(await remarksOf(true)).toContain('\u001b[31mprofile prod');
  expect(await remarksOf(false)).toContain('\nprofile prod');
});

test('watches a process that is away', async () => {
  const env = { RESCIND_MANAGEMENT: `http://127.0.0.1:${await freePort()}` };
  const { host, texts, interrupt } = terminal(env);
  onTestFinished(() => interrupt());
  const running = runCli(['status', '--watch'], host);
  await waitFor('the state', () => texts.stdout.includes('unreachable'));
  interrupt();
  expect(await running).toBe(130);
});
