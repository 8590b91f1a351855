import type { Case } from '../case.ts';
import { openLiveGuard } from '../material/guard.ts';
import { fillFile } from '../material/rows.ts';
import { newTokens } from '../material/tokens.ts';
import { keep, ratio, spreads } from '../race.ts';
import { entriesOf, pathOf, requireAccepted, verifyByJsonwebtoken } from './p1-seen.ts';

const TOKENS_A_ROUND = 1_000;
/** The number of turns of each contestant: enough that other load of the machine affects both alike. */
const PIECES = 20;

/** Each contestant verifies every token once. */
export const p2: Case = {
  id: 'P2',
  what: 'decision on a token never seen, all checks',
  prepare: async (setting) => fillFile(pathOf(setting), entriesOf(setting)),
  async run(setting) {
    const rounds = setting.quick ? 6 : 25;
    await using guard = await openLiveGuard(pathOf(setting));
    requireAccepted(guard, newTokens(1));
    const contestants: [name: string, decide: (token: string) => unknown][] = [
      ['guard', (token) => guard.decide(token).accepted],
      ['jsonwebtoken.verify(KeyObject)', verifyByJsonwebtoken],
    ];
    const measured = new Map<string, number[]>(contestants.map(([name]) => [name, []]));
    for (let round = -2; round < rounds; round++) {
      const spent = contestants.map(() => 0);
      for (let piece = 0; piece < PIECES; piece++) {
        const tokens = newTokens(TOKENS_A_ROUND / PIECES);
        // The order alternates, because the first contestant to read the text of a token pays for its decoding.
        const order = piece % 2 === 0 ? [0, 1] : [1, 0];
        for (const who of order) spent[who] = (spent[who] ?? 0) + timeOf(tokens, contestants[who]?.[1] ?? keep);
      }
      for (const [who, [name]] of contestants.entries()) {
        if (round >= 0) measured.get(name)?.push(((spent[who] ?? 0) * 1e6) / TOKENS_A_ROUND);
      }
      // Heartbeats are read in a turn of the event loop.
      await new Promise((resolve) => setTimeout(resolve));
    }
    const figure = ratio(measured, 'guard', 'jsonwebtoken.verify(KeyObject)');
    return {
      bars: [{ what: 'time, × jsonwebtoken.verify(KeyObject)', figure, atMost: 1.05 }],
      measured: spreads(measured, 'µs', 1e-3),
      settings: { entries: entriesOf(setting), algorithm: 'RS256', tokensARound: TOKENS_A_ROUND },
    };
  },
};

/** In ms. */
function timeOf(tokens: readonly string[], decide: (token: string) => unknown): number {
  const start = performance.now();
  for (const token of tokens) keep(decide(token));
  return performance.now() - start;
}
