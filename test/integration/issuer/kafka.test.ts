import { copyFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openBroker } from '@rescind/dev-kafka';
import { openPublisher } from '@rescind/feed-kafka';
import { restoreIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { codeOf, createIssuerSetting, fileOf, ISSUER, login, refresh } from './issuer-setting.ts';

test('publishes to a real Kafka, detects a restored database by the end of the topic, and imports from it', async () => {
  await using broker = await openBroker();
  const topic = `rescind.revocations.${process.pid}.${Date.now()}`;
  const open = () =>
    openPublisher({
      brokers: broker.brokers,
      topic,
      clientId: 'issuer',
      log: ISSUER,
      createTopic: true,
      minRetentionMs: 7 * 86_400_000,
    });
  const setting = createIssuerSetting();
  const issuer = await setting.open({ publisher: open() });
  await issuer.ready;
  const [kept, lost] = [await login(issuer), await login(issuer)];
  const [backup, mark] = [join(setting.directory, 'backup.db'), join(setting.keysPath, 'high-water.json')];
  fileOf(issuer).prepare('VACUUM INTO ?').run(backup);
  copyFileSync(mark, `${backup}.json`);
  await issuer.transaction((tx) => tx.endSession({ sid: lost.sid, reason: 'device_lost' }));
  await waitFor('the event is sent', () => issuer.health().some(({ sentSeq }) => sentSeq === 1), 30_000);
  await issuer.close();

  for (const end of ['', '-wal', '-shm']) rmSync(`${setting.databasePath}${end}`, { force: true });
  copyFileSync(backup, setting.databasePath);
  copyFileSync(`${backup}.json`, mark);
  const restored = await setting.open({ publisher: open() });
  await waitFor('the end of the topic is read', () => restored.refusingWrites() !== null, 30_000);
  await restored.close();

  const report = await restoreIssuer({
    issuer: ISSUER,
    store: sqliteStore({ path: setting.databasePath }),
    keysPath: setting.keysPath,
    publisher: open(),
  });
  // The high-water mark was restored too, so the end of the log is unknown.
  expect(report).toMatchObject({ importedEvents: 1, complete: false, replayError: null });
  const again = await setting.open({ publisher: open() });
  expect(await codeOf(() => refresh(again, lost))).toBe('grant_invalid');
  expect(await codeOf(() => refresh(again, kept))).toBe('grant_invalid');
  const { head } = again.log.snapshot();
  await waitFor('the new epoch is sent', () => again.health().some(({ sentSeq }) => sentSeq === head), 30_000);
}, 180_000);
