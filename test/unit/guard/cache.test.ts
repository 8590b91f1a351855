import type { Decision } from '@rescind/guard';
import type { TestKit, TestKitOptions } from '@rescind/guard/testing';
import { openTestKit } from '@rescind/guard/testing';
import { silentTelemetry } from '@rescind/revocation';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';

const AT = Date.UTC(2026, 10, 23, 12);

function kitOf(options: TestKitOptions = {}) {
  const numbers = new Map<string, number>();
  const telemetry = {
    ...silentTelemetry,
    count: (metric: string, _labels: object = {}, by = 1) => void numbers.set(metric, (numbers.get(metric) ?? 0) + by),
    gauge: (metric: string, value: number) => void numbers.set(metric, value),
  };
  const kit = openTestKit({ at: AT, telemetry, ...options });
  onTestFinished(() => kit.close());
  /** The content of the cache at the end, and its number of hits. */
  const closed = async () => {
    await kit.close();
    return {
      entries: numbers.get('rescind_token_cache_entries'),
      bytes: numbers.get('rescind_token_cache_bytes'),
      hits: numbers.get('rescind_token_cache_hits_total') ?? 0,
      evicted: numbers.get('rescind_token_cache_evicted_total') ?? 0,
      judgedAgain: numbers.get('rescind_token_cache_judged_again_total') ?? 0,
    };
  };
  return { kit, closed };
}

const codeOf = (decision: Decision) => (decision.accepted ? 'accepted' : decision.error.code);

/** The code of a full verification and judgement: `explain` uses no cache. */
function judgedAnew({ guard, clock }: TestKit, token: string): string {
  const { error, revoked } = guard.explain(token);
  if (error !== null) return error.code;
  if (revoked) return 'token_revoked';
  const { ageMs } = guard.view();
  return ageMs > 300_000 || clock.now() < 0 ? 'view_stale' : 'accepted';
}

const values = fc.constantFrom('a', 'b', 'c');
/** Claims without a cut-off at first: cached tokens have no slot of them until one arrives. */
const names = fc.constantFrom('sub', 'sid', 'jti', 'client_id', 'tenant', 'group', 'level', 'iss', 'kid');

type Step = (kit: TestKit, tokens: string[]) => void;

const mint = fc
  .record({
    sub: values,
    sid: values,
    tenant: fc.option(values, { nil: undefined }),
    group: fc.option(fc.oneof(values, fc.array(values, { maxLength: 3 })), { nil: undefined }),
    level: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
    lifeS: fc.integer({ min: 1, max: 120 }),
  })
  .map(
    ({ lifeS, ...claims }): Step =>
      (kit, tokens) => {
        const exp = Math.floor(kit.clock.now() / 1000) + lifeS;
        tokens.push(kit.token({ ...claims, exp, jti: `jti-${tokens.length}` }));
      },
  );

const revoke = fc.record({ claim: names, value: values, which: fc.nat(), endsSession: fc.boolean() }).map(
  ({ claim, value, which, endsSession }): Step =>
    (kit, tokens) => {
      const token = tokens[which % Math.max(1, tokens.length)];
      const own = token === undefined ? undefined : claimOf(token, claim);
      // Mostly the value of a token of the test.
      const wanted = own === undefined ? value : own;
      kit.revoke({ claim, value: wanted, ...(claim === 'sub' && { endsSession }) });
    },
);

function claimOf(token: string, claim: string): string | undefined {
  const [header = '', payload = ''] = token.split('.');
  const members = JSON.parse(Buffer.from(claim === 'kid' ? header : payload, 'base64url').toString());
  const value = Array.isArray(members[claim]) ? members[claim][0] : members[claim];
  return value === undefined ? undefined : String(value);
}

const pass = fc.integer({ min: 1, max: 40_000 }).map(
  (ms): Step =>
    (kit) =>
      kit.clock.advance(ms),
);
const setBack = fc.integer({ min: 1, max: 90_000 }).map(
  (ms): Step =>
    (kit) =>
      kit.clock.setWall(kit.clock.now() - ms),
);
const lose = fc.constant<Step>((kit) => kit.makeStale());
const hear = fc.constant<Step>((kit) => kit.makeFresh());

const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: mint },
    { weight: 3, arbitrary: revoke },
    { weight: 2, arbitrary: pass },
    { weight: 1, arbitrary: setBack },
    { weight: 1, arbitrary: lose },
    { weight: 2, arbitrary: hear },
  ),
  { minLength: 5, maxLength: 30 },
);

describe('security 17: the cache decides as verification and judgement would', () => {
  it.each([
    ['of any size', {}],
    ['of three tokens', { maxEntries: 3 }],
    ['of a few bytes', { maxBytes: 6_000 }],
  ])('after every change, in a cache %s', (_size, cache) => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const kit = openTestKit({ at: AT, cache });
        try {
          const tokens: string[] = [];
          for (const [number, step] of sequence.entries()) {
            step(kit, tokens);
            for (const [index, token] of tokens.entries()) {
              const expected = judgedAnew(kit, token);
              // Some tokens are not presented now, so that each change meets tokens presented never, once or twice.
              const times = (number + index) % 3;
              for (let time = 0; time < times; time += 1) expect(codeOf(kit.guard.decide(token))).toBe(expected);
            }
          }
        } finally {
          void kit.close();
        }
      }),
      { numRuns: 150 },
    );
  });
});

it('returns a cached token for its exact text only', async () => {
  const { kit, closed } = kitOf();
  const tokens = Array.from({ length: 20 }, () => kit.token());
  for (const token of tokens) expect(codeOf(kit.guard.decide(token))).toBe('accepted');
  for (const token of tokens) {
    expect(codeOf(kit.guard.decide(token))).toBe('accepted');
    // Another spelling of a cached token is another text, which is verified completely.
    for (const other of [`${token}=`, `${token}.`, ` ${token}`, token.toLowerCase(), token.slice(0, -1)]) {
      expect(codeOf(kit.guard.decide(other))).not.toBe('accepted');
    }
  }
  expect(await closed()).toMatchObject({ entries: 20, hits: 20, evicted: 0 });
});

describe('a token that was presented once', () => {
  const CHANGES: [what: string, change: (kit: TestKit) => void, code: string][] = [
    ['is revoked', (kit) => kit.revoke({ claim: 'sid', value: 'session-1' }), 'token_revoked'],
    [
      'is revoked by a claim that nothing was about',
      (kit) => kit.revoke({ claim: 'color', value: 'red' }),
      'token_revoked',
    ],
    ['is revoked with its key', (kit) => kit.revoke({ claim: 'kid', value: kidOf(kit) }), 'token_revoked'],
    ['expires', (kit) => kit.clock.advance(900_000), 'token_expired'],
    ['is of a time ahead, once the clock was set back', (kit) => kit.clock.setWall(AT - 60_001), 'token_not_yet_valid'],
  ];
  const kidOf = (kit: TestKit) => claimOf(kit.token(), 'kid') ?? '';

  it.each(CHANGES)('is refused if %s before it is presented again', async (_what, change, code) => {
    const { kit, closed } = kitOf();
    const [once, twice] = [kit.token({ color: 'red' }), kit.token({ color: 'red', jti: 'another' })];
    for (const token of [once, twice, twice]) expect(codeOf(kit.guard.decide(token))).toBe('accepted');
    change(kit);
    for (const token of [once, twice, once]) expect(codeOf(kit.guard.decide(token))).toBe(code);
    expect(await closed()).toMatchObject({ entries: 0, bytes: 0, hits: 1 });
  });

  it('is found by its exact text only, with the same claims, frozen', () => {
    const { kit } = kitOf();
    const token = kit.token({ roles: ['a', 'b'] });
    const first = kit.guard.decide(token);
    for (const other of [`${token}=`, token.slice(0, -1), `A${token.slice(1)}`]) {
      expect(codeOf(kit.guard.decide(other))).not.toBe('accepted');
    }
    const [second, third] = [kit.guard.decide(token), kit.guard.decide(token)];
    expect(second).toEqual(first);
    expect(third.accepted && second.accepted && third.token === second.token).toBe(true);
    expect(second.accepted && Object.isFrozen(second.token.payload.roles)).toBe(true);
  });

  it('takes less memory than one that was presented again', async () => {
    const bytesAfter = async (times: number) => {
      const { kit, closed } = kitOf();
      const token = kit.token();
      for (let time = 0; time < times; time += 1) kit.guard.decide(token);
      return { ...(await closed()), length: token.length };
    };
    const [once, twice, thrice] = await Promise.all([1, 2, 3].map(bytesAfter));
    expect(once).toMatchObject({ entries: 1, hits: 0, bytes: (once?.length ?? 0) + 192 });
    expect(twice).toMatchObject({ entries: 1, hits: 1, bytes: (twice?.length ?? 0) * 3 + 1_024 });
    expect(thrice).toMatchObject({ entries: 1, hits: 2, bytes: (thrice?.length ?? 0) * 3 + 1_024 });
  });
});

it('refuses the one revoked token of many at once, and no other', () => {
  const { kit } = kitOf();
  const tokens = Array.from({ length: 500 }, (_, index) => kit.token({ sid: `s-${index}`, sub: `u-${index % 50}` }));
  for (const token of tokens) kit.guard.decide(token);
  const gone = new Set<number>();
  for (const index of [7, 499, 0, 250, 123, 7]) {
    kit.revoke({ claim: 'sid', value: `s-${index}` });
    gone.add(index);
    tokens.forEach((token, at) => {
      expect(codeOf(kit.guard.decide(token))).toBe(gone.has(at) ? 'token_revoked' : 'accepted');
    });
  }
});

it('the first cut-off of a claim denies the tokens that are cached already', () => {
  const { kit } = kitOf();
  const inTenant = kit.token({ tenant: 'acme' });
  const inGroups = kit.token({ groups: ['staff', 'night shift'] });
  for (const token of [inTenant, inGroups]) kit.guard.decide(token);
  kit.revoke({ claim: 'tenant', value: 'acme' });
  expect([inTenant, inGroups].map((token) => codeOf(kit.guard.decide(token)))).toEqual(['token_revoked', 'accepted']);
  kit.revoke({ claim: 'groups', value: 'night shift' });
  expect(codeOf(kit.guard.decide(inGroups))).toBe('token_revoked');
});

describe('a cached token is judged again', () => {
  const open = () => {
    const { kit, closed } = kitOf();
    const tokens = Array.from({ length: 200 }, (_, index) =>
      kit.token({ sid: `s-${index}`, sub: `u-${index}`, jti: `j-${index}`, groups: [`g-${index}`, 'all'] }),
    );
    const decideAll = () => tokens.map((token) => codeOf(kit.guard.decide(token)));
    // Each of these claims has a cut-off before tokens are cached, so the tokens have slots of them.
    for (const claim of ['sid', 'sub', 'jti', 'groups']) kit.revoke({ claim, value: 'nobody' });
    for (let time = 0; time < 3; time += 1) decideAll();
    return { kit, closed, decideAll };
  };

  it('once for a cut-off that may concern it, and for no other', async () => {
    const { kit, closed, decideAll } = open();
    for (let index = 0; index < 10; index += 1) kit.revoke({ claim: 'sid', value: `s-${index}` });
    for (let time = 0; time < 4; time += 1) expect(decideAll().filter((code) => code !== 'accepted')).toHaveLength(10);
    const { judgedAgain } = await closed();
    expect(judgedAgain).toBeGreaterThanOrEqual(10);
    // With a thousand values in 32 768 slots, few tokens share a slot and are judged again needlessly.
    expect(judgedAgain).toBeLessThanOrEqual(20);
  });

  it('for a cut-off of an element of its list', async () => {
    const { kit, closed, decideAll } = open();
    kit.revoke({ claim: 'groups', value: 'g-7' });
    expect(decideAll().filter((code) => code !== 'accepted')).toHaveLength(1);
    expect((await closed()).judgedAgain).toBeLessThanOrEqual(5);
  });

  it('once, with all others, for the first cut-off of a claim', async () => {
    const { kit, closed, decideAll } = open();
    kit.revoke({ claim: 'color', value: 'red' });
    for (let time = 0; time < 4; time += 1) expect(new Set(decideAll())).toEqual(new Set(['accepted']));
    // The tokens stay in the cache.
    expect(await closed()).toMatchObject({ judgedAgain: 200, hits: 200 * (2 + 4) });
  });

  it('rarely for a cut-off of a value that no token has', async () => {
    const { kit, closed, decideAll } = open();
    decideAll();
    kit.revoke({ claim: 'sid', value: 'nobody' });
    decideAll();
    expect((await closed()).judgedAgain).toBeLessThanOrEqual(5);
  });
});

describe('a full cache', () => {
  it('evicts the tokens that were not presented again, the oldest first', async () => {
    const { kit, closed } = kitOf({ cache: { maxEntries: 4 } });
    const [a, b, c, d, e, f] = Array.from({ length: 6 }, () => kit.token()) as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    for (const token of [a, b, c, d, a, c]) kit.guard.decide(token);
    for (const token of [e, f]) kit.guard.decide(token);
    // b and d were evicted; each of the others is a hit.
    for (const token of [a, c, e, f]) kit.guard.decide(token);
    expect(await closed()).toMatchObject({ entries: 4, hits: 2 + 4, evicted: 2 });
  });

  it('keeps what fits exactly', async () => {
    const { length } = kitOf().kit.token();
    const maxBytes = length * 3 + 1_024;
    const { kit, closed } = kitOf({ cache: { maxBytes } });
    const token = kit.token();
    for (let time = 0; time < 3; time += 1) kit.guard.decide(token);
    expect(await closed()).toMatchObject({ entries: 1, bytes: maxBytes, hits: 2, evicted: 0 });
  });

  it('releases the bytes of an evicted token', async () => {
    const { kit, closed } = kitOf({ cache: { maxEntries: 1 } });
    const tokens = Array.from({ length: 5 }, (_, index) => kit.token({ filling: 'x'.repeat(index * 50) }));
    for (const token of tokens) kit.guard.decide(token);
    expect(await closed()).toMatchObject({ entries: 1, bytes: (tokens[4]?.length ?? 0) + 192, evicted: 4 });
  });

  it('evicts others for a token that grows when it is presented again', async () => {
    const { length } = kitOf().kit.token();
    const room = length * 3 + 1_024 + (length + 192) + 100;
    const { kit, closed } = kitOf({ cache: { maxBytes: room } });
    const tokens = Array.from({ length: 3 }, () => kit.token());
    for (const token of tokens) kit.guard.decide(token);
    kit.guard.decide(tokens[0] as string);
    const { entries, bytes = 0, evicted } = await closed();
    expect(bytes).toBeLessThanOrEqual(room);
    expect([entries, evicted]).toEqual([2, 1]);
  });
});

it('refuses a token with more values than can be judged once a cut-off names that claim', () => {
  const { kit } = kitOf();
  const many = kit.token({ groups: Array.from({ length: 257 }, (_, index) => `g${index}`) });
  expect(codeOf(kit.guard.decide(many))).toBe('accepted');
  kit.revoke({ claim: 'groups', value: 'unrelated' });
  expect(codeOf(kit.guard.decide(many))).toBe('token_unjudgeable');
});

describe('the cache is limited', () => {
  it('in entries; tokens that are presented repeatedly stay', async () => {
    const { kit, closed } = kitOf({ cache: { maxEntries: 10 } });
    const regulars = Array.from({ length: 5 }, () => kit.token());
    for (let round = 0; round < 40; round += 1) {
      for (const token of regulars) kit.guard.decide(token);
      for (let stranger = 0; stranger < 4; stranger += 1) kit.guard.decide(kit.token());
    }
    const { entries, hits, evicted } = await closed();
    expect(entries).toBe(10);
    expect(evicted).toBe(5 + 160 - 10);
    expect(hits).toBe(39 * 5);
  });

  it('in bytes, by the length of the tokens', async () => {
    const { kit, closed } = kitOf({ cache: { maxBytes: 50_000 } });
    for (let round = 0; round < 100; round += 1) kit.guard.decide(kit.token({ filling: 'x'.repeat(round * 20) }));
    const { entries = 0, bytes = 0, evicted } = await closed();
    expect(bytes).toBeLessThanOrEqual(50_000);
    expect(bytes).toBeGreaterThan(30_000);
    expect(entries).toBe(100 - (evicted ?? 0));
  });

  it('and caches no token larger than its limit, and none if it is off', async () => {
    for (const cache of [{ maxBytes: 1_000 }, false] as const) {
      const { kit, closed } = kitOf({ cache });
      const token = kit.token();
      for (let time = 0; time < 3; time += 1) expect(codeOf(kit.guard.decide(token))).toBe('accepted');
      expect(await closed()).toMatchObject({ entries: 0, bytes: 0, hits: 0 });
    }
  });

  it('and caches no refusal', async () => {
    const { kit, closed } = kitOf();
    const expired = kit.token({ exp: AT / 1000 - 1 });
    const revoked = kit.token();
    kit.revoke({ claim: 'sid', value: 'session-1' });
    for (let time = 0; time < 100; time += 1) {
      for (const token of [expired, revoked, `${revoked}x`, `rubbish ${time}`]) kit.guard.decide(token);
    }
    expect(await closed()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it('and refuses limits of nothing', () => {
    for (const cache of [{ maxEntries: 0 }, { maxEntries: 1.5 }, { maxBytes: Number.POSITIVE_INFINITY }]) {
      expect(() => openTestKit({ cache })).toThrow(/^cache\.max/);
    }
  });
});
