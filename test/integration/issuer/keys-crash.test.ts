import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import type { IssuerSetting } from './issuer-setting.ts';
import { createIssuerSetting, eventsOf, login, verdictOf } from './issuer-setting.ts';
import { filesOf } from './key-setting.ts';

const CHILD = fileURLToPath(new URL('./keys-child.ts', import.meta.url));

/** Runs the child, kills it, and returns what it had acknowledged: ended sessions and revoked keys. */
async function runAndKill(setting: IssuerSetting, answers: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, setting.databasePath, setting.keysPath], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const exited = once(child, 'close');
  try {
    await waitFor('answers of the child', () => output.split('\n').length > answers || child.exitCode !== null, 20_000);
  } finally {
    child.kill('SIGKILL');
  }
  await exited;
  return output.slice(0, output.lastIndexOf('\n')).split('\n');
}

test('keeps acknowledged changes of keys, signs and leaves no file over after kill -9', async () => {
  const setting = createIssuerSetting();
  const answered: string[] = [];
  for (const answers of [1, 2, 3, 6, 11, 24]) {
    answered.push(...(await runAndKill(setting, answers)));

    const issuer = await setting.open({ keyRotation: { algorithm: 'ES256' } });
    expect(issuer.refusingWrites()).toBeNull();
    const events = eventsOf(issuer);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    const denied = new Set(events.flatMap(({ cutOffs }) => cutOffs.map(({ claim, value }) => `${claim} ${value}`)));
    expect(answered.filter((answer) => !denied.has(answer))).toEqual([]);
    expect(await verdictOf(issuer, await login(issuer))).toBe('ok');

    const good = (await issuer.keys.list()).filter(({ state }) => state !== 'revoked');
    expect(good.filter(({ state }) => state === 'active').map(({ purpose }) => purpose)).toEqual(['token', 'event']);
    const files = good.map(({ purpose, kid, state }) => `${purpose}-${kid}${state === 'former' ? '.public' : ''}.pem`);
    expect(filesOf(setting).sort()).toEqual(files.sort());
    await issuer.close();
  }
});
