import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEventDecoder } from '@rescind/feed/event';
import { createPageVerifier } from '@rescind/feed/testing';
import { createManualClock } from '@rescind/revocation';
import { createKeySet } from '@rescind/token';
import { expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import { markOf, marksOf, restore } from './backup.ts';
import {
  createIssuerSetting,
  decoderOf,
  eventsOf,
  fileOf,
  ISSUER,
  login,
  loginAndLogout,
  payloadOf,
  refresh,
  Topic,
  verdictOf,
} from './issuer-setting.ts';
import { DAY, filesOf, keyOf, kidOf, MINUTE, openKeySetting, PUBLISH_BEFORE, rotate } from './key-setting.ts';

test('opens an epoch with another event key, and repeats in it only the rows that still deny', async () => {
  const keySetting = await openKeySetting();
  const { issuer, clock } = keySetting;
  const [over, ended, alive] = [await login(issuer), await login(issuer), await login(issuer)];
  await issuer.transaction((tx) =>
    tx.revoke({ claim: 'jti', value: 'of-old', expiresAt: clock.now() + MINUTE, reason: 'token_revoked' }),
  );
  await issuer.transaction((tx) => tx.endSession({ sid: ended.sid, reason: 'logout' }));
  const before = eventsOf(issuer);
  const decoder = decoderOf(issuer);
  const { epoch } = issuer.log.snapshot();
  const heard: string[] = [];
  issuer.log.onAppend(() => heard.push(issuer.log.snapshot().epoch));

  const { kid } = await rotate(keySetting, 'event');
  const now = issuer.log.snapshot();
  expect(now.epoch > epoch).toBe(true);
  expect(now.epoch).toMatch(/^0000000002-/);
  await waitFor('readers hear the new epoch', () => heard.includes(now.epoch));
  const events = eventsOf(issuer);
  expect(events).toMatchObject([{ seq: 1, prev: null, epoch: now.epoch, txn: before[1]?.txn, reason: 'logout' }]);
  expect(events[0]?.cutOffs).toMatchObject([{ claim: 'sid', value: ended.sid }]);
  expect(events[0]?.id).not.toBe(before[1]?.id);
  expect(issuer.log.read(0, 10).map(({ jws }) => kidOf(jws))).toEqual([kid]);
  expect(kidOf((await issuer.log.heartbeat()).jws)).toBe(kid);
  // This decoder has the former keys only: a reader fetches the next key before it signs.
  expect(decoder.decode((await issuer.log.heartbeat()).jws)).toMatchObject({ kind: 'bad' });
  expect(issuer.eventJwks().keys.map((key) => key.kid)).toEqual([kid, (await keyOf(issuer, 'former', 'event'))?.kid]);
  for (const answer of [over, alive]) expect(await verdictOf(issuer, answer)).toBe('ok');
  expect(await verdictOf(issuer, ended)).toBe('token_revoked');
});

test('signs pages of events, by the event key that signs now', async () => {
  const keySetting = await openKeySetting();
  const { issuer } = keySetting;
  const textsOf = () => issuer.log.read(0, 10).map(({ jws }) => jws);
  const sign = (events: readonly string[]) => issuer.log.signPage?.(events) ?? '';
  const signerOf = (signature: string, events: readonly string[]) =>
    createPageVerifier({ log: ISSUER, keys: createKeySet(issuer.eventJwks()) })({ signature, events });
  for (const value of ['a', 'b'])
    await issuer.transaction((tx) => tx.revoke({ claim: 'kid', value, reason: 'key_compromised' }));
  const [before, signature] = [textsOf(), sign(textsOf())];
  expect(before).toHaveLength(2);
  expect(kidOf(signature)).toBe(kidOf(before[0] ?? ''));
  const signer = signerOf(signature, before);

  const { kid } = await rotate(keySetting, 'event');
  expect(issuer.log.signPage?.(before)).toBeUndefined();
  const next = sign(textsOf());
  expect(kidOf(next)).toBe(kid);
  expect(signerOf(next, textsOf()).equals(signer)).toBe(false);
});

test('publishes the next event key before it signs, and a former one as long as the topic retains its records', async () => {
  const retention = DAY;
  const keySetting = await openKeySetting({ eventRetentionMs: retention });
  const { issuer, clock } = keySetting;
  await issuer.transaction((tx) => tx.revoke({ claim: 'kid', value: 'some-key', reason: 'key_compromised' }));
  const [old = ''] = issuer.log.read(0, 10).map(({ jws }) => jws);
  const next = await issuer.transaction((tx) => tx.keys.rotate({ purpose: 'event' }));
  const early = createEventDecoder({ log: ISSUER, issuers: [ISSUER], keys: createKeySet(issuer.eventJwks()) });
  await rotate(keySetting, 'event');
  expect(early.decode((await issuer.log.heartbeat()).jws)).toMatchObject({ kind: 'heartbeat' });
  expect(decoderOf(issuer).decode(old)).toMatchObject({ kind: 'event' });
  const former = await keyOf(issuer, 'former', 'event');
  expect(former?.retiresAt).toBeGreaterThan(clock.now() + retention);
  clock.advance(Number(former?.retiresAt) - clock.now());
  await waitFor('the former key is forgotten', () => issuer.eventJwks().keys.every(({ kid }) => kid === next.kid));
  expect(decoderOf(issuer).decode(old)).toMatchObject({ kind: 'bad', reason: 'key_unknown' });
});

test('signs an epoch of many events in parts before it opens, and includes revocations of that time', async () => {
  const keySetting = await openKeySetting();
  const { issuer } = keySetting;
  const revoke = (from: number, count: number) =>
    issuer.transaction(async (tx) => {
      for (let no = from; no < from + count; no += 1) {
        await tx.revoke({ claim: 'kid', value: `key ${no}`, reason: 'key_compromised' });
      }
    });
  await revoke(0, 450);
  const { kid } = await issuer.transaction((tx) => tx.keys.rotate({ purpose: 'event' }));
  keySetting.clock.advance(PUBLISH_BEFORE + 1_000);
  await keySetting.schedulerRan();
  // Some events of the next epoch are signed already, and the former key continues to sign.
  expect((await keyOf(issuer, 'next', 'event'))?.kid).toBe(kid);
  await revoke(450, 50);
  await waitFor('the next key signs', async () => (await keyOf(issuer, 'active', 'event'))?.kid === kid);
  const events = eventsOf(issuer);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  expect(events.map(({ prev }) => prev)).toEqual([null, ...events.slice(0, -1).map(({ id }) => id)]);
  expect(events.flatMap(({ cutOffs }) => cutOffs.map(({ value }) => value))).toEqual(
    Array.from({ length: 500 }, (_, no) => `key ${no}`),
  );
  expect(new Set(issuer.log.read(0, 1_000).map(({ jws }) => kidOf(jws)))).toEqual(new Set([kid]));
  expect(issuer.log.snapshot()).toMatchObject({ head: 500, lowWatermark: 1, headId: events.at(-1)?.id });
});

test('never accepts a token whose row an epoch omits: the clock continues from there, whatever the wall clock is after a restart', async () => {
  const keySetting = await openKeySetting();
  const wall = keySetting.clock.now();
  await keySetting.issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
  await rotate(keySetting, 'event');
  expect(keySetting.issuer.log.snapshot().head).toBe(0);
  const turnedAt = keySetting.clock.now();
  await keySetting.issuer.close();
  const { issuer } = await openKeySetting({ clock: createManualClock(wall) }, keySetting.setting);
  expect(payloadOf((await issuer.log.heartbeat()).jws).iat_ms).toBeGreaterThanOrEqual(turnedAt);
});

test('keeps an empty epoch as the latest state of the log after a restart', async () => {
  const keySetting = await openKeySetting();
  await rotate(keySetting, 'event');
  const snapshot = keySetting.issuer.log.snapshot();
  expect(snapshot).toMatchObject({ head: 0, headId: null, lowWatermark: 1 });
  await keySetting.issuer.close();
  const { issuer } = await openKeySetting({ clock: keySetting.clock }, keySetting.setting);
  expect(issuer.refusingWrites()).toBeNull();
  expect(issuer.log.snapshot()).toEqual(snapshot);
});

test('detects no restored database after a crash between the new epoch and the high-water mark', async () => {
  const keySetting = await openKeySetting();
  const { setting } = keySetting;
  await keySetting.issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
  const before = marksOf(setting).at(-1);
  await rotate(keySetting, 'event');
  const { epoch } = keySetting.issuer.log.snapshot();
  await keySetting.issuer.close();
  // The high-water mark as a crash after the commit leaves it.
  writeFileSync(markOf(setting), JSON.stringify({ ...before, next: epoch }));
  const after = await openKeySetting({ clock: keySetting.clock }, setting);
  expect(after.issuer.refusingWrites()).toBeNull();
  await after.issuer.close();
  writeFileSync(markOf(setting), JSON.stringify({ ...before, next: '0000000002-another' }));
  expect((await openKeySetting({ clock: keySetting.clock }, setting)).issuer.refusingWrites()).toContain(
    'another epoch',
  );
});

test('removes a compromised event key at once, and denies it in the next epoch', async () => {
  const { issuer, setting } = await openKeySetting();
  const ended = await login(issuer);
  await issuer.transaction((tx) => tx.endSession({ sid: ended.sid, reason: 'logout' }));
  const [{ kid: stolen } = { kid: '' }] = issuer.eventJwks().keys;
  const { signingKid, epoch, seq } = await issuer.transaction((tx) =>
    tx.keys.revoke({ kid: stolen, reason: 'key_compromised' }),
  );
  expect(issuer.eventJwks().keys.map(({ kid }) => kid)).toEqual([signingKid]);
  expect(filesOf(setting, stolen)).toEqual([]);
  const events = eventsOf(issuer);
  // The epoch begins with the revocation of the key that signed the one before.
  expect(events.map(({ cutOffs, kills }) => [...kills, ...cutOffs.map(({ claim }) => claim)])).toEqual([
    [stolen],
    ['sid'],
    ['kid'],
  ]);
  expect(events.at(-1)).toMatchObject({ epoch, seq, reason: 'key_compromised' });
  expect(await verdictOf(issuer, await login(issuer))).toBe('ok');
});

test('detects a database from before a rotation by its keys, and restore merges the logs of both epochs', async () => {
  const topic = new Topic();
  const keySetting = await openKeySetting({ publisher: topic.publisher() });
  const { issuer, setting, clock } = keySetting;
  const [stays, goes] = [await login(issuer), await login(issuer)];
  await loginAndLogout(issuer);
  const backup = join(setting.directory, 'backup.db');
  fileOf(issuer).prepare('VACUUM INTO ?').run(backup);
  await rotate(keySetting);
  await rotate(keySetting, 'event');
  await issuer.transaction((tx) => tx.endSession({ sid: goes.sid, reason: 'logout' }));
  const { epoch, head } = issuer.log.snapshot();
  await waitFor('the topic to have it all', () => {
    clock.advance(1);
    return topic.records.some((jws) => payloadOf(jws).epoch === epoch && payloadOf(jws).seq === head);
  });
  await issuer.close();

  for (const end of ['', '-wal', '-shm']) rmSync(`${setting.databasePath}${end}`, { force: true });
  copyFileSync(backup, setting.databasePath);
  // Without the high-water mark, the keys reveal it.
  rmSync(markOf(setting));
  const refusing = (await openKeySetting({ clock }, setting)).issuer;
  expect(refusing.refusingWrites()).not.toBeNull();
  expect((await refusing.log.heartbeat()).jws).toEqual(expect.any(String));
  expect(refusing.eventJwks().keys).toHaveLength(2);
  await refusing.close();

  const report = await restore(setting, { publisher: topic.publisher(), clock, eventRetentionMs: DAY });
  expect(report).toMatchObject({ complete: false, greatestSeqSeen: head });
  expect(report.epoch).toMatch(/^0000000003-/);
  const after = (await openKeySetting({ clock }, setting)).issuer;
  expect(after.refusingWrites()).toBeNull();
  const denied = eventsOf(after).flatMap(({ cutOffs }) => cutOffs.map(({ value }) => value));
  expect(denied).toContain(goes.sid);
  // Both former event keys stay published, for the records that the topic retains.
  expect(after.eventJwks().keys).toHaveLength(3);
  for (const jws of topic.records) expect(decoderOf(after).decode(jws).kind).not.toBe('bad');
  expect(report.revokedKids).toHaveLength(2);
  await expect(refresh(after, stays)).rejects.toMatchObject({ code: 'grant_invalid' });
  expect(await verdictOf(after, await login(after))).toBe('ok');
});

test.each(['token', 'event'] as const)(
  'detects a database from before a rotation of the %s key by the key files alone, long afterwards too',
  async (purpose) => {
    const keySetting = await openKeySetting({ eventRetentionMs: MINUTE });
    const { issuer, setting, clock } = keySetting;
    const backup = join(setting.directory, 'backup.db');
    fileOf(issuer).prepare('VACUUM INTO ?').run(backup);
    const before = readFileSync(markOf(setting));
    await rotate(keySetting, purpose);
    clock.advance(DAY);
    await waitFor('the former key is forgotten', async () => (await keyOf(issuer, 'former', purpose)) === undefined);
    await issuer.close();
    for (const end of ['', '-wal', '-shm']) rmSync(`${setting.databasePath}${end}`, { force: true });
    copyFileSync(backup, setting.databasePath);
    writeFileSync(markOf(setting), before);
    const refusing = (await openKeySetting({ clock }, setting)).issuer;
    expect(refusing.refusingWrites()).toContain(`the ${purpose} key`);
    await refusing.close();
    await restore(setting, { clock });
    const after = (await openKeySetting({ clock }, setting)).issuer;
    expect(await verdictOf(after, await login(after))).toBe('ok');
  },
);

test('restores with new keys after the key directory was lost, and users log in again', async () => {
  const { issuer, setting } = await openKeySetting();
  const before = await login(issuer);
  await loginAndLogout(issuer);
  await issuer.close();
  rmSync(setting.keysPath, { recursive: true });
  const refusing = (await openKeySetting({}, setting)).issuer;
  expect(refusing.refusingWrites()).not.toBeNull();
  await refusing.close();
  expect(await restore(setting)).toMatchObject({ complete: false, endedSessions: 1 });
  const after = (await openKeySetting({}, setting)).issuer;
  expect(after.refusingWrites()).toBeNull();
  await expect(refresh(after, before)).rejects.toMatchObject({ code: 'grant_invalid' });
  expect(await verdictOf(after, await login(after))).toBe('ok');
  expect(eventsOf(after).map(({ cutOffs }) => cutOffs[0]?.claim)).toEqual(['sid', 'kid']);
});

test('completes a rotation that was interrupted at any file at the next start', async () => {
  const keySetting = await openKeySetting();
  const { setting } = keySetting;
  await rotate(keySetting);
  const before = await login(keySetting.issuer);
  const former = String((await keyOf(keySetting.issuer, 'former'))?.kid);
  const spare = createIssuerSetting();
  await (await spare.open()).close();
  const [orphan = ''] = filesOf(spare, 'token-');
  const next = await keySetting.issuer.transaction((tx) => tx.keys.rotate({ purpose: 'token' }));
  await keySetting.issuer.close();
  // A key without a row, a next key without its file, and a private half that should have been removed.
  copyFileSync(join(spare.keysPath, orphan), join(setting.keysPath, orphan));
  rmSync(join(setting.keysPath, `token-${next.kid}.pem`));
  const [spareEvent = ''] = filesOf(spare, 'event-');
  copyFileSync(join(spare.keysPath, spareEvent), join(setting.keysPath, spareEvent));

  const { issuer, clock, schedulerRan } = await openKeySetting({ clock: keySetting.clock }, setting);
  expect(issuer.refusingWrites()).toBeNull();
  expect(filesOf(setting).filter((name) => name === orphan || name === spareEvent)).toEqual([]);
  expect(filesOf(setting, former)).toEqual([`token-${former}.public.pem`]);
  expect(await verdictOf(issuer, before)).toBe('ok');
  await schedulerRan();
  clock.advance(PUBLISH_BEFORE);
  const another = await waitFor('another next key is published', async () => {
    const key = await keyOf(issuer, 'next');
    return key !== undefined && key.kid !== next.kid && key;
  });
  await schedulerRan();
  clock.advance(PUBLISH_BEFORE);
  await waitFor('the other next key signs', async () => (await keyOf(issuer, 'active'))?.kid === another.kid);
  expect(await verdictOf(issuer, await login(issuer))).toBe('ok');
});
