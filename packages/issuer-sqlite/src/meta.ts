import type { LogIdentity, Meta } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';

export function createMeta(database: Database.Database): Meta {
  const read = <T>(column: string) => database.prepare<[], T>(`SELECT ${column} FROM rescind_meta`).pluck();
  const write = (assignments: string) => database.prepare(`UPDATE rescind_meta SET ${assignments}`);

  const clockFloor = read<number>('clock_floor');
  // Most of the time there is nothing to write: many mintings share a millisecond, and a second.
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
  const raiseGreatestExp = write('greatest_exp = @exp WHERE greatest_exp < @exp');
  const sentSeq = database.prepare<[string], number>('SELECT sent_seq FROM rescind_meta WHERE sent_epoch = ?').pluck();
  const setSentSeq = write('sent_epoch = ?, sent_seq = ?');

  return {
    clockFloor: {
      get: () => clockFloor.get() ?? 0,
      set(floor) {
        setClockFloor.run({ floor });
      },
    },
    issuer: () => issuer.get() ?? null,
    setIssuer(name) {
      setIssuer.run(name);
    },
    identity: () => identity.get(),
    openEpoch(epoch) {
      openEpoch.run(epoch);
    },
    moveHead(head, last) {
      moveHead.run(head, last);
    },
    moveFloor(floor) {
      moveFloor.run(floor);
    },
    timeSince: () => timeSince.get() ?? null,
    setTimeSince(epoch) {
      setTimeSince.run(epoch);
    },
    setClock(floor) {
      setClock.run(floor);
    },
    greatestExp: () => greatestExp.get() ?? 0,
    raiseGreatestExp(exp) {
      raiseGreatestExp.run({ exp });
    },
    sentSeq: (epoch) => sentSeq.get(epoch) ?? 0,
    setSentSeq(epoch, seq) {
      setSentSeq.run(epoch, seq);
    },
  };
}
