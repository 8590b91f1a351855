import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import type { Case, Setting } from '../case.ts';
import { CLAIMS, makePlainTables, openPlainTables } from '../material/plain-tables.ts';
import { fillFile, ISSUER, newId, untilInMemory } from '../material/rows.ts';
import type { Contestant } from '../race.ts';
import { keep, race, spreads } from '../race.ts';

const TOKENS = 16_384;

const entriesOf = ({ quick }: Setting) => (quick ? 100_000 : 1_000_000);
const OURS = 'denylist.db';
const OURS_AGAIN = 'file.db';
const PLAIN = 'plain.db';

/** Measures the look-ups of a token that no row denies: four misses. Promises nothing by itself. */
export const lookup: Case = {
  id: 'lookup',
  what: 'all four checks of a token (jti, sid, sub, client_id), all misses',
  async prepare(setting) {
    const { directory } = setting;
    for (const name of [OURS, OURS_AGAIN]) fillFile(join(directory, name), entriesOf(setting));
    makePlainTables(join(directory, PLAIN), entriesOf(setting));
  },
  async run(setting) {
    const { quick, directory } = setting;
    await using denylist = openDenylist({ path: join(directory, OURS) });
    await using file = openDenylist({ path: join(directory, OURS_AGAIN), maxMemoryEntries: 0 });
    using plain = openPlainTables(join(directory, PLAIN));
    await untilInMemory(() => denylist.health()[0]?.lookups);
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
        asked('four Sets of strings', setsOf(entriesOf(setting))),
      ],
      { rounds: quick ? 5 : 15, burstMs: 30 },
    );
    const settings = { entries: entriesOf(setting), tokens: TOKENS };
    return { bars: [], measured: spreads(measured, 'µs', 1e-3), settings };
  },
};

function setsOf(entries: number) {
  const sets = CLAIMS.map(() => new Set<string>());
  for (let entry = 0; entry < entries; entry++) sets[entry % 100 < 3 ? entry % 3 : 1]?.add(newId());
  return (values: readonly string[]) => sets.some((set, at) => set.has(String(values[at])));
}
