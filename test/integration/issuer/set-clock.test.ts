import type { Issuer, RestoreOptions } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import type { ManualClock } from '@rescind/revocation';
import { createManualClock } from '@rescind/revocation';
import { NEVER } from '@rescind/revocation/cut-off';
import { describe, expect, test } from 'vitest';
import { livedOn, putBackup, restore } from './backup.ts';
import type { House } from './house.ts';
import { asked, codeOf, eventsOf, fileOf, house, ISSUER, login, payloadOf, refresh, sqlOf, Topic } from './house.ts';

const START = Date.parse('2026-06-01T12:00:00Z');
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const OTHER = 'https://other.example';

const setClock = (place: House, clock: ManualClock, more: Partial<RestoreOptions> = {}) =>
  restore(place, { clock, setClock: true, ...more });

/** Runs an issuer with its wall clock ahead, and calls `act` meanwhile. The returned clock has been corrected. */
async function ranAhead<T>(aheadMs: number, act: (issuer: Issuer) => T | Promise<T>) {
  const place = house();
  const before = await place.open({ clock: createManualClock(START) });
  const early = await login(before);
  await before.close();
  const ahead = await place.open({ clock: createManualClock(START + aheadMs) });
  const did = await act(ahead);
  await ahead.close();
  return { place, early, did, clock: createManualClock(START + 5_000) };
}

describe.each([
  ['an hour', HOUR_MS],
  ['a day', DAY_MS],
])('after the wall clock was ahead by %s, setClock', (_, aheadMs) => {
  test('makes logins and refreshes work at once, and keeps sessions', async () => {
    const { place, early, did, clock } = await ranAhead(aheadMs, (issuer) => login(issuer));
    const stuck = await place.open({ clock });
    expect(await codeOf(() => login(stuck))).toBe('clock_parted');
    expect(await codeOf(() => refresh(stuck, early))).toBe('clock_parted');
    expect(stuck.health()).toContainEqual(expect.objectContaining({ name: 'clock', status: 'fail' }));
    await stuck.close();

    const report = await setClock(place, clock);
    expect(report).toMatchObject({ complete: true, endedSessions: 0 });
    expect(report.setBackMs).toBeGreaterThan(aheadMs - 10_000);
    const issuer = await place.open({ clock });
    expect(issuer.health()).toContainEqual(expect.objectContaining({ name: 'clock', status: 'pass', leadMs: 1 }));
    for (const answer of [early, did]) expect(await asked(issuer, answer)).toBe('token_key_unknown');
    for (const session of [early, did]) expect(await asked(issuer, await refresh(issuer, session))).toBe('ok');
    expect(await asked(issuer, await login(issuer))).toBe('ok');
    expect(payloadOf((await login(issuer)).access_token).iat_ms).toBeLessThan(START + 10_000);
  });

  test('leaves no stored time later than the clock, and moves deadlines by as much', async () => {
    const { place, did, clock } = await ranAhead(aheadMs, async (issuer) => {
      const session = await login(issuer);
      await issuer.transaction((tx) => tx.revoke({ claim: 'tenant', value: 't1', reason: 'closed' }));
      return session;
    });
    const { setBackMs } = await setClock(place, clock);
    const lowered = await place.open({ clock });
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
    const { place, did, clock } = await ranAhead(aheadMs, async (issuer) => {
      const [early, late] = [await login(issuer), await login(issuer)];
      await refresh(issuer, early);
      await refresh(issuer, late);
      return { early, late };
    });
    await setClock(place, clock);
    const issuer = await place.open({ clock });
    expect(await codeOf(() => refresh(issuer, did.early))).toBe('grant_reused');
    clock.advance(aheadMs - 5_000);
    expect(await codeOf(() => refresh(issuer, did.late))).toBe('grant_reused');
  });
});

describe('setClock', () => {
  test('opens an epoch whose first event denies every older key and cuts off every other issuer', async () => {
    const { place, clock } = await ranAhead(HOUR_MS, async (issuer) => {
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
    const report = await setClock(place, clock, {
      otherIssuers: [{ issuer: named, longestTokenTtlMs: HOUR_MS }],
    });
    const issuer = await place.open({ clock });
    const [first] = eventsOf(issuer, [ISSUER, OTHER, named]);
    expect(first).toMatchObject({ epoch: report.epoch, seq: 1, reason: 'issuer_clock_set' });
    expect(first?.cutOffs).toMatchObject([
      { iss: ISSUER, claim: 'kid', expiresAt: NEVER },
      { iss: named, claim: 'iss', value: named, issuedUntil: START + 5_000, expiresAt: START + 5_000 + HOUR_MS },
      { iss: OTHER, claim: 'iss', value: OTHER, issuedUntil: START + 5_000, expiresAt: NEVER },
    ]);
  });

  test('repeats every cut-off but those by a later time', async () => {
    const { place, did, clock } = await ranAhead(HOUR_MS, async (issuer) => {
      const ended = await login(issuer);
      await issuer.transaction((tx) => tx.endSession({ sid: ended.sid, reason: 'logout' }));
      await issuer.transaction((tx) => tx.revoke({ claim: 'tenant', value: 't1', reason: 'closed' }));
      const expiresAt = START + 2 * HOUR_MS;
      await issuer.transaction((tx) =>
        tx.revoke({ claim: 'tenant', value: 't2', issuer: OTHER, expiresAt, reason: 'closed' }),
      );
      return ended;
    });
    await setClock(place, clock);
    const issuer = await place.open({ clock });
    const said = eventsOf(issuer, [ISSUER, OTHER]).flatMap(({ cutOffs }) =>
      cutOffs.map(({ claim, value, issuedUntil }) => [claim, value, issuedUntil] as const),
    );
    expect(said.map(([claim, value]) => `${claim} ${value}`).slice(2)).toEqual([`sid ${did.sid}`, 'tenant t2']);
    expect(said.at(-1)?.[2]).toBe(START + 5_000);
    expect(await codeOf(() => refresh(issuer, did))).toBe('grant_invalid');
  });

  test('ends the sessions that a soft cut-off beyond would deny, and no other', async () => {
    const { place, did, clock } = await ranAhead(HOUR_MS, async (issuer) => {
      const [raised, other] = [await login(issuer), await login(issuer)];
      await issuer.transaction((tx) =>
        tx.reauthenticate({ sub: 'ada', sid: raised.sid, credentialVersion: 1, amr: ['pwd'] }),
      );
      return { raised, other };
    });
    expect(await setClock(place, clock)).toMatchObject({ endedSessions: 1 });
    const issuer = await place.open({ clock });
    expect(await issuer.sessions.find(did.raised.sid)).toMatchObject({ endReason: 'issuer_clock_set' });
    expect(await asked(issuer, await refresh(issuer, did.other))).toBe('ok');
  });

  test('is named in each heartbeat, and remains in force after a restore from an older backup', async () => {
    const { place, topic } = await livedOn(new Topic(), { clock: createManualClock(START + HOUR_MS) });
    const clock = createManualClock(START);
    const { epoch } = await setClock(place, clock, { publisher: topic.publisher() });
    const between = await place.open({ clock, publisher: topic.publisher() });
    const told = (await between.log.heartbeat()).jws;
    expect(payloadOf(told)).toMatchObject({ epoch, time_since: epoch, iat_ms: START + 1, wall_ms: START });
    topic.records.push(told);
    await between.close();
    putBackup(place);
    const report = await restore(place, { clock, publisher: topic.publisher() });
    const issuer = await place.open({ clock });
    const { iat_ms: at, time_since: since } = payloadOf((await issuer.log.heartbeat()).jws);
    expect(report.epoch > epoch).toBe(true);
    // The backup has times that are ahead: they are lowered, too.
    expect(since).toBe(report.epoch);
    expect(at).toBeLessThan(START + 10_000);
  });

  test('lowers the times of the host in the same transaction, or changes nothing', async () => {
    const { place, clock } = await ranAhead(HOUR_MS, async (issuer) => {
      await login(issuer);
      fileOf(issuer).exec(`CREATE TABLE notes (at INTEGER); INSERT INTO notes (at) VALUES (${START + HOUR_MS})`);
    });
    const failing = setClock(place, clock, {
      lowerTimes() {
        throw new Error('no');
      },
    });
    await expect(failing).rejects.toThrow('no');
    const unchanged = await place.open({ clock });
    expect(await codeOf(() => login(unchanged))).toBe('clock_parted');
    await unchanged.close();
    const store = sqliteStore({ path: place.databasePath });
    await setClock(place, clock, {
      store,
      lowerTimes: (at) => void store.sql.prepare('UPDATE notes SET at = MIN(at, ?)').run(at),
    });
    expect(
      sqlOf(await place.open({ clock }))
        .prepare('SELECT at FROM notes')
        .pluck()
        .get(),
    ).toBe(START + 5_000);
  });

  test('does not start while an issuer runs, and repeats the denials of revoked event keys', async () => {
    const { place, clock } = await ranAhead(HOUR_MS, async (issuer) => {
      const kid = String(issuer.eventJwks().epoch_kid);
      await issuer.transaction((tx) => tx.revoke({ claim: 'kid', value: kid, reason: 'key_compromised' }));
      return kid;
    });
    const running = await place.open({ clock });
    await expect(setClock(place, clock)).rejects.toMatchObject({ code: 'database_locked' });
    await running.close();
    await setClock(place, clock);
    const events = eventsOf(await place.open({ clock }));
    expect(events.flatMap(({ kills }) => kills)).toHaveLength(1);
  });
});
