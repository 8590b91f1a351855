import type { Issuer, RestoreOptions } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import type { ManualClock } from '@rescind/revocation';
import { createManualClock } from '@rescind/revocation';
import { NEVER } from '@rescind/revocation/cut-off';
import { describe, expect, test } from 'vitest';
import { livedOn, putBackup, restore } from './backup.ts';
import type { IssuerSetting } from './issuer-setting.ts';
import {
  codeOf,
  createIssuerSetting,
  eventsOf,
  fileOf,
  ISSUER,
  login,
  payloadOf,
  refresh,
  sqlOf,
  Topic,
  verdictOf,
} from './issuer-setting.ts';

const START = Date.parse('2026-06-01T12:00:00Z');
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const OTHER = 'https://other.example';

const setClock = (setting: IssuerSetting, clock: ManualClock, more: Partial<RestoreOptions> = {}) =>
  restore(setting, { clock, setClock: true, ...more });

/** Runs an issuer with its wall clock ahead, and calls `act` meanwhile. The returned clock has been corrected. */
async function ranAhead<T>(aheadMs: number, act: (issuer: Issuer) => T | Promise<T>) {
  const setting = createIssuerSetting();
  const before = await setting.open({ clock: createManualClock(START) });
  const early = await login(before);
  await before.close();
  const ahead = await setting.open({ clock: createManualClock(START + aheadMs) });
  const did = await act(ahead);
  await ahead.close();
  return { setting, early, did, clock: createManualClock(START + 5_000) };
}

describe.each([
  ['an hour', HOUR_MS],
  ['a day', DAY_MS],
])('after the wall clock was ahead by %s, setClock', (_, aheadMs) => {
  test('makes logins and refreshes work at once, and keeps sessions', async () => {
    const { setting, early, did, clock } = await ranAhead(aheadMs, (issuer) => login(issuer));
    const stuck = await setting.open({ clock });
    expect(await codeOf(() => login(stuck))).toBe('clock_parted');
    expect(await codeOf(() => refresh(stuck, early))).toBe('clock_parted');
    expect(stuck.health()).toContainEqual(expect.objectContaining({ name: 'clock', status: 'fail' }));
    await stuck.close();

    const report = await setClock(setting, clock);
    expect(report).toMatchObject({ complete: true, endedSessions: 0 });
    expect(report.setBackMs).toBeGreaterThan(aheadMs - 10_000);
    const issuer = await setting.open({ clock });
    expect(issuer.health()).toContainEqual(expect.objectContaining({ name: 'clock', status: 'pass', leadMs: 1 }));
    for (const answer of [early, did]) expect(await verdictOf(issuer, answer)).toBe('token_key_unknown');
    for (const session of [early, did]) expect(await verdictOf(issuer, await refresh(issuer, session))).toBe('ok');
    expect(await verdictOf(issuer, await login(issuer))).toBe('ok');
    expect(payloadOf((await login(issuer)).access_token).iat_ms).toBeLessThan(START + 10_000);
  });

  test('leaves no stored time later than the clock, and moves deadlines by as much', async () => {
    const { setting, did, clock } = await ranAhead(aheadMs, async (issuer) => {
      const session = await login(issuer);
      await issuer.transaction((tx) => tx.revoke({ claim: 'tenant', value: 't1', reason: 'closed' }));
      return session;
    });
    const { setBackMs } = await setClock(setting, clock);
    const lowered = await setting.open({ clock });
    const { sessions } = lowered;
    const { createdAt, absoluteExpiresAt, idleExpiresAt } = (await sessions.find(did.sid)) ?? {};
    expect(createdAt).toBeLessThanOrEqual(START + 5_000);
    expect(Number(absoluteExpiresAt) - Number(createdAt)).toBe(30 * DAY_MS);
    expect(Number(idleExpiresAt) - Number(createdAt)).toBe(7 * DAY_MS);
    const times = {
      rescind_sessions: ['created_at', 'auth_time', 'last_used_at', 'ended_at', 'rotated_at', 'renewed_at'],
      rescind_keys: ['created_at', 'activated_at'],
      rescind_revocations: ['issued_until', 'session_until'],
      rescind_meta: ['clock_floor', 'greatest_exp'],
    };
    for (const [table, columns] of Object.entries(times)) {
      for (const column of columns) {
        const latest = sqlOf(lowered)
          .prepare(`SELECT MAX(${column}) FROM ${table} WHERE ${column} < ${NEVER}`)
          .pluck()
          .get();
        expect([table, column, Number(latest) <= START + 6_000]).toEqual([table, column, true]);
      }
    }
    expect(setBackMs).toBeGreaterThan(aheadMs - 10_000);
  });

  test('treats a token that was exchanged while the clock was ahead as reused, at once and later', async () => {
    const { setting, did, clock } = await ranAhead(aheadMs, async (issuer) => {
      const [early, late] = [await login(issuer), await login(issuer)];
      await refresh(issuer, early);
      await refresh(issuer, late);
      return { early, late };
    });
    await setClock(setting, clock);
    const issuer = await setting.open({ clock });
    expect(await codeOf(() => refresh(issuer, did.early))).toBe('grant_reused');
    clock.advance(aheadMs - 5_000);
    expect(await codeOf(() => refresh(issuer, did.late))).toBe('grant_reused');
  });
});

describe('setClock', () => {
  test('opens an epoch whose first event denies every older key and cuts off every other issuer', async () => {
    const { setting, clock } = await ranAhead(HOUR_MS, async (issuer) => {
      const expiresAt = START + 1_000;
      await issuer.transaction((tx) =>
        tx.revoke({ claim: 'sub', value: 'eve', issuer: OTHER, expiresAt, reason: 'fraud' }),
      );
      // Removes all events and rows about the other issuer.
      fileOf(issuer).exec('DELETE FROM rescind_outbox; DELETE FROM rescind_revocations');
      const { epoch } = issuer.log.snapshot();
      return { epoch, kid: String(issuer.jwks().keys[0]?.kid) };
    });
    const named = 'https://named.example';
    const report = await setClock(setting, clock, {
      otherIssuers: [{ issuer: named, longestTokenTtlMs: HOUR_MS }],
    });
    const issuer = await setting.open({ clock });
    const [first] = eventsOf(issuer, [ISSUER, OTHER, named]);
    expect(first).toMatchObject({ epoch: report.epoch, seq: 1, reason: 'issuer_clock_set' });
    expect(first?.cutOffs).toMatchObject([
      { iss: ISSUER, claim: 'kid', expiresAt: NEVER },
      { iss: named, claim: 'iss', value: named, issuedUntil: START + 5_000, expiresAt: START + 5_000 + HOUR_MS },
      { iss: OTHER, claim: 'iss', value: OTHER, issuedUntil: START + 5_000, expiresAt: NEVER },
    ]);
  });

  test('repeats every cut-off but those by a later time', async () => {
    const { setting, did, clock } = await ranAhead(HOUR_MS, async (issuer) => {
      const ended = await login(issuer);
      await issuer.transaction((tx) => tx.endSession({ sid: ended.sid, reason: 'logout' }));
      await issuer.transaction((tx) => tx.revoke({ claim: 'tenant', value: 't1', reason: 'closed' }));
      const expiresAt = START + 2 * HOUR_MS;
      await issuer.transaction((tx) =>
        tx.revoke({ claim: 'tenant', value: 't2', issuer: OTHER, expiresAt, reason: 'closed' }),
      );
      return ended;
    });
    await setClock(setting, clock);
    const issuer = await setting.open({ clock });
    const said = eventsOf(issuer, [ISSUER, OTHER]).flatMap(({ cutOffs }) =>
      cutOffs.map(({ claim, value, issuedUntil }) => [claim, value, issuedUntil] as const),
    );
    expect(said.map(([claim, value]) => `${claim} ${value}`).slice(2)).toEqual([`sid ${did.sid}`, 'tenant t2']);
    expect(said.at(-1)?.[2]).toBe(START + 5_000);
    expect(await codeOf(() => refresh(issuer, did))).toBe('grant_invalid');
  });

  test('ends the sessions that a soft cut-off beyond would deny, and no other', async () => {
    const { setting, did, clock } = await ranAhead(HOUR_MS, async (issuer) => {
      const [raised, other] = [await login(issuer), await login(issuer)];
      await issuer.transaction((tx) =>
        tx.reauthenticate({ sub: 'ada', sid: raised.sid, credentialVersion: 1, amr: ['pwd'] }),
      );
      return { raised, other };
    });
    expect(await setClock(setting, clock)).toMatchObject({ endedSessions: 1 });
    const issuer = await setting.open({ clock });
    expect(await issuer.sessions.find(did.raised.sid)).toMatchObject({ endReason: 'issuer_clock_set' });
    expect(await verdictOf(issuer, await refresh(issuer, did.other))).toBe('ok');
  });

  test('is named in each heartbeat, and remains in force after a restore from an older backup', async () => {
    const { setting, topic } = await livedOn(new Topic(), { clock: createManualClock(START + HOUR_MS) });
    const clock = createManualClock(START);
    const { epoch } = await setClock(setting, clock, { publisher: topic.publisher() });
    const between = await setting.open({ clock, publisher: topic.publisher() });
    const told = (await between.log.heartbeat()).jws;
    expect(payloadOf(told)).toMatchObject({ epoch, time_since: epoch, iat_ms: START + 1, wall_ms: START });
    topic.records.push(told);
    await between.close();
    putBackup(setting);
    const report = await restore(setting, { clock, publisher: topic.publisher() });
    const issuer = await setting.open({ clock });
    const { iat_ms: at, time_since: since } = payloadOf((await issuer.log.heartbeat()).jws);
    expect(report.epoch > epoch).toBe(true);
    // The backup has times that are ahead: they are lowered, too.
    expect(since).toBe(report.epoch);
    expect(at).toBeLessThan(START + 10_000);
  });

  test('lowers the times of the host in the same transaction, or changes nothing', async () => {
    const { setting, clock } = await ranAhead(HOUR_MS, async (issuer) => {
      await login(issuer);
      fileOf(issuer).exec(`CREATE TABLE notes (at INTEGER); INSERT INTO notes (at) VALUES (${START + HOUR_MS})`);
    });
    const failing = setClock(setting, clock, {
      lowerTimes() {
        throw new Error('no');
      },
    });
    await expect(failing).rejects.toThrow('no');
    const unchanged = await setting.open({ clock });
    expect(await codeOf(() => login(unchanged))).toBe('clock_parted');
    await unchanged.close();
    const store = sqliteStore({ path: setting.databasePath });
    await setClock(setting, clock, {
      store,
      lowerTimes: (at) => void store.sql.prepare('UPDATE notes SET at = MIN(at, ?)').run(at),
    });
    expect(
      sqlOf(await setting.open({ clock }))
        .prepare('SELECT at FROM notes')
        .pluck()
        .get(),
    ).toBe(START + 5_000);
  });

  test('does not start while an issuer runs, and repeats the denials of revoked event keys', async () => {
    const { setting, clock } = await ranAhead(HOUR_MS, async (issuer) => {
      const kid = String(issuer.eventJwks().epoch_kid);
      await issuer.transaction((tx) => tx.revoke({ claim: 'kid', value: kid, reason: 'key_compromised' }));
      return kid;
    });
    const running = await setting.open({ clock });
    await expect(setClock(setting, clock)).rejects.toMatchObject({ code: 'database_locked' });
    await running.close();
    await setClock(setting, clock);
    const events = eventsOf(await setting.open({ clock }));
    expect(events.flatMap(({ kills }) => kills)).toHaveLength(1);
  });
});
