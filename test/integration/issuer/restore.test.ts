import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Issuer, IssuerOptions, TokenAnswer } from '@rescind/issuer';
import { restoreIssuer } from '@rescind/issuer';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import type { House } from './house.ts';
import { asked, codeOf, eventsOf, house, ISSUER, login, payloadOf, refresh, Topic } from './house.ts';

function takeBackup(place: House, issuer: Issuer): void {
  const path = join(place.directory, 'backup.db');
  rmSync(path, { force: true });
  issuer.database.prepare('VACUUM INTO ?').run(path);
}

function putBackup(place: House): void {
  for (const end of ['', '-wal', '-shm']) rmSync(`${place.databasePath}${end}`, { force: true });
  copyFileSync(join(place.directory, 'backup.db'), place.databasePath);
}

const restore = (place: House, more: Partial<Parameters<typeof restoreIssuer>[0]> = {}) =>
  restoreIssuer({ issuer: ISSUER, databasePath: place.databasePath, keysPath: place.keysPath, ...more });

/** An issuer that lived on after its backup: `lost` logged out in that time. */
async function livedOn(topic = new Topic(), options: Partial<IssuerOptions> = {}) {
  const place = house();
  const issuer = place.open({ publisher: topic.publisher(), ...options });
  const [kept, lost, cutBefore] = [login(issuer), login(issuer), login(issuer)];
  await issuer.endSession({ sid: cutBefore.sid, reason: 'logout' });
  takeBackup(place, issuer);
  await issuer.endSession({ sid: lost.sid, reason: 'device_lost' });
  const born = login(issuer);
  const { epoch, head } = issuer.log.snapshot();
  const beat = issuer.log.heartbeat().jws;
  await waitFor('the topic to have it all', () => issuer.health().some((check) => check.sentSeq === head), 20_000);
  await issuer.close();
  return { place, topic, kept, lost, cutBefore, born, epoch, head, beat };
}

/** The event with this seq, as the topic has it. */
function eventAt(topic: Topic, seq: number): string {
  return String(topic.records.find((jws) => payloadOf(jws).seq === seq));
}

function expectRefusing(issuer: Issuer, answer: TokenAnswer): void {
  expect(issuer.refusingWrites()).toEqual(expect.any(String));
  expect(codeOf(() => login(issuer))).toBe('database_restored');
  expect(codeOf(() => refresh(issuer, answer))).toBe('database_restored');
  expect(asked(issuer, answer)).toBe('ok');
  expect(issuer.jwks().keys).not.toHaveLength(0);
  expect(issuer.eventJwks().keys).not.toHaveLength(0);
  expect(issuer.log.heartbeat().jws).toEqual(expect.any(String));
  expect(issuer.health()).toContainEqual(expect.objectContaining({ name: 'writes', status: 'warn' }));
}

describe('a database that was put back is found out', () => {
  test('by the high-water mark beside the keys; reads, keys and heartbeats go on', async () => {
    const { place, kept, topic } = await livedOn();
    putBackup(place);
    const before = topic.records.length;
    const issuer = place.open({ publisher: topic.publisher() });
    expectRefusing(issuer, kept);
    await expect(issuer.endSession({ sid: kept.sid, reason: 'logout' })).rejects.toMatchObject({ status: 503 });
    await issuer.close();
    expect(topic.records.length).toBe(before);
  });

  test('by the topic’s end, before anything is published, and after the next start too', async () => {
    const { place, kept, topic } = await livedOn();
    putBackup(place);
    rmSync(join(place.keysPath, 'high-water.json'));
    const before = topic.records.length;
    topic.isDown = true;
    const issuer = place.open({ publisher: topic.publisher() });
    expect(issuer.refusingWrites()).toBeNull();
    topic.isDown = false;
    await waitFor('the end of the topic to be seen', () => issuer.refusingWrites() !== null, 20_000);
    expectRefusing(issuer, kept);
    await issuer.close();
    expect(topic.records.length).toBe(before);
    rmSync(join(place.keysPath, 'high-water.json'));
    expectRefusing(place.open(), kept);
  });

  test('by a reader’s proof, an event or a heartbeat, and by nothing that the log did not sign', async () => {
    for (const which of ['event', 'heartbeat'] as const) {
      const { place, kept, topic, beat, head } = await livedOn();
      putBackup(place);
      rmSync(join(place.keysPath, 'high-water.json'));
      const issuer = place.open();
      const stranger = house().open();
      await stranger.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' });
      for (const jws of ['', 'a.b.c', ...stranger.log.read(0, 9).map((row) => row.jws), stranger.log.heartbeat().jws]) {
        expect(codeOf(() => issuer.log.prove(jws))).toBe('event_invalid');
      }
      for (const { jws } of issuer.log.read(0, 9)) issuer.log.prove(jws);
      issuer.log.prove(issuer.log.heartbeat().jws);
      expect(issuer.refusingWrites()).toBeNull();
      issuer.log.prove(which === 'event' ? eventAt(topic, head) : beat);
      expectRefusing(issuer, kept);
    }
  });

  test('by another event in the place of one of its own: a fork', async () => {
    const { place, kept, topic, head } = await livedOn();
    putBackup(place);
    rmSync(join(place.keysPath, 'high-water.json'));
    const issuer = place.open();
    // It went on by itself: the same seq, another event.
    while (issuer.log.snapshot().head <= head) await issuer.endAllSessions({ sub: 'bob', reason: 'logout_everywhere' });
    issuer.log.prove(eventAt(topic, head));
    expectRefusing(issuer, kept);
  });

  test('a database that is gone, beside keys that are not', async () => {
    const { place, born, topic, epoch } = await livedOn();
    for (const end of ['', '-wal', '-shm']) rmSync(`${place.databasePath}${end}`, { force: true });
    const issuer = place.open({ publisher: topic.publisher() });
    expectRefusing(issuer, born);
    // Whatever it says must not pass for a newer log.
    expect(issuer.log.snapshot().epoch < epoch).toBe(true);
    await issuer.close();
    const report = await restore(place, { publisher: topic.publisher() });
    expect(report.whole).toBe(false);
    expect(asked(place.open(), born)).not.toBe('ok');
  });

  test('a database and a mark that are gone: the topic’s end tells, whichever of the two epochs sorts higher', async () => {
    const { place, topic } = await livedOn();
    for (const end of ['', '-wal', '-shm']) rmSync(`${place.databasePath}${end}`, { force: true });
    rmSync(join(place.keysPath, 'high-water.json'));
    const before = topic.records.length;
    const issuer = place.open({ publisher: topic.publisher() });
    await waitFor('the end of the topic to be seen', () => issuer.refusingWrites() !== null, 20_000);
    await issuer.close();
    expect(topic.records.length).toBe(before);
    expect(await restore(place, { publisher: topic.publisher() })).toMatchObject({ whole: false });
    expect(place.open().refusingWrites()).toBeNull();
  });

  test('a crash between commit and mark is no restore', async () => {
    const place = house();
    const issuer = place.open();
    const mark = join(place.keysPath, 'high-water.json');
    const before = readFileSync(mark);
    await issuer.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' });
    await issuer.close();
    writeFileSync(mark, before);
    const again = place.open();
    expect(again.refusingWrites()).toBeNull();
    await again.close();
    writeFileSync(mark, '{');
    expect(place.open().refusingWrites()).toMatch(/cannot be read/);
  });
});

describe('restore', () => {
  test('imports what the topic remembers, opens a new epoch, and every older token dies', async () => {
    const { place, topic, kept, lost, cutBefore, born, epoch, head } = await livedOn();
    putBackup(place);
    const report = await restore(place, { publisher: topic.publisher() });
    expect(report).toMatchObject({
      formerEpoch: epoch,
      whole: true,
      importedEvents: 1,
      greatestSeqSeen: head,
      endedSessions: 1,
    });
    expect(report.epoch).toMatch(/^0000000002-/);
    expect(report.epoch > epoch).toBe(true);

    const issuer = place.open({ publisher: topic.publisher() });
    expect(issuer.refusingWrites()).toBeNull();
    for (const answer of [kept, lost, cutBefore, born]) expect(asked(issuer, answer)).toBe('token_key_unknown');
    expect(issuer.jwks().keys.map(({ kid }) => kid)).toEqual([report.signingKid]);
    // Logged in before the backup, and not logged out since: goes on.
    expect(asked(issuer, refresh(issuer, kept))).toBe('ok');
    for (const answer of [lost, cutBefore, born]) expect(codeOf(() => refresh(issuer, answer))).toBe('grant_invalid');

    const events = eventsOf(issuer);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
    expect(events[0]).toMatchObject({ epoch: report.epoch, prev: null });
    const denied = events.flatMap(({ cutoffs }) => cutoffs.map(({ claim, value }) => `${claim} ${value}`));
    expect(denied).toEqual([
      `sid ${cutBefore.sid}`,
      `sid ${lost.sid}`,
      ...report.revokedKids.map((kid) => `kid ${kid}`),
    ]);
    expect(report.revokedKids).toHaveLength(1);
    await waitFor(
      'the new epoch to be published',
      () => issuer.health().some(({ sentSeq }) => sentSeq === events.length),
      20_000,
    );
  });

  test('what cannot be imported whole: everybody logs in again', async () => {
    const { place, topic, kept, head } = await livedOn();
    putBackup(place);
    topic.records = topic.records.filter((jws) => payloadOf(jws).seq !== head);
    const report = await restore(place, { publisher: topic.publisher() });
    expect(report).toMatchObject({ whole: false, importedEvents: 0, greatestSeqSeen: head, endedSessions: 2 });
    const issuer = place.open();
    expect(codeOf(() => refresh(issuer, kept))).toBe('grant_invalid');
    expect(asked(issuer, login(issuer))).toBe('ok');
  });

  test('with a Kafka that does not answer it says so, and ends all sessions', async () => {
    const { place, topic, kept } = await livedOn();
    putBackup(place);
    topic.isDown = true;
    const report = await restore(place, { publisher: topic.publisher() });
    expect(report).toMatchObject({ whole: false, replayError: 'nobody answers' });
    expect(codeOf(() => refresh(place.open(), kept))).toBe('grant_invalid');
  });

  test('proofs of readers are imported like the topic', async () => {
    const { place, topic, kept, lost } = await livedOn();
    putBackup(place);
    const report = await restore(place, { proofs: topic.records });
    expect(report).toMatchObject({ whole: true, importedEvents: 1 });
    const issuer = place.open();
    expect(asked(issuer, refresh(issuer, kept))).toBe('ok');
    expect(codeOf(() => refresh(issuer, lost))).toBe('grant_invalid');
  });

  test('other issuers of this log are cut off by iss', async () => {
    const { place, topic } = await livedOn();
    putBackup(place);
    const issuer = 'https://other.example';
    await restore(place, { publisher: topic.publisher(), otherIssuers: [{ issuer, longestTokenTtlMs: 3_600_000 }] });
    const cutoffs = eventsOf(place.open(), [issuer]).flatMap((event) => event.cutoffs);
    expect(cutoffs).toMatchObject([{ iss: issuer, claim: 'iss', value: issuer }]);
    expect(cutoffs[0]?.expiresAt).toBeGreaterThan(Date.now() + 3_500_000);
  });

  test('twice, and on a restored restore: each epoch is above all before, and the clock goes on', async () => {
    const { place, topic, kept, lost } = await livedOn();
    putBackup(place);
    const first = await restore(place, { publisher: topic.publisher() });
    const between = place.open({ publisher: topic.publisher() });
    const token = login(between);
    const { head } = between.log.snapshot();
    await waitFor(
      'the new epoch to be published',
      () => between.health().some(({ sentSeq }) => sentSeq === head),
      20_000,
    );
    await between.close();
    // The old backup once more: it knows nothing of the first restore.
    putBackup(place);
    const refusing = place.open();
    expect(refusing.refusingWrites()).toContain(first.epoch);
    // The keys' directory does: what was signed since goes on, what was revoked stays so.
    expect(asked(refusing, token)).toBe('ok');
    expect(asked(refusing, kept)).toBe('token_key_unknown');
    await refusing.close();

    const second = await restore(place, { publisher: topic.publisher() });
    expect(second).toMatchObject({ whole: false, endedSessions: expect.any(Number) });
    expect(second.epoch).toMatch(/^0000000003-/);
    expect(second.revokedKids).toContain(first.signingKid);
    const issuer = place.open();
    expect([token, kept].map((answer) => asked(issuer, answer))).toEqual(Array(2).fill('token_key_unknown'));
    const denied = eventsOf(issuer).flatMap(({ cutoffs }) => cutoffs.map(({ claim, value }) => `${claim} ${value}`));
    for (const kid of [...first.revokedKids, ...second.revokedKids]) expect(denied).toContain(`kid ${kid}`);
    expect(denied).toContain(`sid ${lost.sid}`);
  }, 60_000);

  test('a restore does not start while an issuer runs', async () => {
    const place = house();
    place.open();
    await expect(restore(place)).rejects.toMatchObject({ code: 'database_locked' });
  });

  test('on a database that is whole it keeps the sessions', async () => {
    const place = house();
    const issuer = place.open();
    const answer = login(issuer);
    await issuer.close();
    expect(await restore(place)).toMatchObject({ whole: true, endedSessions: 0 });
    const again = place.open();
    expect(asked(again, answer)).toBe('token_key_unknown');
    expect(asked(again, refresh(again, answer))).toBe('ok');
  });
});
