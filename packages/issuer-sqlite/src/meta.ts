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
