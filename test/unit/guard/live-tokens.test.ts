import type { Refused } from '@rescind/guard';
import type { TestKit } from '@rescind/guard/testing';
import { openTestKit } from '@rescind/guard/testing';
import type { VerifiedToken } from '@rescind/token';
import { afterEach, expect, test, vi } from 'vitest';
import { waitFor } from '../../support/wait.ts';

let kit: TestKit | undefined;
afterEach(async () => {
  vi.useRealTimers();
  await kit?.close();
});

const ignore = () => undefined;

function accepted(text: string): VerifiedToken {
  const decision = kit?.guard.decide(text);
  if (!decision?.accepted) throw new Error('the token is refused');
  return decision.token;
}

/** Watches a token. @returns why it ended, and the renewals that were requested */
function watch(text: string) {
  const seen = { ended: undefined as string | undefined, renewals: [] as string[] };
  const watched = kit?.guard.watch(accepted(text), {
    onRenew: ({ code }) => seen.renewals.push(code),
    onEnd: ({ error }: Refused) => {
      seen.ended = error.code;
    },
  });
  if (watched === undefined) throw new Error('there is no guard');
  return Object.assign(seen, { watched });
}

test('calls the watchers of a revoked token in the tick of the revocation, and no others', () => {
  kit = openTestKit();
  const text = kit.token({ sid: 'a' });
  const [one, same, other] = [watch(text), watch(text), watch(kit.token({ sid: 'b' }))];
  kit.revoke({ claim: 'sid', value: 'a' });
  expect([one.ended, same.ended, other.ended]).toEqual(['token_revoked', 'token_revoked', undefined]);
});

test('finds tokens by any claim, and by a claim with a list', () => {
  kit = openTestKit();
  const [first, second, third] = [
    watch(kit.token({ client_id: 'x' })),
    watch(kit.token({ sub: 'u', tenant: 'y' })),
    watch(kit.token({ sid: ['s1', 's2'] })),
  ];
  kit.revoke({ claim: 'sid', value: 's2' });
  expect([first.ended, second.ended, third.ended]).toEqual([undefined, undefined, 'token_revoked']);
});

test('walks all tokens for a claim without an index', async () => {
  kit = openTestKit();
  const [first, second] = [watch(kit.token({ tenant: 'y' })), watch(kit.token({ tenant: 'z' }))];
  kit.revoke({ claim: 'tenant', value: 'y', endsSession: true });
  await waitFor('the token ends', () => first.ended);
  expect(second.ended).toBeUndefined();
  kit.revoke({ claim: 'iss', value: 'https://issuer.test' });
  await waitFor('the other token ends', () => second.ended);
});

test('ends a token whose claim cannot be compared with a cut-off', () => {
  kit = openTestKit();
  const odd = watch(kit.token({ sid: { a: 1 } }));
  kit.revoke({ claim: 'sid', value: 'another' });
  expect(odd.ended).toBe('token_unjudgeable');
});

test('calls a watcher that comes after the revocation', () => {
  kit = openTestKit();
  const token = accepted(kit.token());
  kit.revoke({ claim: 'sid', value: 'session-1' });
  const onEnd = vi.fn();
  kit.guard.watch(token, { onRenew: ignore, onEnd });
  expect(onEnd).toHaveBeenCalledOnce();
});

test('goes on with the other watchers when one throws', () => {
  kit = openTestKit();
  const text = kit.token();
  kit.guard.watch(accepted(text), {
    onRenew: ignore,
    onEnd() {
      throw new Error('a mistake of the application');
    },
  });
  const other = watch(text);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  expect(other.ended).toBe('token_revoked');
});

test('requests a renewal before the expiry, and ends at it, without a timer for each token', async () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  kit = openTestKit();
  const timers = vi.getTimerCount();
  const one = watch(kit.token());
  expect(vi.getTimerCount()).toBe(timers);
  kit.clock.advance(869_000);
  vi.advanceTimersByTime(1_000);
  expect([one.renewals, one.ended]).toEqual([[], undefined]);
  kit.clock.advance(3_000);
  vi.advanceTimersByTime(1_000);
  expect([one.renewals, one.ended]).toEqual([['token_expired'], undefined]);
  kit.clock.advance(30_000);
  expect(one.watched.decide().accepted).toBe(false);
  vi.advanceTimersByTime(1_000);
  expect(one.ended).toBe('token_expired');
});

test('requests the renewal of a watcher that joins a token whose renewal is awaited', () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  kit = openTestKit();
  const text = kit.token();
  const first = watch(text);
  kit.clock.advance(880_000);
  vi.advanceTimersByTime(1_000);
  const onRenew = vi.fn();
  kit.guard.watch(accepted(text), { onRenew, onEnd: ignore });
  const [[request]] = onRenew.mock.calls as [[{ code: string; withinMs: number }]];
  expect([onRenew.mock.calls.length, request.code, Math.round(request.withinMs / 10_000)]).toEqual([
    1,
    'token_expired',
    2,
  ]);
  expect(first.renewals).toEqual(['token_expired']);

  const other = watch(kit.token({ jti: 'newer' }));
  other.watched.replace(accepted(kit.token({ jti: 'newest' })));
  expect(other.renewals).toEqual([]);
  other.watched.close();
  const joined = watch(text);
  expect(joined.renewals).toEqual(['token_expired']);
  kit.revoke({ claim: 'sid', value: 'session-1' });
  expect(joined.ended).toBe('token_revoked');
});

test('ends a token at its expiry when its iat is later', () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  kit = openTestKit();
  const second = Math.floor(kit.clock.now() / 1_000);
  const one = watch(kit.token({ iat: second + 50, iat_ms: undefined, exp: second + 5 }));
  kit.clock.advance(6_000);
  vi.advanceTimersByTime(1_000);
  expect(one.ended).toBe('token_expired');
});

test('does not call a watcher that another one has closed', () => {
  kit = openTestKit();
  const text = kit.token();
  const other = { close: ignore as () => void };
  kit.guard.watch(accepted(text), { onRenew: ignore, onEnd: () => other.close() });
  const closed = watch(text);
  other.close = () => closed.watched.close();
  kit.revoke({ claim: 'sid', value: 'session-1' });
  expect(closed.ended).toBeUndefined();
});

test('requests a renewal at the time of a soft expiry', () => {
  vi.useFakeTimers({ toFake: ['setInterval'] });
  kit = openTestKit({ softExpiry: { maxAgeMs: 60_000 } });
  const one = watch(kit.token());
  kit.clock.advance(61_000);
  vi.advanceTimersByTime(1_000);
  expect(one.renewals).toEqual(['token_soft_expired']);
  kit.clock.advance(31_000);
  vi.advanceTimersByTime(1_000);
  expect(one.ended).toBe('token_expired');
});

test('follows the successor of a token, and no longer the token', () => {
  kit = openTestKit();
  const one = watch(kit.token({ jti: 'first' }));
  one.watched.replace(accepted(kit.token({ jti: 'second' })));
  kit.revoke({ claim: 'jti', value: 'first', endsSession: true });
  expect(one.ended).toBeUndefined();
  kit.revoke({ claim: 'jti', value: 'second', endsSession: true });
  expect(one.ended).toBe('token_revoked');
});

test('decides by the view as for a request', () => {
  kit = openTestKit();
  const one = watch(kit.token());
  expect(one.watched.decide().accepted).toBe(true);
  kit.makeStale();
  expect(one.watched.decide()).toMatchObject({ error: { code: 'view_stale' } });
  expect(one.ended).toBeUndefined();
});

test('ends a mass of tokens in slices, and other work comes in between', async () => {
  kit = openTestKit();
  const count = 3_000;
  let ended = 0;
  for (let number = 0; number < count; number += 1) {
    const token = accepted(kit.token({ sid: `s${number}` }));
    kit.guard.watch(token, {
      onRenew: ignore,
      onEnd() {
        // The time that the end of a socket takes.
        const until = performance.now() + 0.1;
        while (performance.now() < until);
        ended += 1;
      },
    });
  }
  let turns = 0;
  const turn = () => {
    turns += 1;
    if (ended < count) setImmediate(turn);
  };
  kit.revoke({ claim: 'sub', value: 'user-1' });
  setImmediate(turn);
  await waitFor('every connection has ended', () => ended === count);
  expect(turns).toBeGreaterThanOrEqual(5);
}, 60_000);

test('refuses to watch, and to replace, after the guard was closed', async () => {
  const closed = openTestKit();
  kit = closed;
  const [token, newer] = [accepted(closed.token()), accepted(closed.token({ jti: 'newer' }))];
  const { watched, ...seen } = watch(closed.token());
  await closed.close();
  expect(() => closed.guard.watch(token, { onRenew: ignore, onEnd: ignore })).toThrow(/stopping/i);
  expect(() => watched.replace(newer)).toThrow(/stopping/i);
  expect(seen.renewals).toEqual([]);
});
