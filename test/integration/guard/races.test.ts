import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Decision, Guard } from '@rescind/guard';
import { createManualClock } from '@rescind/revocation';
import { expect, test } from 'vitest';
import { openTestIssuer } from './issuer.ts';
import { createRemembering, freshPath, openMiddleware } from './setting.ts';

// Security 17: cached tokens are requested while they are revoked or expire. From the decision after the guard learns of the end, no
// request passes.

const codeOf = (decision: Decision) => (decision.accepted ? 'accepted' : decision.error.code);

/** Decides about all of them, turn after turn, once at least, until `isOver`; `check` sees every decision. */
async function flood(
  guard: Guard,
  tokens: readonly string[],
  check: (code: string, index: number) => void,
  isOver: () => boolean,
): Promise<number> {
  const end = performance.now() + 20_000;
  let decisions = 0;
  do {
    if (performance.now() > end) throw new Error('the end was never known of');
    for (let round = 0; round < 5; round += 1) {
      for (const [index, token] of tokens.entries()) check(codeOf(guard.decide(token)), index);
      decisions += tokens.length;
    }
    await nextTurn();
  } while (!isOver());
  return decisions;
}

test('a revoked token is refused from the tick on in which the view has the revocation', async () => {
  const issuer = await openTestIssuer();
  const { telemetry, counts } = createRemembering();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath(), telemetry });
  await middleware.ready();
  const { opened } = middleware;
  const tokens = Array.from({ length: 60 }, (_, index) => issuer.token({ sid: `s-${index}`, group: `g-${index % 6}` }));
  /** By token: the seq from which on it is refused. */
  const endsAt = new Map<number, number>();
  const refused = new Set<number>();
  let appended = 0;
  const revoke = (
    denial: { claim: string; value: string; issuedUntil?: number },
    which: (index: number) => boolean,
  ) => {
    appended += 1;
    for (const index of tokens.keys()) if (which(index) && !endsAt.has(index)) endsAt.set(index, appended);
    issuer.revoke(denial);
  };
  const check = (code: string, index: number) => {
    const end = endsAt.get(index);
    if (code === 'token_revoked') refused.add(index);
    const isKnown = end !== undefined && opened.view().seq >= end;
    expect(code, `token ${index}`).toBe(isKnown ? 'token_revoked' : 'accepted');
    // A token that was refused once is refused by every later decision.
    if (refused.has(index)) expect(code).toBe('token_revoked');
  };

  let decisions = 0;
  const round = async () => {
    decisions += await flood(opened, tokens, check, () => opened.view().seq >= appended);
    decisions += await flood(opened, tokens, check, () => true);
  };
  await round();
  for (const index of [3, 40, 0, 59]) {
    revoke({ claim: 'sid', value: `s-${index}` }, (at) => at === index);
    await round();
  }
  // No cut-off named this claim when the tokens were cached.
  revoke({ claim: 'group', value: 'g-5', issuedUntil: Date.now() }, (at) => at % 6 === 5);
  await round();
  for (const code of tokens.map((token) => codeOf(opened.decide(token))))
    expect(code).toMatch(/accepted|token_revoked/);
  expect(refused.size).toBe(3 + 10);
  expect(decisions).toBeGreaterThan(1_000);
  expect(counts.get('rescind_decisions_total token_revoked')).toBeGreaterThan(0);
});

test('an expired token is refused from its millisecond on, wherever the clock is set later', async () => {
  const start = Date.UTC(2026, 10, 23, 12);
  const clock = createManualClock(start, 1_000);
  const issuer = await openTestIssuer(clock);
  const middleware = openMiddleware(issuer, { denylistPath: freshPath(), clock });
  await middleware.ready();
  const { opened } = middleware;
  const tokens = Array.from({ length: 50 }, (_, index) => issuer.token({ exp: start / 1000 + 1 + (index % 10) }));
  const check = (code: string, index: number) => {
    const at = Math.max(clock.now(), opened.view().logTime);
    expect(code).toBe(at >= start + 1_000 * (1 + (index % 10)) ? 'token_expired' : 'accepted');
  };
  let turns = 0;
  await flood(opened, tokens, check, () => {
    clock.advance(turns % 7 === 0 ? 1 : 99);
    turns += 1;
    return turns > 130;
  });
  expect(new Set(tokens.map((token) => codeOf(opened.decide(token))))).toEqual(new Set(['token_expired']));
  // Log time has reached that time, so a wall clock that is set back makes no token valid again.
  await flood(
    opened,
    tokens,
    () => undefined,
    () => opened.view().logTime >= start + 11_000,
  );
  clock.setWall(start);
  expect(new Set(tokens.map((token) => codeOf(opened.decide(token))))).toEqual(new Set(['token_expired']));
});

test('a token is refused from the fetch on that no longer has its key', async () => {
  const issuer = await openTestIssuer();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath() });
  await middleware.ready();
  const { opened } = middleware;
  const tokens = Array.from({ length: 50 }, () => issuer.token());
  const codes = () => new Set(tokens.map((token) => codeOf(opened.decide(token))));
  expect(codes()).toEqual(new Set(['accepted']));
  // A token that is presented only once while its key is published.
  const seenOnce = issuer.token();
  expect(codeOf(opened.decide(seenOnce))).toBe('accepted');

  issuer.rotate(false);
  issuer.publishOnly(issuer.key);
  const newer = opened.decideOnline(issuer.token());
  let isFetched = false;
  const fetched = Promise.resolve(newer).then((decision) => {
    isFetched = true;
    return decision;
  });
  await flood(
    opened,
    tokens,
    (code) => expect(['accepted', 'token_key_unknown']).toContain(code),
    () => isFetched,
  );
  expect(codeOf(await fetched)).toBe('accepted');
  expect(codeOf(opened.decide(seenOnce))).toBe('token_key_unknown');
  expect(codes()).toEqual(new Set(['token_key_unknown']));
});

test('an equal key of a newly fetched set is the same key', async () => {
  const issuer = await openTestIssuer();
  const { telemetry, counts } = createRemembering();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath(), telemetry });
  await middleware.ready();
  const { opened } = middleware;
  const [once, twice] = [issuer.token(), issuer.token()];
  for (const token of [once, twice, twice]) expect(codeOf(opened.decide(token))).toBe('accepted');
  issuer.rotate(true);
  expect(codeOf(await opened.decideOnline(issuer.token()))).toBe('accepted');
  for (let time = 0; time < 5; time += 1) {
    for (const token of [once, twice]) expect(codeOf(opened.decide(token))).toBe('accepted');
  }
  await middleware.close();
  expect(counts.get('rescind_token_cache_hits_total')).toBe(1 + 5 * 2);
});

test('a token of a revoked key is refused from the tick on in which the view has it, published or not', async () => {
  const issuer = await openTestIssuer();
  const middleware = openMiddleware(issuer, { denylistPath: freshPath() });
  await middleware.ready();
  const { opened } = middleware;
  const tokens = Array.from({ length: 50 }, () => issuer.token());
  issuer.revoke({ claim: 'kid', value: issuer.key.kid });
  const check = (code: string) => expect(code).toBe(opened.view().seq >= 1 ? 'token_revoked' : 'accepted');
  await flood(opened, tokens, check, () => opened.view().seq >= 1);
  await flood(opened, tokens, check, () => true);
  for (const token of tokens) expect(codeOf(opened.decide(token))).toBe('token_revoked');
});
