import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signingKeyFromPem } from '@rescind/token/signing';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { WriteStep } from '../../support/failing-files.ts';
import { failFiles, OVERWRITE_STEPS, WRITE_STEPS } from '../../support/failing-files.ts';
import { markOf, marksOf } from './backup.ts';
import type { IssuerSetting } from './issuer-setting.ts';
import { codeOf, createIssuerSetting, login, verdictOf } from './issuer-setting.ts';

const MARK = 'high-water.json';

function fail(step: WriteStep, name: string) {
  const failing = failFiles(step, name);
  onTestFinished(() => failing.restore());
  return failing;
}

/** Nothing temporary is there, and every private key can be read. */
function expectNothingTorn({ keysPath }: IssuerSetting): void {
  const names = readdirSync(keysPath);
  expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  for (const name of names.filter((one) => one.endsWith('.pem') && !one.endsWith('.public.pem'))) {
    expect(name).toContain(signingKeyFromPem(readFileSync(join(keysPath, name), 'utf8')).kid);
  }
}

describe.each(WRITE_STEPS)('a write of which %s fails', (step) => {
  test.each(['token-', 'event-'])(
    'leaves no torn file of the first %s key, and the next start succeeds',
    async (name) => {
      const setting = createIssuerSetting();
      const failing = fail(step, name);
      await expect(setting.open()).rejects.toThrow('EIO');
      expect(failing.failures()).toBeGreaterThan(0);
      failing.restore();
      expectNothingTorn(setting);
      const issuer = await setting.open();
      expect(issuer.refusingWrites()).toBeNull();
      expect(await verdictOf(issuer, await login(issuer))).toBe('ok');
      expect(readdirSync(setting.keysPath).filter((one) => one.endsWith('.pem'))).toHaveLength(2);
    },
  );

  test('of the first high-water mark does not make the next start detect a restored database', async () => {
    const setting = createIssuerSetting();
    const failing = fail(step, MARK);
    const code = await codeOf(async () => (await setting.open()).close());
    expect(failing.failures(), String(code)).toBeGreaterThan(0);
    failing.restore();
    expectNothingTorn(setting);
    const issuer = await setting.open();
    expect(issuer.refusingWrites()).toBeNull();
    expect(await verdictOf(issuer, await login(issuer))).toBe('ok');
  });

  test('keeps the key that signs, and a rotation can be tried again, also after a restart', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open();
    const kids = async () => (await issuer.keys.list()).map(({ kid }) => kid);
    const before = await kids();
    const failing = fail(step, 'token-');
    expect(await codeOf(() => issuer.transaction((tx) => tx.keys.rotate({ purpose: 'token' })))).toBeDefined();
    expect(failing.failures()).toBeGreaterThan(0);
    expect(await kids()).toEqual(before);
    failing.restore();
    expectNothingTorn(setting);
    expect(await verdictOf(issuer, await login(issuer))).toBe('ok');
    await issuer.close();
    const again = await setting.open();
    expect(again.refusingWrites()).toBeNull();
    expect((await again.keys.list()).map(({ kid }) => kid)).toEqual(before);
    const { kid } = await again.transaction((tx) => tx.keys.rotate({ purpose: 'token' }));
    expect(readdirSync(setting.keysPath)).toContain(`token-${kid}.pem`);
    expect(await verdictOf(again, await login(again))).toBe('ok');
  });
});

describe.each(OVERWRITE_STEPS)('a write in place of which %s fails', (step) => {
  test('leaves the former or the new high-water mark, and keeps every acknowledged write', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open();
    const answer = await login(issuer);
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'eve', reason: 'logout_everywhere' }));
    const before = marksOf(setting).at(-1);
    const failing = fail(step, MARK);
    await issuer.transaction((tx) => tx.endSession({ sid: answer.sid, reason: 'logout' }));
    expect(failing.failures()).toBe(1);
    expect(await verdictOf(issuer, answer)).toBe('token_revoked');
    const after = marksOf(setting);
    expect(after).toContainEqual(before);
    expect(after.at(-1)?.head).toBe(step === 'fsync' ? 2 : 1);
    failing.restore();
    await issuer.close();
    const again = await setting.open();
    expect(again.refusingWrites()).toBeNull();
    expect(await verdictOf(again, answer)).toBe('token_revoked');
    expect(marksOf(setting)).toMatchObject([{ head: 2 }]);
  });

  test('is tried again in the same line by the next write', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open();
    const revoke = () => issuer.transaction((tx) => tx.endAllSessions({ sub: 'eve', reason: 'logout_everywhere' }));
    await revoke();
    const failing = fail(step, MARK);
    await revoke();
    expect(marksOf(setting)).toContainEqual(expect.objectContaining({ head: 1 }));
    failing.restore();
    await revoke();
    expect(marksOf(setting).map(({ head }) => head)).toEqual([1, 3]);
    await revoke();
    expect(marksOf(setting).map(({ head }) => head)).toEqual([3, 4]);
  });
});

test('writes the high-water mark anew when an operator has removed its file', async () => {
  const setting = createIssuerSetting();
  const issuer = await setting.open();
  rmSync(markOf(setting));
  await issuer.transaction((tx) => tx.endAllSessions({ sub: 'eve', reason: 'logout_everywhere' }));
  expect(marksOf(setting)).toMatchObject([{ head: 1 }]);
});

test('ignores and removes the temporary file of a killed process at the next start', async () => {
  const setting = createIssuerSetting();
  const issuer = await setting.open();
  const kids = (await issuer.keys.list()).map(({ kid }) => kid);
  await issuer.close();
  const [pem = ''] = readdirSync(setting.keysPath).filter((name) => name.endsWith('.pem'));
  const text = readFileSync(join(setting.keysPath, pem), 'utf8');
  writeFileSync(join(setting.keysPath, `${pem}.0a1b2c3d.tmp`), text.slice(0, text.length / 2), { mode: 0o600 });
  writeFileSync(join(setting.keysPath, `${MARK}.0a1b2c3d.tmp`), '{"epoch"', { mode: 0o600 });
  const again = await setting.open();
  expect((await again.keys.list()).map(({ kid }) => kid)).toEqual(kids);
  expect(again.refusingWrites()).toBeNull();
  expectNothingTorn(setting);
});
