import { statSync } from 'node:fs';
import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import type { Case, Setting } from '../case.ts';
import { BATCH, ISSUER, logout, newId, stateAt, untilInMemory } from '../material/rows.ts';
import { spreadOf } from '../race.ts';

/** The number of the promise, also in a quick run: SQLite's own 12 MB are divided by it. */
const ENTRIES = 1_000_000;
const pathOf = ({ directory }: Setting) => join(directory, 'denylist.db');

/** Sessions with random ids, in the order in which they ended. */
export const p6: Case = {
  id: 'P6',
  what: 'memory and disk per live entry',
  async prepare(setting) {
    const denylist = openDenylist({ path: pathOf(setting) });
    setting.say(`${ENTRIES} sessions with random ids …`);
    for (let from = 0; from < ENTRIES; from += BATCH) {
      const cutoffs = Array.from({ length: BATCH }, (_, index) => logout(newId(), from + index + 1));
      denylist.commit({ state: stateAt(from + BATCH), cutoffs });
    }
    denylist.close();
  },
  async run(setting) {
    const disk = statSync(pathOf(setting)).size / ENTRIES;
    warmUp(join(setting.directory, 'warm-up.db'));
    const before = await resident();
    await using denylist = openDenylist({ path: pathOf(setting) });
    await untilInMemory(() => denylist.health()[0]?.lookups);
    for (let time = 0; time < 10_000; time++) denylist.row(ISSUER, 'sid', newId());
    const memory = ((await resident()) - before) / ENTRIES;
    return {
      bars: [
        { what: 'bytes of memory an entry', figure: memory, atMost: 48 },
        { what: 'bytes on disk an entry', figure: disk, atMost: 64 },
      ],
      measured: [spreadOf('memory', [memory], 'B'), spreadOf('disk', [disk], 'B')],
      settings: {
        entries: ENTRIES,
        ids: '128 bits, random, base64url',
        memory: 'growth of the resident set, SQLite and all',
      },
    };
  },
};

/** Loads the code of SQLite and of the denylist into memory before the measurement. */
function warmUp(path: string): void {
  const denylist = openDenylist({ path });
  denylist.commit({ state: stateAt(1), cutoffs: [logout(newId(), 1)] });
  denylist.row(ISSUER, 'sid', newId());
  denylist.close();
}

/** Resident memory after garbage collection. */
async function resident(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('wants node --expose-gc');
  // The allocator returns pages to the system some time after the garbage collection.
  for (let time = 0; time < 5; time++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return process.memoryUsage.rss();
}
