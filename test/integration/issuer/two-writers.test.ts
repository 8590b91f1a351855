import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import type { IssuerSetting } from './issuer-setting.ts';
import { createIssuerSetting, login, sqlOf } from './issuer-setting.ts';

const CHILD = fileURLToPath(new URL('./two-writers-child.ts', import.meta.url));
const USES = 50;

/** Another process with a connection of its own to the same file. */
async function startSecond(setting: IssuerSetting, refreshToken: string) {
  const child = spawn(process.execPath, [CHILD, setting.databasePath, setting.keysPath, refreshToken, String(USES)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  // Listened for from the start: the child may have ended before its answers are asked for.
  const ended = once(child, 'close');
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  await waitFor('the second process is ready', () => output.startsWith('ready\n'), 20_000);
  return {
    go: () => child.stdin.write('go\n'),
    async answers(): Promise<string[]> {
      await ended;
      return JSON.parse(output.split('\n')[1] ?? '');
    },
  };
}

test('security 36: returns one successor when two processes write one file without its lock', async () => {
  const setting = createIssuerSetting();
  const issuer = await setting.open();
  const { refresh_token: refreshToken, sid } = await login(issuer);
  // Two writers are not supported; one conditional write of the database decides, not the lock.
  rmSync(`${setting.databasePath}.lock`);
  const second = await startSecond(setting, refreshToken);
  second.go();
  const ours = await Promise.all(Array.from({ length: USES }, () => issuer.refresh({ refreshToken, clientId: 'web' })));
  const all = [...ours.map((answer) => answer.refresh_token), ...(await second.answers())];
  expect(all).toHaveLength(2 * USES);
  expect(new Set(all).size).toBe(1);
  const spent = sqlOf(issuer).prepare('SELECT COUNT(*) FROM rescind_spent WHERE sid = ?').pluck();
  expect(spent.get(sid)).toBe(1);
});
