import { statSync } from 'node:fs';
import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import type { Case } from '../case.ts';
import { BATCH, logout, newId, stateAt, temporaryDirectory, untilInMemory } from '../material/rows.ts';
import { spreadOf } from '../race.ts';

/** Resident memory with everything in it (SQLite's own cache too), when what is garbage has gone. */
async function resident(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('wants node --expose-gc');
  // The allocator gives pages back a little later than the collector finds them free.
  for (let time = 0; time < 5; time++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return process.memoryUsage.rss();
}

export const p6: Case = {
  id: 'P6',
  what: 'memory and disk per live entry',
  async run({ quick, say }) {
    using directory = temporaryDirectory();
    const entries = quick ? 200_000 : 1_000_000;
    const path = join(directory.path, 'denylist.db');
    const warmUp = openDenylist({ path: join(directory.path, 'warm-up.db') });
    warmUp.commit({ state: stateAt(1), cutoffs: [logout(newId(), 1)] });
    warmUp.close();
    const filling = openDenylist({ path });
    say(`${entries} sessions with random ids …`);
    for (let from = 0; from < entries; from += BATCH) {
      const cutoffs = Array.from({ length: BATCH }, (_, index) => logout(newId(), from + index + 1));
      filling.commit({ state: stateAt(from + BATCH), cutoffs });
    }
    filling.close();
    const disk = statSync(path).size / entries;

    const before = await resident();
    await using denylist = openDenylist({ path });
    await untilInMemory(() => denylist.health()[0]?.lookups);
    for (let time = 0; time < 10_000; time++) denylist.row('https://login.example', 'sid', newId());
    const memory = ((await resident()) - before) / entries;
    return {
      bars: [
        { what: 'bytes of memory an entry', figure: memory, atMost: 64 },
        { what: 'bytes on disk an entry', figure: disk, atMost: 100 },
      ],
      measured: [spreadOf('memory', [memory], 'B'), spreadOf('disk', [disk], 'B')],
      settings: { entries, ids: '128 bits, random, base64url', order: 'random', memory: 'resident set, after opening' },
    };
  },
};
