import { join } from 'node:path';
import type { Guard } from '@rescind/guard';
import { createVerifier } from 'fast-jwt';
import jwt from 'jsonwebtoken';
import type { Bar, Case, Setting, Spread } from '../case.ts';
import { openLiveGuard } from '../material/guard.ts';
import { fillFile, ISSUER } from '../material/rows.ts';
import { AUDIENCE, newTokens, signingKey } from '../material/tokens.ts';
import type { Contestant } from '../race.ts';
import { keep, race, ratio, spreads } from '../race.ts';

export const entriesOf = ({ quick }: Setting) => (quick ? 100_000 : 1_000_000);
export const pathOf = ({ directory }: Setting) => join(directory, 'denylist.db');

/** A decision on a token that was seen before, revocation enforced, against those that know no revocation. */
export const p1: Case = {
  id: 'P1',
  what: 'decision on a token seen before, revocation enforced',
  prepare: async (setting) => fillFile(pathOf(setting), entriesOf(setting)),
  async run(setting) {
    const { quick, say } = setting;
    await using guard = await openLiveGuard(pathOf(setting));
    const bars: Bar[] = [];
    const measured: Spread[] = [];
    for (const live of [1_000, quick ? 4_000 : 16_000]) {
      say(`${live} tokens …`);
      const tokens = newTokens(live);
      const contestants = [
        asked('guard', tokens, (token) => guard.decide(token).accepted),
        asked('jsonwebtoken.verify(KeyObject)', tokens, verifyByJsonwebtoken),
        asked('fast-jwt, cached', tokens, createFastVerifier(live)),
      ];
      requireAccepted(guard, tokens);
      // Each contestant decides about every token once before the measurement, however short the bursts are.
      for (const contestant of contestants) contestant.run(live);
      const times = race(contestants, { rounds: quick ? 5 : 15, burstMs: 40 });
      bars.push(
        {
          what: `${live} tokens, × jsonwebtoken.verify`,
          figure: ratio(times, 'jsonwebtoken.verify(KeyObject)', 'guard'),
          atLeast: 30,
        },
        { what: `${live} tokens, × fast-jwt cached`, figure: ratio(times, 'fast-jwt, cached', 'guard'), atLeast: 2 },
      );
      measured.push(...spreads(times, 'µs', 1e-3).map((one) => ({ ...one, name: `${one.name}, ${live} tokens` })));
    }
    const entries = entriesOf(setting);
    return { bars, measured, settings: { entries, algorithm: 'RS256', tokenBytes: newTokens(1)[0]?.length ?? 0 } };
  },
};

export function verifyByJsonwebtoken(token: string): unknown {
  return jwt.verify(token, signingKey.publicKey, { algorithms: ['RS256'], issuer: ISSUER, audience: AUDIENCE });
}

function createFastVerifier(cache: number): (token: string) => unknown {
  const key = signingKey.publicKey.export({ type: 'spki', format: 'pem' }).toString();
  // Twice as many as there are tokens, so that all of them are hits.
  return createVerifier({ key, cache: cache * 2, algorithms: ['RS256'], allowedIss: ISSUER, allowedAud: AUDIENCE });
}

/** Throws if the guard refuses a token: a refusal is faster, and its time would not be comparable. */
export function requireAccepted(guard: Guard, tokens: readonly string[]): void {
  for (const token of tokens) if (!guard.decide(token).accepted) throw new Error('the guard refused a good token');
}

export function asked(name: string, tokens: readonly string[], decide: (token: string) => unknown): Contestant {
  let next = 0;
  return {
    name,
    run(times) {
      for (let time = 0; time < times; time++) {
        keep(decide(tokens[next] as string));
        next = (next + 1) % tokens.length;
      }
    },
  };
}
