import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { codeOf, createIssuerSetting, eventsOf, sqlOf } from './issuer-setting.ts';

const CHILD = fileURLToPath(new URL('./crash-child.ts', import.meta.url));

/** Runs the child until it has acknowledged this number of logouts, kills it, and returns the acknowledged ones. */
async function runAndKill(
  setting: ReturnType<typeof createIssuerSetting>,
  logouts: number,
): Promise<{ seq: number; sid: string }[]> {
  const child = spawn(process.execPath, [CHILD, setting.databasePath, setting.keysPath], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let complaints = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    complaints += chunk;
  });
  const exited = once(child, 'close');
  try {
    await waitFor(
      'the child has printed its logouts',
      () => output.split('\n').length > logouts || child.exitCode !== null,
      20_000,
    );
  } finally {
    child.kill('SIGKILL');
  }
  await exited;
  expect(complaints).toBe('');
  const lines = output.slice(0, output.lastIndexOf('\n')).split('\n');
  return lines.map((line) => line.split(' ')).map(([seq, sid = '']) => ({ seq: Number(seq), sid }));
}

test('keeps each acknowledged logout once and in order after kill -9', async () => {
  const setting = createIssuerSetting();
  const answered: { seq: number; sid: string }[] = [];
  for (const logouts of [1, 7, 40]) answered.push(...(await runAndKill(setting, logouts)));

  const issuer = await setting.open();
  expect(issuer.refusingWrites()).toBeNull();
  const events = eventsOf(issuer);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  expect(events.map(({ prev }) => prev)).toEqual([null, ...events.slice(0, -1).map(({ id }) => id)]);
  const bySeq = new Map(events.map((event) => [event.seq, event.cutOffs[0]?.value]));
  for (const { seq, sid } of answered) expect(bySeq.get(seq)).toBe(sid);
  expect(issuer.log.snapshot()).toMatchObject({ head: events.length, headId: events.at(-1)?.id });
  // In each of the three runs at most the last logout was durable without an acknowledgement.
  expect(events.length - answered.length).toBeLessThanOrEqual(3);
  const ended = 'SELECT COUNT(*) FROM rescind_sessions WHERE ended_at IS NOT NULL';
  expect(sqlOf(issuer).prepare(ended).pluck().get()).toBe(events.length);
});

test('refuses a second writer exactly as long as the first lives', async () => {
  const setting = createIssuerSetting();
  const first = await setting.open();
  expect(await codeOf(() => setting.open())).toBe('database_locked');
  await first.close();
  const second = await setting.open();
  await second.close();

  const child = spawn(process.execPath, [CHILD, setting.databasePath, setting.keysPath], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'close');
  try {
    await once(child.stdout, 'data');
    expect(await codeOf(() => setting.open())).toBe('database_locked');
  } finally {
    child.kill('SIGKILL');
  }
  await exited;
  expect((await setting.open()).refusingWrites()).toBeNull();
});

test('finds the same lock by another name of the file', async () => {
  const setting = createIssuerSetting();
  const first = await setting.open();
  const link = join(setting.directory, 'link.db');
  symlinkSync(setting.databasePath, link);
  expect(await codeOf(() => setting.open({ databasePath: link }))).toBe('database_locked');
  await first.close();
  const hard = join(setting.directory, 'hard.db');
  linkSync(setting.databasePath, hard);
  expect(await codeOf(() => setting.open({ databasePath: hard }))).toBe('database_locked');
  rmSync(hard);
  expect((await setting.open({ databasePath: link })).refusingWrites()).toBeNull();
});
