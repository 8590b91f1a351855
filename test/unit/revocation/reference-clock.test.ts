import type { EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, createManualClock } from '@rescind/revocation';
import type { TrustedClock } from '@rescind/revocation/issuer-clock';
import { createIssuerClock, createReferenceClock } from '@rescind/revocation/issuer-clock';
import { describe, expect, test } from 'vitest';

const START = 1_700_000_000_000;
const HOUR_MS = 3_600_000;

/** An issuer whose wall clock is ahead of a publisher's, which is right. */
function setUp(aheadMs: number, { floor: least = 0, trusted }: { floor?: EpochMillis; trusted?: TrustedClock } = {}) {
  const wall = createManualClock(START + aheadMs);
  const floor = {
    at: least,
    get: () => floor.at,
    set: (at: EpochMillis) => {
      floor.at = at;
    },
  };
  const reference = createReferenceClock(wall, CLOCK_TOLERANCE_MS, trusted);
  const clock = createIssuerClock(wall, floor, CLOCK_TOLERANCE_MS, reference);
  const rightTime = () => START + wall.monotonic();
  const acknowledge = (tookMs = 2) => reference.compare(rightTime(), tookMs);
  return { wall, floor, clock, reference, acknowledge, rightTime };
}

const code = (expected: string) => expect.objectContaining({ code: expected });

describe('before the comparison', () => {
  test('minting and cut-offs wait, and heartbeats have the time of the floor', () => {
    const { clock } = setUp(HOUR_MS, { floor: START - 5_000 });
    expect(() => clock.mint()).toThrow(code('clock_ahead'));
    expect(() => clock.cutOff()).toThrow(code('clock_ahead'));
    expect(() => clock.requireComparison()).toThrow(code('clock_ahead'));
    expect(clock.heartbeat()).toEqual({ at: START - 5_000, wall: START - 5_000 });
  });

  test.each([
    ['3 s later', (set: ReturnType<typeof setUp>) => set.wall.advance(3_000)],
    ['when the publisher is away', (set: ReturnType<typeof setUp>) => set.reference.abandon()],
  ])('the wait ends %s', (_, happens) => {
    const set = setUp(0);
    happens(set);
    expect(set.reference.state()).toBe('unknown');
    expect(set.clock.mint()).toBe(set.wall.now());
    expect(set.clock.heartbeat().at).toBe(set.wall.now());
  });

  test('a time returned before the comparison does not count if the clock was ahead', () => {
    const { clock, reference, acknowledge, rightTime } = setUp(HOUR_MS);
    reference.abandon();
    expect(clock.now()).toBe(START + HOUR_MS);
    acknowledge();
    expect(clock.now()).toBe(rightTime());
  });

  test('a time returned before the comparison does not count if the wall clock is corrected at that moment', () => {
    const { wall, clock, acknowledge, rightTime } = setUp(HOUR_MS);
    expect(clock.now()).toBe(START + HOUR_MS);
    acknowledge();
    wall.setWall(rightTime());
    expect([clock.mint(), clock.leadMs()]).toEqual([rightTime(), 0]);
  });

  test('the floor has what was minted meanwhile, and no time is below it', () => {
    const { clock, reference, acknowledge } = setUp(HOUR_MS);
    reference.abandon();
    const minted = clock.mint();
    acknowledge();
    expect(clock.now()).toBe(minted);
    expect(clock.leadMs()).toBe(HOUR_MS);
  });
});

describe.each([
  ['ahead of', HOUR_MS],
  ['behind', -HOUR_MS],
  ['61 s ahead of', 61_000],
  ['61 s behind', -61_000],
])('a wall clock that is %s the publisher’s', (_, aheadMs) => {
  test('blocks minting, and the slower of the two is used', () => {
    const { wall, clock, reference, acknowledge } = setUp(aheadMs);
    acknowledge();
    wall.advance(1_000);
    expect(() => clock.mint()).toThrow(code('clock_parted'));
    expect(clock.isMintingBlocked()).toBe(true);
    expect(clock.now()).toBe(START + 1_000 + Math.min(0, aheadMs));
    expect(Math.abs(reference.differenceMs() - aheadMs)).toBeLessThanOrEqual(2);
    expect(clock.cutOff()).toBe(START + 1_000 + Math.min(0, aheadMs));
  });

  test('permits minting as soon as it agrees, without another acknowledgement', () => {
    const { wall, clock, reference, acknowledge, rightTime } = setUp(aheadMs);
    acknowledge();
    wall.advance(10_000);
    wall.setWall(rightTime());
    expect(clock.mint()).toBe(rightTime());
    expect([reference.state(), reference.differenceMs(), clock.clockDifferenceMs()]).toEqual(['agreed', 0, 0]);
  });

  test('permits minting when an acknowledgement shows that the publisher’s clock was wrong', () => {
    const { wall, clock, reference, acknowledge } = setUp(aheadMs);
    acknowledge();
    reference.compare(wall.now(), 2);
    expect(clock.mint()).toBe(wall.now());
  });

  test('is used while the operator trusts the issuer', () => {
    const { wall, clock, acknowledge } = setUp(aheadMs, { trusted: 'issuer' });
    expect(clock.mint()).toBe(wall.now());
    acknowledge();
    expect(clock.mint()).toBe(wall.now());
  });

  test('is ignored while the operator trusts the publisher, whose time is used for minting', () => {
    const { wall, clock, acknowledge, rightTime } = setUp(aheadMs, { trusted: 'publisher' });
    wall.advance(10_000);
    expect(() => clock.mint()).toThrow(code('clock_parted'));
    acknowledge();
    wall.advance(500);
    expect(clock.mint()).toBe(rightTime());
    expect(clock.heartbeat()).toEqual({ at: rightTime(), wall: rightTime() });
  });
});

describe('clocks that agree', () => {
  test.each([0, 59_000, -59_000])(
    'within 60 s (%i ms) are minted by the wall clock, and not compared again',
    (aheadMs) => {
      const { wall, clock, reference, acknowledge } = setUp(aheadMs);
      acknowledge();
      expect(clock.mint()).toBe(wall.now());
      reference.compare(START + HOUR_MS, 2);
      expect([reference.state(), clock.mint()]).toEqual(['agreed', wall.now()]);
    },
  );

  test('a slow acknowledgement is not taken for a difference', () => {
    const { wall, reference } = setUp(0);
    wall.advance(90_000);
    reference.compare(START + 1_000, 90_000);
    expect(reference.state()).toBe('agreed');
  });

  test('the monotonic clock shows a later jump of the wall clock', () => {
    const { wall, clock, acknowledge } = setUp(0);
    acknowledge();
    wall.setWall(START + HOUR_MS);
    expect(() => clock.mint()).toThrow(code('clock_parted'));
  });
});
