import { describe, expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { livedOn, putBackup, putBackupWithMark, restore } from './backup.ts';
import { codeOf, createIssuerSetting, eventsOf, login, payloadOf, refresh, verdictOf } from './issuer-setting.ts';

describe('restore', () => {
  test('imports the events of the topic, opens a new epoch, and denies every older token', async () => {
    const { setting, topic, kept, lost, cutBefore, born, epoch, head } = await livedOn();
    putBackup(setting);
    const report = await restore(setting, { publisher: topic.publisher() });
    expect(report).toMatchObject({
      formerEpoch: epoch,
      complete: true,
      importedEvents: 1,
      greatestSeqSeen: head,
      endedSessions: 1,
    });
    expect(report.epoch).toMatch(/^0000000002-/);
    expect(report.epoch > epoch).toBe(true);

    const issuer = await setting.open({ publisher: topic.publisher() });
    expect(issuer.refusingWrites()).toBeNull();
    for (const answer of [kept, lost, cutBefore, born])
      expect(await verdictOf(issuer, answer)).toBe('token_key_unknown');
    expect(issuer.jwks().keys.map(({ kid }) => kid)).toEqual([report.signingKid]);
    // The session began before the backup and was not logged out: it continues.
    expect(await verdictOf(issuer, await refresh(issuer, kept))).toBe('ok');
    for (const answer of [lost, cutBefore, born])
      expect(await codeOf(() => refresh(issuer, answer))).toBe('grant_invalid');

    const events = eventsOf(issuer);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events[0]).toMatchObject({ epoch: report.epoch, prev: null });
    const denied = events.flatMap(({ cutOffs }) => cutOffs.map(({ claim, value }) => `${claim} ${value}`));
    expect(denied).toEqual([
      `sid ${cutBefore.sid}`,
      `sid ${lost.sid}`,
      ...report.revokedKids.map((kid) => `kid ${kid}`),
    ]);
    expect(report.revokedKids).toHaveLength(1);
    await waitFor(
      'the new epoch is published',
      () => issuer.health().some(({ sentSeq }) => sentSeq === events.length),
      20_000,
    );
  });

  test('continues the events of users beyond every seq that a reader may know', async () => {
    const { setting, topic, lost } = await livedOn();
    const former = await setting.open();
    for (let more = 0; more < 5; more += 1) await login(former);
    const { head } = await former.userEvents.list({ limit: 1 });
    await former.close();
    putBackup(setting);
    await restore(setting, { publisher: topic.publisher() });
    const issuer = await setting.open({ publisher: topic.publisher() });
    await login(issuer);
    const resumed = await issuer.userEvents.following(head, 10);
    expect(resumed.map(({ type, sid }) => [type, sid === lost.sid])).toEqual([
      ['session_ended', true],
      ['login', false],
    ]);
  });

  test('ends all sessions when the import is incomplete', async () => {
    const { setting, topic, kept, head } = await livedOn();
    putBackup(setting);
    topic.records = topic.records.filter((jws) => payloadOf(jws).seq !== head);
    const report = await restore(setting, { publisher: topic.publisher() });
    expect(report).toMatchObject({ complete: false, importedEvents: 0, greatestSeqSeen: head, endedSessions: 2 });
    const issuer = await setting.open();
    expect(await codeOf(() => refresh(issuer, kept))).toBe('grant_invalid');
    expect(await verdictOf(issuer, await login(issuer))).toBe('ok');
  });

  test('ends all sessions when the high-water mark was restored too', async () => {
    const { setting, topic, kept } = await livedOn();
    putBackupWithMark(setting);
    const report = await restore(setting, { publisher: topic.publisher() });
    expect(report).toMatchObject({ complete: false, importedEvents: 1 });
    expect(await codeOf(async () => refresh(await setting.open(), kept))).toBe('grant_invalid');
  });

  test('reports a Kafka that does not answer, and ends all sessions', async () => {
    const { setting, topic, kept } = await livedOn();
    putBackup(setting);
    topic.isDown = true;
    const report = await restore(setting, { publisher: topic.publisher() });
    expect(report).toMatchObject({ complete: false, replayError: 'nobody answers' });
    expect(await codeOf(async () => refresh(await setting.open(), kept))).toBe('grant_invalid');
  });

  test('imports the restore evidence of readers', async () => {
    const { setting, topic, kept, lost } = await livedOn();
    putBackup(setting);
    const report = await restore(setting, { proofs: topic.records });
    expect(report).toMatchObject({ complete: true, importedEvents: 1 });
    const issuer = await setting.open();
    expect(await verdictOf(issuer, await refresh(issuer, kept))).toBe('ok');
    expect(await codeOf(() => refresh(issuer, lost))).toBe('grant_invalid');
  });

  test('cuts off other issuers of this log by iss', async () => {
    const { setting, topic } = await livedOn();
    putBackup(setting);
    const issuer = 'https://other.example';
    await restore(setting, { publisher: topic.publisher(), otherIssuers: [{ issuer, longestTokenTtlMs: 3_600_000 }] });
    const cutOffs = eventsOf(await setting.open(), [issuer]).flatMap((event) => event.cutOffs);
    expect(cutOffs).toMatchObject([{ iss: issuer, claim: 'iss', value: issuer }]);
    expect(cutOffs[0]?.expiresAt).toBeGreaterThan(Date.now() + 3_500_000);
  });

  test('opens a higher epoch at each restore, also of a restored restore, and keeps the clock', async () => {
    const { setting, topic, kept, lost } = await livedOn();
    putBackup(setting);
    const first = await restore(setting, { publisher: topic.publisher() });
    const between = await setting.open({ publisher: topic.publisher() });
    const token = await login(between);
    const { head } = between.log.snapshot();
    await waitFor('the new epoch is published', () => between.health().some(({ sentSeq }) => sentSeq === head), 20_000);
    await between.close();
    // Restores the same backup again, which is from before the first restore.
    putBackup(setting);
    const refusing = await setting.open();
    expect(refusing.refusingWrites()).toContain(first.epoch);
    // The directory of the keys is newer: tokens that were signed since are accepted, and revoked keys stay revoked.
    expect(await verdictOf(refusing, token)).toBe('ok');
    expect(await verdictOf(refusing, kept)).toBe('token_key_unknown');
    await refusing.close();

    const second = await restore(setting, { publisher: topic.publisher() });
    expect(second).toMatchObject({ complete: false, endedSessions: expect.any(Number) });
    expect(second.epoch).toMatch(/^0000000003-/);
    expect(second.revokedKids).toContain(first.signingKid);
    const issuer = await setting.open();
    expect(await Promise.all([token, kept].map((answer) => verdictOf(issuer, answer)))).toEqual(
      Array(2).fill('token_key_unknown'),
    );
    const denied = eventsOf(issuer).flatMap(({ cutOffs }) => cutOffs.map(({ claim, value }) => `${claim} ${value}`));
    for (const kid of [...first.revokedKids, ...second.revokedKids]) expect(denied).toContain(`kid ${kid}`);
    expect(denied).toContain(`sid ${lost.sid}`);
  }, 60_000);

  test('refuses to start while an issuer runs', async () => {
    const setting = createIssuerSetting();
    await setting.open();
    await expect(restore(setting)).rejects.toMatchObject({ code: 'database_locked' });
  });

  test('keeps the sessions of a complete database', async () => {
    const setting = createIssuerSetting();
    const issuer = await setting.open();
    const answer = await login(issuer);
    await issuer.close();
    expect(await restore(setting)).toMatchObject({ complete: true, endedSessions: 0 });
    const again = await setting.open();
    expect(await verdictOf(again, answer)).toBe('token_key_unknown');
    expect(await verdictOf(again, await refresh(again, answer))).toBe('ok');
  });
});
