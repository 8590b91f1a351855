import type { EpochMillis } from '@rescind/revocation';
import type { Database } from 'better-sqlite3';
import type { StoredCutoff } from './staging.ts';
import { COLUMNS } from './staging.ts';
import type { StoredText } from './text.ts';

/** A row of one issuer, in the order of the file. */
type SweepPosition = [claim: number, value: StoredText];

/**
 * Finds what has expired by going through the table, a stretch at a time. An index by expiry would find it at once, and would
 * be half as large as the table itself and a second tree for each new row to go into.
 */
export interface Sweep {
  /** Removes at most `most` rows, having looked at some `stretch`, and goes on from there the next time. */
  remove(iss: number, before: EpochMillis, most: number, range: number): StoredCutoff[];
  restart(): void;
}

const FIRST: SweepPosition = [-1, ''];

const positionOf = (row: StoredCutoff | undefined): SweepPosition | undefined => row && [row[1], row[2]];

export function createSweep(database: Database): Sweep {
  const end = database
    .prepare<[number, ...SweepPosition, number], SweepPosition>(
      `SELECT claim, value FROM cutoff WHERE iss = ? AND (claim, value) > (?, ?)
        ORDER BY claim, value LIMIT 1 OFFSET ?`,
    )
    .raw();
  const expired = (limit: string) =>
    `SELECT ${COLUMNS} FROM cutoff WHERE iss = ? AND (claim, value) > (?, ?) ${limit} AND expires_at < ?
      ORDER BY claim, value LIMIT ?`;
  const within = database
    .prepare<[number, ...SweepPosition, ...SweepPosition, number, number], StoredCutoff>(
      expired('AND (claim, value) <= (?, ?)'),
    )
    .raw();
  const toTheEnd = database.prepare<[number, ...SweepPosition, number, number], StoredCutoff>(expired('')).raw();
  const erase = database.prepare<[number, ...SweepPosition]>(
    'DELETE FROM cutoff WHERE iss = ? AND claim = ? AND value = ?',
  );
  /** Where the next stretch of an issuer begins: after this row. */
  const positions = new Map<number, SweepPosition>();

  return {
    restart: () => positions.clear(),
    remove(iss, before, most, range) {
      if (most <= 0) return [];
      const start = positions.get(iss) ?? FIRST;
      const last = end.get(iss, ...start, range - 1);
      const found =
        last === undefined
          ? toTheEnd.all(iss, ...start, before, most)
          : within.all(iss, ...start, ...last, before, most);
      for (const [, claim, value] of found) erase.run(iss, claim, value);
      const next = found.length === most ? positionOf(found.at(-1)) : last;
      if (next === undefined) positions.delete(iss);
      else positions.set(iss, next);
      return found;
    },
  };
}
