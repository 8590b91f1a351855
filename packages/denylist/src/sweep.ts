import type { EpochMillis } from '@rescind/revocation';
import type { Database } from 'better-sqlite3';
import type { StoredCutoff } from './staging.ts';
import { COLUMNS } from './staging.ts';
import type { StoredText } from './text.ts';

/** A row of one issuer, in the order of the file. */
type Spot = [claim: number, value: StoredText];

/**
 * Finds what has expired by going through the table, a stretch at a time. An index by expiry would find it at once, and would
 * be half as large as the table itself and a second tree for each new row to go into.
 */
export interface Sweep {
  /** Removes at most `most` rows, having looked at some `stretch`, and goes on from there the next time. */
  remove(iss: number, before: EpochMillis, most: number, stretch: number): StoredCutoff[];
  startAnew(): void;
}

const FIRST: Spot = [-1, ''];

const spotOf = (row: StoredCutoff | undefined): Spot | undefined => row && [row[1], row[2]];

export function createSweep(database: Database): Sweep {
  const end = database
    .prepare<[number, ...Spot, number], Spot>(
      `SELECT claim, value FROM cutoff WHERE iss = ? AND (claim, value) > (?, ?)
        ORDER BY claim, value LIMIT 1 OFFSET ?`,
    )
    .raw();
  const expired = (upTo: string) =>
    `SELECT ${COLUMNS} FROM cutoff WHERE iss = ? AND (claim, value) > (?, ?) ${upTo} AND expires_at < ?
      ORDER BY claim, value LIMIT ?`;
  const within = database
    .prepare<[number, ...Spot, ...Spot, number, number], StoredCutoff>(expired('AND (claim, value) <= (?, ?)'))
    .raw();
  const toTheEnd = database.prepare<[number, ...Spot, number, number], StoredCutoff>(expired('')).raw();
  const erase = database.prepare<[number, ...Spot]>('DELETE FROM cutoff WHERE iss = ? AND claim = ? AND value = ?');
  /** Where the next stretch of an issuer begins: after this row. */
  const spots = new Map<number, Spot>();

  return {
    startAnew: () => spots.clear(),
    remove(iss, before, most, stretch) {
      if (most <= 0) return [];
      const start = spots.get(iss) ?? FIRST;
      const last = end.get(iss, ...start, stretch - 1);
      const found =
        last === undefined
          ? toTheEnd.all(iss, ...start, before, most)
          : within.all(iss, ...start, ...last, before, most);
      for (const [, claim, value] of found) erase.run(iss, claim, value);
      const next = found.length === most ? spotOf(found.at(-1)) : last;
      if (next === undefined) spots.delete(iss);
      else spots.set(iss, next);
      return found;
    },
  };
}
