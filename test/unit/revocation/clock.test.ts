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
  test('whatever is minted before a cut-off is at or before it, whatever is minted after is later', () => {
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

  test('never goes back below what was persisted, in another process either', () => {
    const floor = keptFloor(START + 20_000);
    const clock = createIssuerClock(createManualClock(START), floor);
    expect(clock.now()).toBe(START + 20_000);
    expect(clock.mint()).toBe(START + 20_000);
  });

  test('in one millisecond: mint, cut-off, mint', () => {
    const { clock } = setUp();
    const before = clock.mint();
    const cut = clock.cutOff();
    const after = clock.mint();
    expect([before, cut, after]).toEqual([START, START, START + 1]);
  });

  test('mints no more when wall and monotonic clock have parted by more than the tolerance', () => {
    const { wall, clock } = setUp(5_000);
    wall.setWall(START + 5_000);
    expect(clock.clockDifferenceMs()).toBe(5_000);
    expect(clock.mint()).toBe(START + 5_000);
    wall.setWall(START + 10_001);
    expect(() => clock.mint()).toThrow(code('clock_parted'));
    wall.setWall(START - 5_001);
    expect(() => clock.mint()).toThrow(code('clock_parted'));
  });

  test('of two clocks that have parted the slower is taken, and cut-offs go on', () => {
    const { wall, clock } = setUp(5_000);
    wall.advance(1_000);
    wall.setWall(START + 3_600_000);
    expect(clock.now()).toBe(START + 1_000);
    expect(clock.cutOff()).toBe(START + 1_000);
  });

  test('lets cut-offs wait when a burst of them has pushed it a second ahead of the wall', () => {
    const { wall, clock } = setUp();
    for (let index = 0; index <= 1_000; index++) clock.cutOff();
    expect(() => clock.cutOff()).toThrow(code('clock_ahead'));
    wall.advance(1);
    expect(clock.cutOff()).toBe(START + 1_001);
  });

  test('that leads goes on at half speed, so that the wall clock catches up in twice the lead', () => {
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

  test('that leads lets cut-offs pass all the same, and mints nothing', () => {
    const wall = createManualClock(START);
    const clock = createIssuerClock(wall, keptFloor(START + 3_600_000));
    for (let index = 0; index < 500; index++) expect(clock.cutOff()).toBe(START + 3_600_000 + index);
    for (let index = 0; index <= 500; index++) clock.cutOff();
    expect(() => clock.cutOff()).toThrow(code('clock_ahead'));
    wall.advance(10_000);
    expect(clock.cutOff()).toBeGreaterThan(START + 3_600_000);
    expect(() => clock.mint()).toThrow(code('clock_parted'));
  });

  test('a tolerance of more than a minute, or that is no length, is refused', () => {
    for (const tolerance of [60_001, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => setUp(tolerance)).toThrow(TypeError);
    }
  });
});
