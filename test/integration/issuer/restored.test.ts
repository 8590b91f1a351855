import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { eventAt, expectRefusing, livedOn, markOf, putBackup, putBackupWithMark, restore } from './backup.ts';
import { codeOf, createIssuerSetting, login, verdictOf } from './issuer-setting.ts';

describe('a restored database is detected', () => {
  test('by the high-water mark beside the keys; reads, keys and heartbeats continue', async () => {
    const { setting, kept, topic } = await livedOn();
    putBackup(setting);
    const before = topic.records.length;
    const issuer = await setting.open({ publisher: topic.publisher() });
    await expectRefusing(issuer, kept);
    await expect(issuer.transaction((tx) => tx.endSession({ sid: kept.sid, reason: 'logout' }))).rejects.toMatchObject({
      status: 503,
    });
    await issuer.close();
    expect(topic.records.length).toBe(before);
  });

  test('by the topic’s end, before anything is published, and after the next start too', async () => {
    const { setting, kept, topic } = await livedOn();
    putBackupWithMark(setting);
    const before = topic.records.length;
    topic.isDown = true;
    const issuer = await setting.open({ publisher: topic.publisher() });
    expect(issuer.refusingWrites()).toBeNull();
    topic.isDown = false;
    await waitFor('the end of the topic is read', () => issuer.refusingWrites() !== null, 20_000);
    await expectRefusing(issuer, kept);
    await issuer.close();
    expect(topic.records.length).toBe(before);
    await expectRefusing(await setting.open(), kept);
  });

  test('by the restore evidence of a reader, and by nothing that the log did not sign', async () => {
    for (const which of ['event', 'heartbeat'] as const) {
      const { setting, kept, topic, beat, head } = await livedOn();
      putBackupWithMark(setting);
      const issuer = await setting.open();
      const stranger = await createIssuerSetting().open();
      await stranger.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
      for (const jws of [
        '',
        'a.b.c',
        ...stranger.log.read(0, 9).map((row) => row.jws),
        (await stranger.log.heartbeat()).jws,
      ]) {
        expect(await codeOf(() => issuer.log.receiveEvidence(jws))).toBe('event_invalid');
      }
      for (const { jws } of issuer.log.read(0, 9)) await issuer.log.receiveEvidence(jws);
      await issuer.log.receiveEvidence((await issuer.log.heartbeat()).jws);
      expect(issuer.refusingWrites()).toBeNull();
      await issuer.log.receiveEvidence(which === 'event' ? eventAt(topic, head) : beat);
      await expectRefusing(issuer, kept);
    }
  });

  test('by a fork: another event with the seq of one of its own', async () => {
    const { setting, kept, topic, head } = await livedOn();
    putBackupWithMark(setting);
    const issuer = await setting.open();
    // The restored issuer continued: it has another event with the same seq.
    while (issuer.log.snapshot().head <= head)
      await issuer.transaction((tx) => tx.endAllSessions({ sub: 'bob', reason: 'logout_everywhere' }));
    await issuer.log.receiveEvidence(eventAt(topic, head));
    await expectRefusing(issuer, kept);
  });

  test('when the database is missing beside existing keys', async () => {
    const { setting, born, topic, epoch } = await livedOn();
    for (const end of ['', '-wal', '-shm']) rmSync(`${setting.databasePath}${end}`, { force: true });
    const issuer = await setting.open({ publisher: topic.publisher() });
    await expectRefusing(issuer, born);
    // Its epoch must be lower than the former one, so that readers do not follow it.
    expect(issuer.log.snapshot().epoch < epoch).toBe(true);
    await issuer.close();
    const report = await restore(setting, { publisher: topic.publisher() });
    expect(report.complete).toBe(false);
    expect(await verdictOf(await setting.open(), born)).not.toBe('ok');
  });

  test('by the end of the topic when database and mark are missing, whichever epoch is higher', async () => {
    const { setting, topic } = await livedOn();
    for (const end of ['', '-wal', '-shm']) rmSync(`${setting.databasePath}${end}`, { force: true });
    rmSync(markOf(setting));
    const before = topic.records.length;
    const issuer = await setting.open({ publisher: topic.publisher() });
    await waitFor('the end of the topic is read', () => issuer.refusingWrites() !== null, 20_000);
    await issuer.close();
    expect(topic.records.length).toBe(before);
    expect(await restore(setting, { publisher: topic.publisher() })).toMatchObject({ complete: false });
    expect((await setting.open()).refusingWrites()).toBeNull();
  });

  test('but not after a crash between commit and mark', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open();
    const mark = markOf(setting);
    const before = readFileSync(mark);
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    await issuer.close();
    writeFileSync(mark, before);
    const again = await setting.open();
    expect(again.refusingWrites()).toBeNull();
    await again.close();
  });

  test('when the mark is missing or invalid', async () => {
    for (const [damage, message] of [
      [(mark: string) => writeFileSync(mark, '{'), /cannot be read/],
      [(mark: string) => rmSync(mark), /missing/],
    ] as const) {
      const setting = createIssuerSetting();
      const issuer = await setting.open();
      await login(issuer);
      await issuer.close();
      damage(markOf(setting));
      expect((await setting.open()).refusingWrites()).toMatch(message);
    }
  });

  test('but not after a first start that was interrupted before its mark', async () => {
    const setting = createIssuerSetting();
    await (await setting.open()).close();
    rmSync(markOf(setting));
    expect((await setting.open()).refusingWrites()).toBeNull();
  });
});
