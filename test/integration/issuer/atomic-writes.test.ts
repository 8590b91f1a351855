import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signingKeyFromPem } from '@rescind/token/signing';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { WriteStep } from '../../support/failing-files.ts';
import { failFiles, WRITE_STEPS } from '../../support/failing-files.ts';
import { waitFor } from '../../support/wait.ts';
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

  test('leaves the former or the new high-water mark, and keeps every acknowledged write', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open();
    const mark = () => JSON.parse(readFileSync(join(setting.keysPath, MARK), 'utf8'));
    const before = mark();
    const failing = fail(step, MARK);
    const answer = await login(issuer);
    await issuer.transaction((tx) => tx.endSession({ sid: answer.sid, reason: 'logout' }));
    await waitFor('the write of the high-water mark has failed', () => failing.failures() > 0);
    expect(await verdictOf(issuer, answer)).toBe('token_revoked');
    const { epoch, head } = mark();
    expect(epoch).toBe(before.epoch);
    expect([before.head, before.head + 1]).toContain(head);
    failing.restore();
    expectNothingTorn(setting);
    await issuer.close();
    const again = await setting.open();
    expect(again.refusingWrites()).toBeNull();
    expect(await verdictOf(again, answer)).toBe('token_revoked');
    expect(mark().head).toBe(before.head + 1);
  });
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
