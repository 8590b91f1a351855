import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import Database from 'better-sqlite3';
import type { Case } from '../case.ts';
import { fill, ISSUER, newId, temporaryDirectory, untilInMemory } from '../material/rows.ts';
import type { Contestant } from '../race.ts';
import { keep, race, spreads } from '../race.ts';

const CLAIMS = ['jti', 'sid', 'sub', 'client_id'];
const TOKENS = 16_384;

/** What one token costs that nothing denies: four look-ups, all misses. */
export const lookup: Case = {
  id: 'lookup',
  what: 'all four checks of a token (jti, sid, sub, client_id), all misses',
  async run({ quick, say }) {
    using directory = temporaryDirectory();
    const entries = quick ? 100_000 : 1_000_000;
    say(`${entries} rows …`);
    const path = join(directory.path, 'denylist.db');
    await using denylist = openDenylist({ path });
    fill(denylist, entries);
    await untilInMemory(() => denylist.health()[0]?.lookups);
    await using file = openDenylist({ path: join(directory.path, 'file.db'), maxMemoryEntries: 0 });
    fill(file, entries);
    using plain = plainTable(join(directory.path, 'plain.db'), entries);
    const tokens = Array.from({ length: TOKENS }, () => CLAIMS.map(() => newId()));

    const asked = (name: string, ask: (values: readonly string[]) => unknown): Contestant => ({
      name,
      run(times) {
        for (let time = 0; time < times; time++) keep(ask(tokens[time % TOKENS] as readonly string[]));
      },
    });
    const measured = race(
      [
        asked('denylist', (values) => CLAIMS.some((claim, at) => denylist.row(ISSUER, claim, String(values[at])))),
        asked('denylist above its ceiling', (values) =>
          CLAIMS.some((claim, at) => file.row(ISSUER, claim, String(values[at]))),
        ),
        asked('four SQLite statements', plain.four),
        asked('one SQLite UNION ALL', plain.union),
        asked('four Sets of strings', setsOf(entries)),
      ],
      { rounds: quick ? 5 : 15, burstMs: 30 },
    );
    return { bars: [], measured: spreads(measured, 'µs', 1e-3), settings: { entries, tokens: TOKENS } };
  },
};

/** Keys as text in one table each, as one would write it. */
function plainTable(path: string, entries: number) {
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  for (const claim of CLAIMS) database.exec(`CREATE TABLE ${claim} (value TEXT PRIMARY KEY) WITHOUT ROWID`);
  const insert = new Map(CLAIMS.map((claim) => [claim, database.prepare(`INSERT INTO ${claim} VALUES (?)`)]));
  database.transaction(() => {
    const values = Array.from({ length: entries }, newId).sort();
    for (const [at, value] of values.entries()) insert.get(at % 100 < 3 ? String(CLAIMS[at % 3]) : 'sid')?.run(value);
  })();
  const selects = CLAIMS.map((claim) => database.prepare(`SELECT 1 FROM ${claim} WHERE value = ?`));
  const union = database.prepare(
    `${CLAIMS.map((claim) => `SELECT 1 FROM ${claim} WHERE value = ?`).join(' UNION ALL ')} LIMIT 1`,
  );
  return {
    four: (values: readonly string[]) => selects.some((select, at) => select.get(values[at]) !== undefined),
    union: (values: readonly string[]) => union.get(...values),
    [Symbol.dispose]: () => void database.close(),
  };
}

function setsOf(entries: number) {
  const sets = CLAIMS.map(() => new Set<string>());
  for (let entry = 0; entry < entries; entry++) sets[entry % 100 < 3 ? entry % 3 : 1]?.add(newId());
  return (values: readonly string[]) => sets.some((set, at) => set.has(String(values[at])));
}
