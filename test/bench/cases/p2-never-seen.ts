import type { Case } from '../case.ts';
import { openLiveGuard } from '../material/guard.ts';
import { fillFile } from '../material/rows.ts';
import { newTokens } from '../material/tokens.ts';
import { keep, ratio, spreads } from '../race.ts';
import { entriesOf, pathOf, requireAccepted, verifyByJsonwebtoken } from './p1-seen.ts';

const TOKENS_A_ROUND = 1_000;

/** Every token is shown to each of them once. */
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
      const tokens = newTokens(TOKENS_A_ROUND);
      // Who comes first changes: the first to touch a token's text pays for it.
      for (const [name, decide] of round % 2 === 0 ? contestants : contestants.toReversed()) {
        const start = performance.now();
        for (const token of tokens) keep(decide(token));
        if (round >= 0) measured.get(name)?.push(((performance.now() - start) * 1e6) / tokens.length);
      }
      // Heartbeats want a turn of the event loop.
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
