import { describe, expect, it } from 'vitest';
import type { Ledger, SessionEntry, TokenEntry } from '../../chaos/ledger.ts';
import { acknowledgementOf, attemptOf, createLedger } from '../../chaos/ledger.ts';
import type { Invariant, Oracle, Violation } from '../../chaos/oracle.ts';
import { createOracle, INVARIANTS } from '../../chaos/oracle.ts';
import { createRandom } from '../../simulation/model/random.ts';

const MAX_STALENESS_MS = 8_000;

/** a ledger and an oracle with one session, and what was violated so far. */
function open() {
  const violations: Violation[] = [];
  const oracle = createOracle({
    maxStalenessMs: MAX_STALENESS_MS,
    slackMs: 1_000,
    violated: (one) => violations.push(one),
  });
  const ledger = createLedger();
  const session = ledger.login(ledger.register('ada', 'password'), 'access-1', 'refresh-1', 100);
  const [token] = session.tokens as [TokenEntry];
  return { oracle, ledger, session, token, found: () => violations.map(({ invariant }) => invariant) };
}

type World = ReturnType<typeof open>;

const answer = (
  oracle: Oracle,
  token: TokenEntry,
  verdict: string,
  sentAt: number,
  started: [number, number] = [1, 1],
) => oracle.answered({ instance: 'prices-1', token, sentAt, receivedAt: sentAt + 5, verdict, started });

const sample = (oracle: Oracle, more: object) =>
  oracle.sampled({
    instance: 'prices-1',
    sentAt: 1_000,
    receivedAt: 1_010,
    ageMs: 100,
    complete: true,
    epoch: '1-a',
    seq: 5,
    pendingRows: 0,
    started: [1, 1],
    ...more,
  });

const end = (ledger: Ledger, session: SessionEntry, at: number) => ledger.acknowledged([session], at);

/** For each invariant a history that violates it, and a similar one that does not. */
const HISTORIES: Readonly<Record<Invariant, { bad: (world: World) => void; good: (world: World) => void }>> = {
  'revoked-is-refused': {
    bad({ oracle, ledger, session, token }) {
      end(ledger, session, 200);
      answer(oracle, token, '200', 9_201);
    },
    good({ oracle, ledger, session, token }) {
      end(ledger, session, 200);
      answer(oracle, token, '200', 9_200);
    },
  },
  'stays-revoked': {
    bad({ oracle, ledger, session, token }) {
      ledger.attempted([session], 200);
      answer(oracle, token, 'token_revoked', 300);
      sample(oracle, { sentAt: 400, complete: false });
      oracle.ended('prices-1');
      answer(oracle, token, '200', 500, [2, 2]);
    },
    good({ oracle, ledger, session, token }) {
      ledger.attempted([session], 200);
      answer(oracle, token, 'token_revoked', 300);
      sample(oracle, { sentAt: 400, complete: false, pendingRows: 1 });
      oracle.ended('prices-1');
      answer(oracle, token, '200', 500, [2, 2]);
    },
  },
  'only-revoked-is-refused': {
    bad: ({ oracle, token }) => answer(oracle, token, 'token_revoked', 300),
    good({ oracle, ledger, session, token }) {
      ledger.attempted([session], 301);
      answer(oracle, token, 'token_revoked', 300);
    },
  },
  'refresh-works-once': {
    bad({ oracle, session }) {
      oracle.exchanged(session, 'refresh-1', 'refresh-2', 300);
      oracle.exchanged(session, 'refresh-1', 'refresh-3', 301);
    },
    good({ oracle, session }) {
      oracle.exchanged(session, 'refresh-1', 'refresh-2', 300);
      oracle.exchanged(session, 'refresh-1', 'refresh-2', 301);
    },
  },
  'log-has-no-gap': {
    bad: ({ oracle }) => oracle.logRead('topic', new Map([['1-a', [4, 5, 7]]]), 300),
    good: ({ oracle }) => oracle.logRead('topic', new Map([['1-a', [4, 5, 3, 6]]]), 300),
  },
  'position-never-falls': {
    bad({ oracle }) {
      sample(oracle, {});
      sample(oracle, { seq: 4 });
    },
    good({ oracle }) {
      sample(oracle, {});
      sample(oracle, { epoch: '2-b', seq: 1 });
      sample(oracle, { epoch: '2-b', seq: 0, started: [2, 2] });
      oracle.restoring(true);
      sample(oracle, { epoch: '1-a', seq: 0, started: [2, 2] });
    },
  },
  'ended-stays-ended': {
    bad({ oracle, ledger, session }) {
      end(ledger, session, 200);
      oracle.exchanged(session, 'refresh-1', 'refresh-2', 300);
    },
    good({ oracle, ledger, session }) {
      ledger.attempted([session], 200);
      oracle.exchanged(session, 'refresh-1', 'refresh-2', 300);
    },
  },
  'age-is-honest': {
    bad({ oracle, ledger, session, token }) {
      end(ledger, session, 500);
      sample(oracle, { sentAt: 1_000, receivedAt: 1_010, ageMs: 100 });
      answer(oracle, token, '200', 1_020);
    },
    good({ oracle, ledger, session, token }) {
      end(ledger, session, 900);
      sample(oracle, { sentAt: 1_000, receivedAt: 1_010, ageMs: 100 });
      answer(oracle, token, '200', 1_020);
    },
  },
  'stale-view-refuses': {
    bad({ oracle, token }) {
      oracle.issuerFellSilent(1_000);
      answer(oracle, token, '200', 10_001);
    },
    good({ oracle, token }) {
      oracle.issuerFellSilent(1_000);
      oracle.issuerRunsAgain();
      oracle.issuerFellSilent(9_000);
      answer(oracle, token, '200', 10_001);
    },
  },
  'acknowledged-is-kept': {
    bad: ({ oracle, session }) => oracle.refusedRefresh(session, 200, 300),
    good({ oracle, ledger, session }) {
      ledger.restored(150);
      oracle.refusedRefresh(session, 200, 300);
    },
  },
};

describe.each(Object.entries(HISTORIES))('%s', (invariant, { bad, good }) => {
  it('is reported alone for a history that violates it', () => {
    const world = open();
    bad(world);
    expect(world.found()).toEqual([invariant]);
  });
  it('is not reported for a similar history that keeps it', () => {
    const world = open();
    good(world);
    expect(world.found()).toEqual([]);
  });
});

it('reports an epoch without its first event, where the topic must have it', () => {
  const { oracle, found } = open();
  const sequences = new Map([['1-a', [3, 4]]]);
  oracle.logRead('topic', sequences, 300);
  expect(found()).toEqual([]);
  oracle.logRead('topic', sequences, 301, new Set(['1-a']));
  expect(found()).toEqual(['log-has-no-gap']);
});

it('has a history for each invariant', () => {
  expect(Object.keys(HISTORIES).sort()).toEqual(Object.keys(INVARIANTS).sort());
});

/**
 * A correct fleet, by seed: sessions begin and end, and an instance denies what was acknowledged up to the time as of which its view
 * is complete. With `mistake` it forgets one denial.
 */
function history(seed: number, mistake: boolean): readonly string[] {
  const random = createRandom(seed);
  const violations: string[] = [];
  const oracle = createOracle({
    maxStalenessMs: MAX_STALENESS_MS,
    slackMs: 1_000,
    violated: (one) => violations.push(one.invariant),
  });
  const ledger = createLedger();
  const user = ledger.register('ada', 'password');
  let [now, asOf, forgotten] = [0, 0, -1];
  for (let step = 0; step < 600; step += 1) {
    now += 1 + random.below(60);
    if (now - asOf > 7_000 || random.chance(0.1)) asOf = now - random.below(300);
    if (random.chance(0.2)) ledger.login(user, `access-${step}`, `refresh-${step}`, now);
    const session = random.pick(user.sessions);
    if (session === undefined) continue;
    if (random.chance(0.1)) ledger.attempted([session], now);
    if (random.chance(0.1)) ledger.acknowledged([session], now);
    sample(oracle, { sentAt: now, receivedAt: now, ageMs: now - asOf, seq: step });
    const [token] = session.tokens;
    if (token === undefined) continue;
    const acknowledged = acknowledgementOf(token);
    const isDenied = acknowledged !== null && acknowledged <= asOf;
    if (mistake && isDenied && forgotten < 0 && step > 300) forgotten = token.id;
    const verdict = isDenied && token.id !== forgotten ? 'token_revoked' : '200';
    if (attemptOf(token) === null || isDenied) answer(oracle, token, verdict, now);
  }
  return violations;
}

it('reports nothing for a correct instance, and a violation for one that forgets a denial, by 60 seeds', () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    expect(history(seed, false), `seed ${seed}`).toEqual([]);
    expect(history(seed, true), `seed ${seed}`).not.toEqual([]);
  }
});
