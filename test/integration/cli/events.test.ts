import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { openAdministered } from '../../support/administration.ts';
import { operatorEnvironment, rowsOf, runRescind } from '../../support/cli.ts';
import { waitFor } from '../../support/wait.ts';

const MAIN = fileURLToPath(new URL('../../../packages/cli/src/main.js', import.meta.url));

async function started() {
  const service = await openAdministered();
  const environment = operatorEnvironment(service);
  return { ...service, environment, rescind: (...parameters: string[]) => runRescind(parameters, environment) };
}

test('states why the session of a user ended, and by whom', async () => {
  const { rescind, login } = await started();
  const sid = String((await login()).answer.sid);
  await rescind('sessions', 'end', sid, '--why', 'called the desk', '--reason', 'device_lost', '--yes');
  const { exitCode, stdout } = await rescind('events', '--user', 'ada', '--type', 'session_ended', '--since', '7d');
  expect(exitCode).toBe(0);
  expect(rowsOf(stdout)).toMatchObject([
    { type: 'session_ended', user: 'ada', sid, reason: 'device_lost', by: 'operator:ada', count: '1' },
  ]);
  const document = JSON.parse((await rescind('events', '--sid', sid, '--json')).stdout);
  expect(document.items.map(({ type }: { type: string }) => type)).toEqual(['session_ended', 'login']);
  expect((await rescind('events', '--since', 'yesterday')).exitCode).toBe(2);
  expect((await rescind('events', '--type', 'nonsense')).exitCode).toBe(2);
  expect((await rescind('events', '--follow', '--until', '1h')).exitCode).toBe(2);
});

test('follows events, each once, and ends after --limit', async () => {
  const { environment, login } = await started();
  const child = spawn(process.execPath, [MAIN, 'events', '--follow', '--since', '1h', '--limit', '3', '--json'], {
    env: { PATH: process.env.PATH ?? '', ...environment },
  });
  onTestFinished(() => void child.kill());
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += String(chunk);
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await waitFor('the registration is printed', () => text.includes('account_created'));
  await login();
  await login();
  expect(await ended).toBe(0);
  const lines = text.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).type)).toEqual(['account_created', 'login', 'login']);
});

test('creates a user and prints the token that sets the password', async () => {
  const { rescind, post } = await started();
  const flags = ['--why', 'joined', '--role', 'editor', '--claim', 'tenant=acme', '--yes'];
  const { exitCode, stdout } = await rescind('users', 'create', 'grace', ...flags, '--json');
  expect(exitCode).toBe(0);
  const { user, resetToken } = JSON.parse(stdout);
  expect(user).toMatchObject({ username: 'grace', claims: { roles: ['editor'], tenant: 'acme' } });
  const newPassword = 'a password of her own';
  expect((await post('/password/reset', { resetToken, newPassword })).status).toBe(204);
  expect((await rescind('users', 'create', 'grace', ...flags)).exitCode).toBe(8);
  expect((await rescind('users', 'create', 'henry', '--why', 'joined')).exitCode).toBe(7);
});
