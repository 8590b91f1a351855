import type { EpochMillis } from '@rescind/revocation';
import { createManualClock } from '@rescind/revocation';
import type { ClockFloor } from '@rescind/revocation/issuer-clock';
import { createIssuerClock } from '@rescind/revocation/issuer-clock';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const START = 1_700_000_000_000;

function keptFloor(at: EpochMillis = 0): ClockFloor & { at: EpochMillis } {
  const floor = {
    at,
    get: () => floor.at,
    set: (to: EpochMillis) => {
      floor.at = to;
    },
  };
  return floor;
}

function setUp(toleranceMs?: number) {
  const wall = createManualClock(START);
  const floor = keptFloor();
  return { wall, floor, clock: createIssuerClock(wall, floor, toleranceMs) };
}

const code = (expected: string) => expect.objectContaining({ code: expected });

describe("the issuer's clock", () => {
  test('tokens minted before a cut-off are at or before it, tokens minted after it are later', () => {
    const steps = fc.array(
      fc.oneof(
        fc.constant('mint' as const),
        fc.constant('cutOff' as const),
        fc.constant('restart' as const),
        fc.integer({ min: 0, max: 3 }),
        fc.integer({ min: -40_000, max: 40_000 }).map((by) => ({ jump: by })),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(steps, (taken) => {
        const { wall, floor, clock: first } = setUp();
        let clock = first;
        let latestMint = 0;
        let latestCutOff = 0;
        for (const step of taken) {
          if (typeof step === 'number') wall.advance(step);
          else if (typeof step === 'object') wall.setWall(wall.now() + step.jump);
          else if (step === 'restart') clock = createIssuerClock(wall, floor);
          else {
            const before = clock.now();
            try {
              const at = clock[step]();
              expect(at).toBeGreaterThanOrEqual(before);
              expect(clock.now()).toBeGreaterThanOrEqual(at);
              if (step === 'mint') {
                expect(at).toBeGreaterThanOrEqual(latestMint);
                expect(at).toBeGreaterThan(latestCutOff);
                latestMint = at;
              } else {
                expect(at).toBeGreaterThanOrEqual(latestMint);
                expect(at).toBeGreaterThan(latestCutOff);
                latestCutOff = at;
              }
            } catch (error) {
              expect(error).toEqual(expect.objectContaining({ code: expect.stringMatching(/^clock_(parted|ahead)$/) }));
            }
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('never goes below the persisted floor, also in another process', () => {
    const floor = keptFloor(START + 20_000);
    const clock = createIssuerClock(createManualClock(START), floor);
    expect(clock.now()).toBe(START + 20_000);
    expect(clock.mint()).toBe(START + 20_000);
  });

  test('orders mint, cut-off and mint within one millisecond', () => {
    const { clock } = setUp();
    const before = clock.mint();
    const cut = clock.cutOff();
    const after = clock.mint();
    expect([before, cut, after]).toEqual([START, START, START + 1]);
  });

  test('stops minting when wall and monotonic clock differ by more than the tolerance', () => {
    const { wall, clock } = setUp(5_000);
    wall.setWall(START + 5_000);
    expect(clock.clockDifferenceMs()).toBe(5_000);
    expect(clock.mint()).toBe(START + 5_000);
    wall.setWall(START + 10_001);
    expect(() => clock.mint()).toThrow(code('clock_parted'));
    wall.setWall(START - 5_001);
    expect(() => clock.mint()).toThrow(code('clock_parted'));
  });

  test('uses the slower of two clocks that differ, and continues cut-offs', () => {
    const { wall, clock } = setUp(5_000);
    wall.advance(1_000);
    wall.setWall(START + 3_600_000);
    expect(clock.now()).toBe(START + 1_000);
    expect(clock.cutOff()).toBe(START + 1_000);
  });

  test('delays cut-offs when a burst has pushed it a second ahead of the wall clock', () => {
    const { wall, clock } = setUp();
    for (let index = 0; index <= 1_000; index++) clock.cutOff();
    expect(() => clock.cutOff()).toThrow(code('clock_ahead'));
    wall.advance(1);
    expect(clock.cutOff()).toBe(START + 1_001);
  });

  test('runs at half speed while it leads, so that the wall clock catches up in twice the lead', () => {
    const wall = createManualClock(START);
    const clock = createIssuerClock(wall, keptFloor(START + 3_600_000));
    expect(clock.leadMs()).toBe(3_600_000);
    const before = clock.now();
    wall.advance(1_000);
    expect(clock.now()).toBe(before + 500);
    wall.advance(7_199_000);
    expect(clock.leadMs()).toBe(0);
    expect(clock.now()).toBe(START + 7_200_000);
  });

  test('allows cut-offs while it leads, and mints nothing', () => {
    const wall = createManualClock(START);
    const clock = createIssuerClock(wall, keptFloor(START + 3_600_000));
    for (let index = 0; index < 500; index++) expect(clock.cutOff()).toBe(START + 3_600_000 + index);
    for (let index = 0; index <= 500; index++) clock.cutOff();
    expect(() => clock.cutOff()).toThrow(code('clock_ahead'));
    wall.advance(10_000);
    expect(clock.cutOff()).toBeGreaterThan(START + 3_600_000);
    expect(() => clock.mint()).toThrow(code('clock_parted'));
  });

  test('refuses a tolerance above a minute, and one that is no duration', () => {
    for (const tolerance of [60_001, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => setUp(tolerance)).toThrow(TypeError);
    }
  });
});
