import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Issuer, IssuerOptions, TokenAnswer } from '@rescind/issuer';
import { restoreIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { expect } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import type { IssuerSetting } from './issuer-setting.ts';
import {
  codeOf,
  createIssuerSetting,
  fileOf,
  ISSUER,
  login,
  payloadOf,
  refresh,
  Topic,
  verdictOf,
} from './issuer-setting.ts';

export const markOf = (setting: IssuerSetting) => join(setting.keysPath, 'high-water.json');

/** The marks in the file of the high-water mark, the newest last. A line that is torn is left out. */
export function marksOf(setting: IssuerSetting): { epoch: string; head: number; id: string | null; next?: string }[] {
  const lines = readFileSync(markOf(setting), 'utf8').split('\n');
  const marks = lines.flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
  return marks.toSorted((a, b) => (a.epoch === b.epoch ? a.head - b.head : a.epoch > b.epoch ? 1 : -1));
}

function takeBackup(setting: IssuerSetting, issuer: Issuer): void {
  const path = join(setting.directory, 'backup.db');
  rmSync(path, { force: true });
  fileOf(issuer).prepare('VACUUM INTO ?').run(path);
  copyFileSync(markOf(setting), join(setting.directory, 'backup.json'));
}

export function putBackup(setting: IssuerSetting): void {
  for (const end of ['', '-wal', '-shm']) rmSync(`${setting.databasePath}${end}`, { force: true });
  copyFileSync(join(setting.directory, 'backup.db'), setting.databasePath);
}

/** The backup contains the high-water mark too. */
export function putBackupWithMark(setting: IssuerSetting): void {
  putBackup(setting);
  copyFileSync(join(setting.directory, 'backup.json'), markOf(setting));
}

export const restore = (setting: IssuerSetting, more: Partial<Parameters<typeof restoreIssuer>[0]> = {}) =>
  restoreIssuer({
    issuer: ISSUER,
    store: sqliteStore({ path: setting.databasePath }),
    keysPath: setting.keysPath,
    ...more,
  });

/** An issuer that continued after its backup. The session `lost` logged out in that time. */
export async function livedOn(topic = new Topic(), options: Partial<IssuerOptions> = {}) {
  const setting = createIssuerSetting();
  const issuer = await setting.open({ publisher: topic.publisher(), ...options });
  const [kept, lost, cutBefore] = [await login(issuer), await login(issuer), await login(issuer)];
  await issuer.transaction((tx) => tx.endSession({ sid: cutBefore.sid, reason: 'logout' }));
  takeBackup(setting, issuer);
  await issuer.transaction((tx) => tx.endSession({ sid: lost.sid, reason: 'device_lost' }));
  const born = await login(issuer);
  const { epoch, head } = issuer.log.snapshot();
  const beat = (await issuer.log.heartbeat()).jws;
  await waitFor('the topic to have it all', () => issuer.health().some((check) => check.sentSeq === head), 20_000);
  await issuer.close();
  return { setting, topic, kept, lost, cutBefore, born, epoch, head, beat };
}

/** The event with this seq, as the topic has it. */
export function eventAt(topic: Topic, seq: number): string {
  return String(topic.records.find((jws) => payloadOf(jws).seq === seq));
}

export async function expectRefusing(issuer: Issuer, answer: TokenAnswer): Promise<void> {
  expect(issuer.refusingWrites()).toEqual(expect.any(String));
  expect(await codeOf(() => login(issuer))).toBe('database_restored');
  expect(await codeOf(() => refresh(issuer, answer))).toBe('database_restored');
  expect(await verdictOf(issuer, answer)).toBe('ok');
  expect(issuer.jwks().keys).not.toHaveLength(0);
  expect(issuer.eventJwks().keys).not.toHaveLength(0);
  expect((await issuer.log.heartbeat()).jws).toEqual(expect.any(String));
  expect(issuer.health()).toContainEqual(expect.objectContaining({ name: 'writes', status: 'warn' }));
}
