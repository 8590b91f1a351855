import { join } from 'node:path';
import type { Denylist } from '@rescind/denylist';
import { judge } from '@rescind/revocation';
import type { Case } from '../case.ts';
import { openFilled, temporaryDirectory } from '../material/rows.ts';
import { newClaims } from '../material/tokens.ts';
import type { Contestant } from '../race.ts';
import { keep, race, ratio, spreads } from '../race.ts';

const TOKENS = 16_384;

/** What is asked of the denylist for a token: how it grows with the number of entries. */
export const p7Judge: Case = {
  id: 'P7-judge',
  what: 'judging a token that nothing denies (four look-ups) with 10 M entries, against 1 k',
  async run({ quick, say }) {
    using directory = temporaryDirectory();
    const sizes = quick ? [1_000, 100_000, 1_000_000] : [1_000, 1_000_000, 10_000_000];
    const denylists: Denylist[] = [];
    for (const size of sizes) {
      say(`${size} rows …`);
      denylists.push(await openFilled(join(directory.path, `${size}.db`), size));
    }
    const payloads = Array.from({ length: TOKENS }, newClaims);
    const contestants: Contestant[] = denylists.map((denylist, at) => ({
      name: `${sizes[at]} entries`,
      run(times) {
        for (let time = 0; time < times; time++) {
          keep(judge({ kid: 'a-key', payload: payloads[time % TOKENS] as Record<string, unknown> }, denylist).denied);
        }
      },
    }));
    const measured = race(contestants, { rounds: quick ? 7 : 21, burstMs: 30 });
    for (const denylist of denylists) denylist.close();
    const [least = '', ...larger] = contestants.map(({ name }) => name);
    return {
      bars: larger
        .reverse()
        .map((name) => ({ what: `${name}, against ${least}`, figure: ratio(measured, name, least), atMost: 1.5 })),
      measured: spreads(measured),
      settings: { tokens: TOKENS, claims: 'jti, sid, sub, client_id', hits: 'none' },
    };
  },
};
