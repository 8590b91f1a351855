import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import { judge } from '@rescind/revocation/judge';
import type { Case } from '../case.ts';
import { fillFile, untilInMemory } from '../material/rows.ts';
import { newClaims } from '../material/tokens.ts';
import type { Contestant } from '../race.ts';
import { keep, race, spreads } from '../race.ts';

const TOKENS = 16_384;
const SIZES = [1_000, 100_000, 1_000_000];

/** Measures the cost of the denylist in a decision, and how it grows with the entries. Promises nothing by itself. */
export const judging: Case = {
  id: 'judge',
  what: 'judging a token that nothing denies (four look-ups)',
  async prepare(setting) {
    for (const size of SIZES) fillFile(join(setting.directory, `${size}.db`), size);
  },
  async run(setting) {
    const denylists = SIZES.map((size) => openDenylist({ path: join(setting.directory, `${size}.db`) }));
    for (const denylist of denylists) await untilInMemory(() => denylist.health()[0]?.lookups);
    const payloads = Array.from({ length: TOKENS }, newClaims);
    const contestants: Contestant[] = denylists.map((denylist, at) => ({
      name: `${SIZES[at]} entries`,
      run(times) {
        for (let time = 0; time < times; time++) {
          keep(judge({ kid: 'a-key', payload: payloads[time % TOKENS] as Record<string, unknown> }, denylist).denied);
        }
      },
    }));
    const measured = race(contestants, { rounds: setting.quick ? 7 : 21, burstMs: 30 });
    for (const denylist of denylists) denylist.close();
    return {
      bars: [],
      measured: spreads(measured),
      settings: { tokens: TOKENS, claims: 'jti, sid, sub, client_id', hits: 'none' },
    };
  },
};
