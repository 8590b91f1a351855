import { sign, verify } from 'node:crypto';
import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import type { Case } from '../case.ts';
import { BATCH, logout, newId, stateAt } from '../material/rows.ts';
import { signingKey } from '../material/tokens.ts';
import { middle, spreadOf } from '../race.ts';

const VERIFIED = 500;

/** The share of the denylist in a catch-up: rows committed, as the follower commits them, beside signatures verified. */
export const p5Storage: Case = {
  id: 'P5-storage',
  what: 'catch-up, its storage: rows committed a second against the raw RS256 verify rate',
  async run({ quick, directory, say }) {
    const entries = quick ? 100_000 : 1_000_000;
    await using denylist = openDenylist({ path: join(directory, 'denylist.db') });
    const verifyOnce = signatureCheck();
    const commits: number[] = [];
    const verifies: number[] = [];
    const pauses: number[] = [];
    say(`${entries} rows in commits of ${BATCH} …`);
    for (let from = 0; from < entries; from += BATCH) {
      const cutoffs = Array.from({ length: BATCH }, (_, index) => logout(newId(), from + index + 1));
      const state = stateAt(from + BATCH);
      const start = performance.now();
      denylist.commit({ state, cutoffs });
      const took = performance.now() - start;
      commits.push((took * 1000) / BATCH);
      pauses.push(took);
      if ((from / BATCH) % 20 === 0) verifies.push(verifyOnce());
    }
    const total = commits.reduce((sum, each) => sum + each, 0) / commits.length;
    const figure = middle(verifies) / total;
    pauses.sort((a, b) => a - b);
    const at = (share: number) => pauses[Math.floor((pauses.length - 1) * share)] ?? Number.NaN;
    return {
      bars: [{ what: 'rows committed per signature verified', figure, atLeast: 0.8 }],
      measured: [
        spreadOf('one row, mean', [total], 'µs'),
        spreadOf('one row', commits, 'µs'),
        spreadOf('crypto.verify, RS256', verifies, 'µs'),
        { name: 'pause of a commit (median, p99, longest)', median: at(0.5), min: at(0.99), max: at(1), unit: 'ms' },
      ],
      settings: { entries, batch: BATCH, ids: 'random', synchronous: 'NORMAL', journal: 'WAL' },
    };
  },
};

/** µs of one verification of a token's size. */
function signatureCheck(): () => number {
  const data = Buffer.alloc(600, 'x');
  const signature = sign('sha256', data, signingKey.privateKey);
  const check = () => {
    const start = performance.now();
    for (let time = 0; time < VERIFIED; time++) verify('sha256', data, signingKey.publicKey, signature);
    return ((performance.now() - start) * 1000) / VERIFIED;
  };
  for (let time = 0; time < 4; time++) check();
  return check;
}
