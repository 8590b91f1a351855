import { sign } from 'node:crypto';
import { join } from 'node:path';
import type { Issuer } from '@rescind/issuer';
import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import { generateSigningKey } from '@rescind/token/signing';
import type { Case } from '../case.ts';
import { ISSUER } from '../material/rows.ts';
import { AUDIENCE, newClaims, newTokens } from '../material/tokens.ts';
import { middle, spreadOf } from '../race.ts';

/** The number of concurrent refreshes. */
const IN_FLIGHT = 64;
/** Refreshes before the measurement, after which the code is optimized. */
const WARM_UP = 3_000;

/** The cost of a refresh beyond its signature; the refresh is durable before the response. */
export const p8: Case = {
  id: 'P8',
  what: 'refreshes a second, each rotated and durable before its answer',
  async run({ quick, directory, say }) {
    const sessions = quick ? 1_000 : 10_000;
    const rounds = quick ? 5 : 15;
    const burst = quick ? 400 : 2_000;
    await using issuer = await open(directory);
    say(`${sessions} sessions …`);
    const crowd = await logIn(issuer, sessions);
    const text = Buffer.from(newTokens(1)[0]?.replace(/\.[^.]*$/, '') ?? '');
    const { privateKey } = generateSigningKey();
    const signing = () => rate(burst, () => void sign('sha256', text, privateKey));
    const refreshing = () => crowd.refresh(burst, IN_FLIGHT);
    const alone = () => crowd.refresh(burst / 10, 1);

    // The code of each is optimized before the measurement.
    signing();
    await crowd.refresh(WARM_UP, IN_FLIGHT);
    const measured: Record<'signing' | 'refreshing' | 'alone', number[]> = { signing: [], refreshing: [], alone: [] };
    for (let round = 0; round < rounds; round++) {
      measured.signing.push(signing());
      measured.refreshing.push(await refreshing());
      measured.alone.push(await alone());
    }
    const ratios = measured.refreshing.map((refreshed, round) => refreshed / (measured.signing[round] ?? Number.NaN));
    return {
      bars: [{ what: '× raw RS256 signatures a second', figure: middle(ratios), atLeast: 0.7 }],
      measured: [
        spreadOf('raw RS256 signatures', measured.signing, '/s'),
        spreadOf(`refreshes, ${IN_FLIGHT} at once`, measured.refreshing, '/s'),
        spreadOf('refreshes, one after the other', measured.alone, '/s'),
      ],
      settings: {
        sessions,
        inFlight: IN_FLIGHT,
        algorithm: 'RS256',
        synchronous: 'FULL',
        tokenBytes: text.length + 343,
      },
    };
  },
};

function open(directory: string): Promise<Issuer> {
  const { scope, roles, tenant } = newClaims();
  const subject = { claims: { scope, roles, tenant }, credentialVersion: 1, active: true };
  return openIssuer({
    issuer: ISSUER,
    store: sqliteStore({ path: join(directory, 'issuer.db') }),
    keysPath: join(directory, 'keys'),
    subject: () => subject,
  });
}

/** Begins sessions that are refreshed in turns, so that no session has two concurrent refreshes. */
async function logIn(issuer: Issuer, sessions: number) {
  const tokens: string[] = [];
  for (let at = 0; at < sessions; at++) {
    const login = { sub: `user-${at}`, clientId: 'web', audience: AUDIENCE, credentialVersion: 1 };
    tokens.push((await issuer.transaction((tx) => tx.beginSession(login))).refresh_token);
  }
  let next = 0;
  async function refreshOne(): Promise<void> {
    const at = next++ % sessions;
    const answer = await issuer.refresh({ refreshToken: tokens[at] ?? '', clientId: 'web' });
    tokens[at] = answer.refresh_token;
  }
  return {
    async refresh(times: number, atOnce: number): Promise<number> {
      let left = times;
      const start = performance.now();
      const worker = async () => {
        while (left-- > 0) await refreshOne();
      };
      await Promise.all(Array.from({ length: atOnce }, worker));
      return perSecond(times, start);
    },
  };
}

function rate(times: number, work: () => void): number {
  const start = performance.now();
  for (let time = 0; time < times; time++) work();
  return perSecond(times, start);
}

const perSecond = (times: number, start: number) => (times / (performance.now() - start)) * 1_000;
