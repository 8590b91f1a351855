import type { LogIdentity, Meta, SessionClaim, StoredTimes } from '@rescind/issuer/store';
import { UNBOUNDED } from '@rescind/revocation/cut-off';
import type Database from 'better-sqlite3';

export function createMeta(database: Database.Database): Meta {
  const read = <T>(column: string) => database.prepare<[], T>(`SELECT ${column} FROM rescind_meta`).pluck();
  const write = (assignments: string) => database.prepare(`UPDATE rescind_meta SET ${assignments}`);

  const clockFloor = read<number>('clock_floor');
  // Usually no row matches, because the stored floor is not lower: the statement then writes nothing.
  const setClockFloor = write('clock_floor = @floor WHERE clock_floor < @floor');
  const issuer = read<string | null>('issuer');
  const setIssuer = write('issuer = ?');
  const identity = database.prepare<[], LogIdentity>(
    'SELECT epoch, head, last, floor FROM rescind_meta WHERE epoch IS NOT NULL',
  );
  const openEpoch = write('epoch = ?, head = 0, last = NULL, floor = 1');
  const moveHead = write('head = ?, last = ?');
  const moveFloor = write('floor = MAX(floor, ?)');
  const timeSince = read<string | null>('time_since');
  const setTimeSince = write('time_since = ?');
  const setClock = write('clock_floor = ?');
  const greatestExp = read<number>('greatest_exp');
  const setSentSeq = write('sent_epoch = ?, sent_seq = ?');

  return {
    clockFloor: async () => clockFloor.get() ?? 0,
    async raiseClockFloor(floor) {
      setClockFloor.run({ floor });
    },
    issuer: async () => issuer.get() ?? null,
    async setIssuer(name) {
      setIssuer.run(name);
    },
    identity: async () => identity.get(),
    async openEpoch(epoch) {
      openEpoch.run(epoch);
    },
    async moveHead(head, last) {
      moveHead.run(head, last);
    },
    async moveFloor(floor) {
      moveFloor.run(floor);
    },
    timeSince: async () => timeSince.get() ?? null,
    async setTimeSince(epoch) {
      setTimeSince.run(epoch);
    },
    async setClock(floor) {
      setClock.run(floor);
    },
    greatestExp: async () => greatestExp.get() ?? 0,
    async setSentSeq(epoch, seq) {
      setSentSeq.run(epoch, seq);
    },
  };
}

/** Times that a clock which was ahead has left in the tables. */
export function createStoredTimes(database: Database.Database): StoredTimes {
  const softBeyond = database.prepare<[string, number], { claim: SessionClaim; value: string }>(
    `SELECT claim, value FROM rescind_revocations
     WHERE iss = ? AND issued_until > ? AND issued_until < ${UNBOUNDED} AND session_until < issued_until
       AND claim IN ('sid', 'sub', 'client_id', 'iss')`,
  );
  const statements = [
    // An unbounded deadline stays.
    `UPDATE rescind_sessions SET
       absolute_expires_at = CASE WHEN absolute_expires_at < ${UNBOUNDED}
         THEN absolute_expires_at - MAX(0, created_at - @at) ELSE absolute_expires_at END,
       idle_expires_at = CASE WHEN idle_expires_at < ${UNBOUNDED}
         THEN idle_expires_at - MAX(0, last_used_at - @at) ELSE idle_expires_at END,
       created_at = MIN(created_at, @at), auth_time = MIN(auth_time, @at), last_used_at = MIN(last_used_at, @at),
       ended_at = MIN(ended_at, @at), greatest_exp = MIN(greatest_exp, @at), newest_exp = MIN(newest_exp, @at),
       sealed = CASE WHEN rotated_at <= @at THEN sealed END,
       rotated_at = CASE WHEN rotated_at <= @at THEN rotated_at END,
       renewed_at = CASE WHEN renewed_at <= @at THEN renewed_at END`,
    `UPDATE rescind_keys SET created_at = MIN(created_at, @at), activated_at = MIN(activated_at, @at),
       retires_at = MIN(retires_at, @eventKeysUntil)`,
    `UPDATE rescind_revocations SET
       issued_until = CASE WHEN issued_until < ${UNBOUNDED} THEN MIN(issued_until, @at) ELSE issued_until END,
       session_until = CASE WHEN session_until < ${UNBOUNDED} THEN MIN(session_until, @at) ELSE session_until END`,
    'UPDATE rescind_user_events SET at = MIN(at, @at), last_at = MIN(last_at, @at) WHERE last_at > @at',
    'UPDATE rescind_meta SET greatest_exp = MIN(greatest_exp, @at)',
  ].map((sql) => database.prepare(sql));

  return {
    softBeyond: async (iss, at) => softBeyond.all(iss, at),
    async lower(at, eventKeysUntil) {
      for (const statement of statements) statement.run({ at, eventKeysUntil });
    },
  };
}
