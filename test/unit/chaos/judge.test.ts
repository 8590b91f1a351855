import { describe, expect, it } from 'vitest';
import type { Invariant, Judge, Violation } from '../../chaos/judge.ts';
import { createJudge, INVARIANTS } from '../../chaos/judge.ts';
import type { Ledger, SessionEntry, TokenEntry } from '../../chaos/ledger.ts';
import { acknowledgementOf, attemptOf, createLedger } from '../../chaos/ledger.ts';
import { createRandom } from '../../simulation/model/random.ts';

const MAX_STALENESS_MS = 8_000;

/** A ledger and a judge with one session, and what was violated so far. */
function open() {
  const violations: Violation[] = [];
  const judge = createJudge({
    maxStalenessMs: MAX_STALENESS_MS,
    slackMs: 1_000,
    violated: (one) => violations.push(one),
  });
  const ledger = createLedger();
  const session = ledger.login(ledger.register('ada', 'password'), 'access-1', 'refresh-1', 100);
  const [token] = session.tokens as [TokenEntry];
  return { judge, ledger, session, token, found: () => violations.map(({ invariant }) => invariant) };
}

type World = ReturnType<typeof open>;

const answer = (judge: Judge, token: TokenEntry, verdict: string, sentAt: number, started: [number, number] = [1, 1]) =>
  judge.answered({ instance: 'prices-1', token, sentAt, receivedAt: sentAt + 5, verdict, started });

const sample = (judge: Judge, more: object) =>
  judge.sampled({
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
    bad({ judge, ledger, session, token }) {
      end(ledger, session, 200);
      answer(judge, token, '200', 9_201);
    },
    good({ judge, ledger, session, token }) {
      end(ledger, session, 200);
      answer(judge, token, '200', 9_200);
    },
  },
  'stays-revoked': {
    bad({ judge, ledger, session, token }) {
      ledger.attempted([session], 200);
      answer(judge, token, 'token_revoked', 300);
      sample(judge, { sentAt: 400, complete: false });
      judge.ended('prices-1');
      answer(judge, token, '200', 500, [2, 2]);
    },
    good({ judge, ledger, session, token }) {
      ledger.attempted([session], 200);
      answer(judge, token, 'token_revoked', 300);
      sample(judge, { sentAt: 400, complete: false, pendingRows: 1 });
      judge.ended('prices-1');
      answer(judge, token, '200', 500, [2, 2]);
    },
  },
  'only-revoked-is-refused': {
    bad: ({ judge, token }) => answer(judge, token, 'token_revoked', 300),
    good({ judge, ledger, session, token }) {
      ledger.attempted([session], 301);
      answer(judge, token, 'token_revoked', 300);
    },
  },
  'refresh-works-once': {
    bad({ judge, session }) {
      judge.exchanged(session, 'refresh-1', 'refresh-2', 300);
      judge.exchanged(session, 'refresh-1', 'refresh-3', 301);
    },
    good({ judge, session }) {
      judge.exchanged(session, 'refresh-1', 'refresh-2', 300);
      judge.exchanged(session, 'refresh-1', 'refresh-2', 301);
    },
  },
  'log-has-no-gap': {
    bad: ({ judge }) => judge.logRead('topic', new Map([['1-a', [4, 5, 7]]]), 300),
    good: ({ judge }) => judge.logRead('topic', new Map([['1-a', [4, 5, 3, 6]]]), 300),
  },
  'position-never-falls': {
    bad({ judge }) {
      sample(judge, {});
      sample(judge, { seq: 4 });
    },
    good({ judge }) {
      sample(judge, {});
      sample(judge, { epoch: '2-b', seq: 1 });
      sample(judge, { epoch: '2-b', seq: 0, started: [2, 2] });
      judge.restoring(true);
      sample(judge, { epoch: '1-a', seq: 0, started: [2, 2] });
    },
  },
  'ended-stays-ended': {
    bad({ judge, ledger, session }) {
      end(ledger, session, 200);
      judge.exchanged(session, 'refresh-1', 'refresh-2', 300);
    },
    good({ judge, ledger, session }) {
      ledger.attempted([session], 200);
      judge.exchanged(session, 'refresh-1', 'refresh-2', 300);
    },
  },
  'age-is-honest': {
    bad({ judge, ledger, session, token }) {
      end(ledger, session, 500);
      sample(judge, { sentAt: 1_000, receivedAt: 1_010, ageMs: 100 });
      answer(judge, token, '200', 1_020);
    },
    good({ judge, ledger, session, token }) {
      end(ledger, session, 900);
      sample(judge, { sentAt: 1_000, receivedAt: 1_010, ageMs: 100 });
      answer(judge, token, '200', 1_020);
    },
  },
  'stale-view-refuses': {
    bad({ judge, token }) {
      judge.issuerFellSilent(1_000);
      answer(judge, token, '200', 10_001);
    },
    good({ judge, token }) {
      judge.issuerFellSilent(1_000);
      judge.issuerRunsAgain();
      judge.issuerFellSilent(9_000);
      answer(judge, token, '200', 10_001);
    },
  },
  'acknowledged-is-kept': {
    bad: ({ judge, session }) => judge.refusedRefresh(session, 200, 300),
    good({ judge, ledger, session }) {
      ledger.restored(150);
      judge.refusedRefresh(session, 200, 300);
    },
  },
};

describe.each(Object.entries(HISTORIES))('%s', (invariant, { bad, good }) => {
  it('is violated by a history that breaks it, and by nothing else in it', () => {
    const world = open();
    bad(world);
    expect(world.found()).toEqual([invariant]);
  });
  it('is not violated by a similar history that keeps it', () => {
    const world = open();
    good(world);
    expect(world.found()).toEqual([]);
  });
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
  const judge = createJudge({
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
    sample(judge, { sentAt: now, receivedAt: now, ageMs: now - asOf, seq: step });
    const [token] = session.tokens;
    if (token === undefined) continue;
    const acknowledged = acknowledgementOf(token);
    const isDenied = acknowledged !== null && acknowledged <= asOf;
    if (mistake && isDenied && forgotten < 0 && step > 300) forgotten = token.id;
    const verdict = isDenied && token.id !== forgotten ? 'token_revoked' : '200';
    if (attemptOf(token) === null || isDenied) answer(judge, token, verdict, now);
  }
  return violations;
}

it('finds nothing in histories of a correct instance, and an instance that forgets one denial, by 60 seeds', () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    expect(history(seed, false), `seed ${seed}`).toEqual([]);
    expect(history(seed, true), `seed ${seed}`).not.toEqual([]);
  }
});
