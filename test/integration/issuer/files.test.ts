import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { RescindError } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { codeOf, createIssuerSetting, fileOf, login, sqlOf, verdictOf } from './issuer-setting.ts';

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe('the keys', () => {
  test('are one for access tokens and one for events, readable by their owner only', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open();
    const names = readdirSync(setting.keysPath);
    expect(names.filter((name) => /^token-.+\.pem$/.test(name))).toHaveLength(1);
    expect(names.filter((name) => /^event-.+\.pem$/.test(name))).toHaveLength(1);
    expect(modeOf(setting.keysPath)).toBe('700');
    for (const name of names) expect(modeOf(join(setting.keysPath, name))).toBe('600');
    expect(modeOf(setting.databasePath)).toBe('600');
    const kids = [issuer.jwks(), issuer.eventJwks()].flatMap(({ keys }) => keys.map(({ kid }) => kid));
    expect(new Set(kids).size).toBe(2);
    expect(JSON.stringify([issuer.jwks(), issuer.eventJwks()])).not.toMatch(/"(d|p|q|k)"/);
  });

  test('are kept over a restart', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open();
    const answer = await login(issuer);
    const before = [issuer.jwks(), issuer.eventJwks()];
    await issuer.close();
    const again = await setting.open();
    expect([again.jwks(), again.eventJwks()]).toEqual(before);
    expect(await verdictOf(again, answer)).toBe('ok');
  });

  test('verify their own token type only', async () => {
    const issuer = await createIssuerSetting().open();
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    for (const { jws } of issuer.log.read(0, 1))
      expect(await codeOf(() => issuer.verify(jws))).toBe('token_type_wrong');
    expect(await codeOf(async () => issuer.log.receiveEvidence((await login(issuer)).access_token))).toBe(
      'event_invalid',
    );
  });

  test('are refused in a directory or file that others may read, with the remedy in the error', async () => {
    const open = createIssuerSetting();
    mkdirSync(open.keysPath, { mode: 0o755 });
    chmodSync(open.keysPath, 0o755);
    await expect(open.open()).rejects.toThrow(/mode 755.*chmod 700/);

    const setting = createIssuerSetting();
    await (await setting.open()).close();
    const [pem = ''] = readdirSync(setting.keysPath).filter((name) => name.endsWith('.pem'));
    chmodSync(join(setting.keysPath, pem), 0o640);
    await expect(setting.open()).rejects.toThrow(/mode 640.*chmod 600/);
    chmodSync(join(setting.keysPath, pem), 0o600);
    expect((await setting.open()).refusingWrites()).toBeNull();
  });

  test('are not silently replaced when they are missing', async () => {
    const setting = createIssuerSetting();
    await (await setting.open()).close();
    rmSync(setting.keysPath, { recursive: true });
    expect(await codeOf(() => setting.open())).toBe('keys_unavailable');
  });

  test('include no private part of a revoked key', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open();
    const kid = String(issuer.jwks().keys[0]?.kid);
    await issuer.transaction((tx) => tx.revoke({ claim: 'kid', value: kid, reason: 'key_compromised' }));
    expect(readdirSync(setting.keysPath).join()).not.toContain(kid);
    const failing = issuer.transaction(async (tx) => {
      await tx.revoke({ claim: 'kid', value: String(issuer.jwks().keys[0]?.kid), reason: 'key_compromised' });
      throw new RescindError('busy');
    });
    await expect(failing).rejects.toMatchObject({ code: 'busy' });
    const answer = await login(issuer);
    await issuer.close();
    expect(await verdictOf(await setting.open(), answer)).toBe('ok');
  });
});

describe('the database', () => {
  test('is written so that acknowledged writes survive a power cut', async () => {
    const issuer = await createIssuerSetting().open();
    expect(sqlOf(issuer).pragma('synchronous', { simple: true })).toBe(2);
    expect(sqlOf(issuer).pragma('journal_mode', { simple: true })).toBe('wal');
    expect(sqlOf(issuer).pragma('foreign_keys', { simple: true })).toBe(1);
  });

  test('is not changed when its version is newer', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open();
    fileOf(issuer).exec('UPDATE rescind_schema SET version = 99');
    await issuer.close();
    const before = readFileSync(setting.databasePath);
    expect(await codeOf(() => setting.open())).toBe('database_newer');
    expect(readFileSync(setting.databasePath).equals(before)).toBe(true);
  });

  test('is refused when it is of another issuer', async () => {
    const setting = createIssuerSetting();
    await (await setting.open()).close();
    await expect(setting.open({ issuer: 'https://other.example' })).rejects.toThrow(/login\.example/);
  });

  test('leaves the host its user_version and its tables', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open();
    sqlOf(issuer).pragma('user_version = 7');
    fileOf(issuer).exec('CREATE TABLE sessions (mine TEXT)');
    await issuer.close();
    const again = await setting.open();
    expect(sqlOf(again).pragma('user_version', { simple: true })).toBe(7);
    expect((await login(again)).token_type).toBe('Bearer');
  });

  test('is not written after close', async () => {
    const issuer = await createIssuerSetting().open();
    await issuer.close();
    await issuer.close();
    expect(await codeOf(() => login(issuer))).toBe('stopping');
  });
});
