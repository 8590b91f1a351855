import type { Issuer } from '@rescind/issuer';
import { createManualClock } from '@rescind/revocation';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../../support/wait.ts';
import {
  createIssuerSetting,
  decoderOf,
  eventsOf,
  fileOf,
  login,
  payloadOf,
  refresh,
  sqlOf,
  verdictOf,
} from './issuer-setting.ts';

const START = 1_800_000_000_123;
const SECOND = 1_000;

async function beatOf(issuer: Issuer) {
  const record = decoderOf(issuer).decode((await issuer.log.heartbeat()).jws);
  if (record.kind !== 'heartbeat') throw new Error(`the heartbeat is ${record.kind}`);
  return record;
}

describe('the outbox', () => {
  test('begins with head 0, no last id and low watermark 1', async () => {
    const issuer = await createIssuerSetting().open();
    expect(issuer.log.snapshot()).toMatchObject({ head: 0, headId: null, lowWatermark: 1 });
    expect(issuer.log.snapshot().epoch).toMatch(/^0000000001-/);
    expect(await beatOf(issuer)).toMatchObject({ head: 0, headId: null, lowWatermark: 1 });
  });

  test('has no gap in seq after a rolled back transaction', async () => {
    const issuer = await createIssuerSetting().open();
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    for (let turn = 0; turn < 3; turn += 1) {
      const failing = issuer.transaction(async (tx) => {
        await tx.revoke({ claim: 'sub', value: 'ada', reason: 'logout_everywhere' });
        throw new Error('the host changed its mind');
      });
      await expect(failing).rejects.toThrow('changed its mind');
    }
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    const events = eventsOf(issuer);
    expect(events.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(events[1]?.prev).toBe(events[0]?.id);
  });

  test('commits and rolls back together with the tables of the host', async () => {
    const issuer = await createIssuerSetting().open();
    fileOf(issuer).exec('CREATE TABLE users (name TEXT)');
    const insert = sqlOf(issuer).prepare('INSERT INTO users VALUES (?)');
    await issuer.transaction(async (tx) => {
      insert.run('kept');
      await tx.revoke({ claim: 'sub', value: 'ada', reason: 'deleted' });
    });
    const failing = issuer.transaction(async (tx) => {
      insert.run('lost');
      await tx.revoke({ claim: 'sub', value: 'ada', reason: 'not a word' });
    });
    await expect(failing).rejects.toThrow(TypeError);
    expect(sqlOf(issuer).prepare('SELECT name FROM users').pluck().all()).toEqual(['kept']);
    expect(issuer.log.snapshot().head).toBe(1);
  });

  test('has one T per transaction: an earlier session ends, a later one lives', async () => {
    const clock = createManualClock(START);
    const issuer = await createIssuerSetting().open({ clock });
    const before = await login(issuer);
    const after = await issuer.transaction(async (tx) => {
      await tx.revoke({ claim: 'sub', value: 'ada', reason: 'logout_everywhere' });
      await tx.revoke({ claim: 'client_id', value: 'web', reason: 'client_revoked', endsSession: false });
      return tx.beginSession({ sub: 'ada', clientId: 'web', audience: 'prices', credentialVersion: 1 });
    });
    const [first, second] = eventsOf(issuer).map(({ cutOffs }) => cutOffs[0]?.issuedUntil);
    expect(first).toBe(START);
    expect(second).toBe(first);
    await expect(issuer.verify(before.access_token)).rejects.toThrow();
    expect((await issuer.verify(after.access_token)).payload.iat_ms).toBe(START + 1);
    expect((await refresh(issuer, after)).sid).toBe(after.sid);
  });

  test('notifies listeners of a commit, and not of a rollback', async () => {
    const issuer = await createIssuerSetting().open();
    let heard = 0;
    const stop = issuer.log.onAppend(() => {
      heard += 1;
      expect(issuer.log.snapshot().head).toBe(1);
    });
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    const failing = issuer.transaction(async (tx) => {
      await tx.revoke({ claim: 'sub', value: 'ada', reason: 'logout_everywhere' });
      throw new Error('no');
    });
    await failing.catch(() => undefined);
    await login(issuer);
    expect(heard).toBe(1);
    stop();
  });

  test('is unchanged while a transaction is open', async () => {
    const issuer = await createIssuerSetting().open();
    await issuer.transaction(async (tx) => {
      await tx.revoke({ claim: 'sub', value: 'ada', reason: 'roles_changed' });
      expect(issuer.log.snapshot().head).toBe(0);
      expect((await issuer.log.heartbeat()).head).toBe(0);
      expect(issuer.log.read(0, 9)).toEqual([]);
    });
    expect(issuer.log.snapshot().head).toBe(1);
  });

  test('begins no transaction inside another', async () => {
    const issuer = await createIssuerSetting().open();
    const ada = await login(issuer);
    await issuer.transaction(async () => {
      await expect(login(issuer)).rejects.toThrow(/a transaction is open/);
      await expect(refresh(issuer, ada)).rejects.toThrow(/a transaction is open/);
      await expect(issuer.transaction(() => 1)).rejects.toThrow(/a transaction is open/);
    });
    expect(await verdictOf(issuer, await refresh(issuer, ada))).toBe('ok');
  });

  test('returns the position of a revocation after the commit', async () => {
    const issuer = await createIssuerSetting().open();
    const revoked = await issuer.transaction(async (tx) => {
      const planned = await tx.revoke({ claim: 'sub', value: 'ada', reason: 'roles_changed' });
      expect(planned.txn).toMatch(/./);
      expect(() => planned.seq).toThrow(/after the commit/);
      expect(() => planned.epoch).toThrow(/after the commit/);
      return planned;
    });
    expect(revoked).toMatchObject({ seq: 1, epoch: issuer.log.snapshot().epoch, endedSessions: 0 });
  });

  test('rolls back after a second work that awaits anything but its transaction, and runs the next', async () => {
    const issuer = await createIssuerSetting().open();
    const ada = await login(issuer);
    const released = Promise.withResolvers<void>();
    let late: unknown;
    const waiting = issuer.transaction(async (tx) => {
      await tx.endSession({ sid: ada.sid, reason: 'logout' });
      await released.promise;
      late = await tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }).catch((error: unknown) => error);
    });
    await expect(waiting).rejects.toThrow(/waited for 1000 ms/);
    const bob = issuer.transaction(async (tx) => tx.revoke({ claim: 'sub', value: 'bob', reason: 'roles_changed' }));
    expect((await bob).seq).toBe(1);
    released.resolve();
    await waitFor('the late call is refused', async () => late !== undefined);
    expect(String(late)).toContain('the transaction is over');
    expect(await verdictOf(issuer, ada)).toBe('ok');
  });

  test('has no secret in an event', async () => {
    const issuer = await createIssuerSetting().open();
    const answer = await login(issuer);
    const next = await refresh(issuer, answer);
    await issuer.transaction((tx) => tx.revokeToken({ token: next.access_token, clientId: 'web' }));
    await issuer.transaction((tx) => tx.endSession({ sid: answer.sid, reason: 'logout' }));
    const text = issuer.log
      .read(0, 10)
      .map(({ jws }) => JSON.stringify(payloadOf(jws)))
      .join();
    for (const secret of [answer, next].flatMap((one) => [one.access_token, one.refresh_token])) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(secret.split('.').at(-1));
    }
  });
});

describe('the issuer’s clock', () => {
  test('never goes back for tokens, cut-offs and heartbeats when the wall clock is set back, also after a restart', async () => {
    const setting = createIssuerSetting();
    const clock = createManualClock(START);
    const issuer = await setting.open({ clock });
    const before = await login(issuer);
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    await issuer.close();
    const again = await setting.open({ clock: createManualClock(START - 500) });
    const after = await login(again);
    await expect(again.verify(before.access_token)).rejects.toThrow();
    expect((await again.verify(after.access_token)).payload.iat_ms).toBe(START + 1);
    expect((await beatOf(again)).at).toBeGreaterThan(START);
  });

  test('publishes durable times only while it leads, and no earlier one after a restart', async () => {
    const setting = createIssuerSetting();
    const ahead = await setting.open({ clock: createManualClock(START + 60_000) });
    await login(ahead);
    await ahead.close();
    const clock = createManualClock(START);
    const issuer = await setting.open({ clock });
    const floor = () => Number(fileOf(issuer).prepare('SELECT clock_floor FROM rescind_meta').pluck().get());
    let told = 0;
    for (let seconds = 0; seconds < 3; seconds += 1) {
      clock.advance(SECOND);
      const { at, wall } = await beatOf(issuer);
      expect(at).toBeGreaterThan(told);
      expect(at).toBeGreaterThan(wall);
      expect(floor()).toBeGreaterThanOrEqual(at);
      told = at;
    }
    await issuer.close();
    expect((await beatOf(await setting.open({ clock }))).at).toBeGreaterThanOrEqual(told);
  });

  test('publishes no heartbeat while it leads and its time cannot be made durable', async () => {
    const setting = createIssuerSetting();
    const ahead = await setting.open({ clock: createManualClock(START + 60_000) });
    await login(ahead);
    await ahead.close();
    const clock = createManualClock(START);
    const issuer = await setting.open({ clock });
    fileOf(issuer).exec(`CREATE TRIGGER full BEFORE UPDATE OF clock_floor ON rescind_meta
      BEGIN SELECT RAISE(ABORT, 'no room'); END`);
    clock.advance(SECOND);
    await expect(issuer.log.heartbeat()).rejects.toThrow('no room');
  });

  test('does not delay a cut-off when the wall clock is far behind', async () => {
    const clock = createManualClock(START);
    const issuer = await createIssuerSetting().open({ clock });
    await login(issuer);
    clock.setWall(START - 30 * SECOND);
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    expect(issuer.log.snapshot().head).toBe(1);
    expect(issuer.health()).toContainEqual(expect.objectContaining({ name: 'clock', status: 'warn' }));
  });

  test('delays a burst of cut-offs, and answers clock_ahead with the time to retry when it is too long', async () => {
    const clock = createManualClock(START);
    const issuer = await createIssuerSetting().open({ clock });
    const cutOff = () =>
      issuer.transaction((tx) => tx.revoke({ claim: 'sub', value: 'ada', reason: 'logout_everywhere' }));
    for (let count = 0; count <= 1_000; count += 1) await cutOff();
    const ahead = { code: 'clock_ahead', status: 503, retryAfter: 5 };
    await expect(cutOff()).rejects.toMatchObject(ahead);
    const waiting = cutOff();
    clock.advance(20);
    expect(await waiting).toMatchObject({ seq: 1_002 });
  });

  test('mints nothing when it is set forward by hours, accepts logouts, and is reported in health', async () => {
    const clock = createManualClock(START);
    const issuer = await createIssuerSetting().open({ clock });
    const answer = await login(issuer);
    clock.setWall(START + 7_200 * SECOND);
    await expect(login(issuer)).rejects.toThrow(expect.objectContaining({ code: 'clock_parted' }));
    await issuer.transaction((tx) => tx.endSession({ sid: answer.sid, reason: 'logout' }));
    expect(issuer.health()).toContainEqual(expect.objectContaining({ name: 'clock', status: 'warn' }));
    clock.setWall(START);
    expect((await login(issuer)).token_type).toBe('Bearer');
  });
});

describe('pruning', () => {
  const rows = (issuer: Issuer, table: string) =>
    Number(sqlOf(issuer).prepare(`SELECT COUNT(*) FROM ${table}`).pluck().get());

  test('removes rows at E + 60 s in order, keeps head and last id, and raises the low watermark', async () => {
    const clock = createManualClock(START);
    const issuer = await createIssuerSetting().open({
      clock,
      accessTokenTtlMs: 10 * SECOND,
      eventRetentionMs: 86_400 * SECOND,
      refreshRecoveryMs: 0,
    });
    const answer = await login(issuer);
    await refresh(issuer, answer);
    await issuer.transaction((tx) => tx.endSession({ sid: answer.sid, reason: 'logout' }));
    clock.advance(10 * SECOND + 59 * SECOND);
    const sealed = sqlOf(issuer).prepare('SELECT COUNT(sealed) FROM rescind_sessions').pluck();
    await waitFor('the log is pruned', () => sealed.get() === 0);
    expect(issuer.log.snapshot()).toMatchObject({ head: 1, lowWatermark: 1 });
    expect(rows(issuer, 'rescind_outbox')).toBe(1);
    clock.advance(2 * SECOND);
    const { headId } = issuer.log.snapshot();
    await waitFor('the row is removed', () => rows(issuer, 'rescind_outbox') === 0);
    expect(issuer.log.snapshot()).toMatchObject({ head: 1, headId, lowWatermark: 2 });
    expect(headId).not.toBeNull();
    clock.advance(60 * SECOND);
    await waitFor('the tables are swept', () => rows(issuer, 'rescind_revocations') === 0);
    expect(rows(issuer, 'rescind_sessions')).toBe(0);
    expect(rows(issuer, 'rescind_spent')).toBe(0);
    await login(issuer);
    expect(
      await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' })),
    ).toMatchObject({ seq: 2 });
    expect(eventsOf(issuer)).toMatchObject([{ seq: 2, prev: headId }]);
  });

  test('repeats a row without expiry at half the retention, and lets the low watermark rise', async () => {
    const clock = createManualClock(START);
    const issuer = await createIssuerSetting().open({
      clock,
      accessTokenTtlMs: SECOND,
      eventRetentionMs: 3_600 * SECOND,
    });
    const kid = String(issuer.jwks().keys[0]?.kid);
    await issuer.transaction((tx) => tx.revoke({ claim: 'kid', value: kid, reason: 'key_compromised' }));
    await login(issuer);
    await issuer.transaction((tx) => tx.endAllSessions({ sub: 'ada', reason: 'logout_everywhere' }));
    const [first] = eventsOf(issuer);
    clock.advance(1_801 * SECOND);
    await waitFor('the revocation of the key is appended again', () => issuer.log.snapshot().lowWatermark === 3);
    const events = eventsOf(issuer);
    expect(events).toMatchObject([{ seq: 3, txn: first?.txn, reason: 'key_compromised' }]);
    expect(events[0]?.id).not.toBe(first?.id);
    expect(events[0]?.at).toBeGreaterThan(first?.at ?? 0);
    expect(events[0]?.cutOffs).toMatchObject([{ claim: 'kid', value: kid }]);
    expect(events[0]?.cutOffs).toEqual(first?.cutOffs);
  });
});
