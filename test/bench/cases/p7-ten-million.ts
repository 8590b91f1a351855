import { join } from 'node:path';
import type { Guard } from '@rescind/guard';
import type { Case } from '../case.ts';
import { openLiveGuard } from '../material/guard.ts';
import { fillFile, sizesOf } from '../material/rows.ts';
import { newTokens } from '../material/tokens.ts';
import { race, ratio, spreads } from '../race.ts';
import { asked, requireAccepted } from './p1-seen.ts';

const TOKENS = 1_000;

/** P1 with more and more entries. */
export const p7: Case = {
  id: 'P7',
  what: 'decision on a token seen before, with 10 M entries against 1 k',
  async prepare(setting) {
    for (const size of sizesOf(setting)) {
      setting.say(`${size} rows …`);
      fillFile(join(setting.directory, `${size}.db`), size);
    }
  },
  async run(setting) {
    const tokens = newTokens(TOKENS);
    const guards: Guard[] = [];
    for (const size of sizesOf(setting)) guards.push(await openLiveGuard(join(setting.directory, `${size}.db`)));
    const names = sizesOf(setting).map((size) => `${size} entries`);
    for (const guard of guards) requireAccepted(guard, tokens);
    const contestants = guards.map((guard, at) =>
      asked(String(names[at]), tokens, (token) => guard.decide(token).accepted),
    );
    const measured = race(contestants, { rounds: setting.quick ? 7 : 21, burstMs: 40 });
    for (const guard of guards) await guard.close();
    const [least = '', ...larger] = names;
    return {
      bars: larger
        .reverse()
        .map((name) => ({ what: `${name}, × ${least}`, figure: ratio(measured, name, least), atMost: 1.5 })),
      measured: spreads(measured, 'µs', 1e-3),
      settings: { tokens: TOKENS, algorithm: 'RS256' },
    };
  },
};
