import type { LogState } from '@rescind/revocation/log-state';
import { describe, expect, it } from 'vitest';
import { beat, createBench, event, START } from './follower-bench.ts';

const BOOT = { id: 'boot-1', uptimeMs: 1_000_000 };

/** A follower whose view became complete at START by a live heartbeat, and whose wall clock is `aheadMs` ahead of the issuer's. */
function wholeWith(aheadMs: number, boot = BOOT) {
  const bench = createBench({ wallMs: START, boot });
  bench.open();
  bench.take('primary', event(1), beat(1, 0));
  expect(bench.view()).toMatchObject({ complete: true, seq: 1 });
  bench.setWallBack(-aheadMs);
  if (aheadMs !== 0) bench.take('primary', beat(1, 1));
  return bench;
}

/** The view of a process that starts with this state and these clocks. */
function restarted(logState: LogState, wallMs: number, boot?: typeof BOOT) {
  return createBench({ logState: JSON.parse(JSON.stringify(logState)), wallMs, ...(boot && { boot }) }).view().ageMs;
}

describe('the age of a view', () => {
  it('survives a restart on a machine whose wall clock is 120 s behind the issuer', () => {
    const bench = wholeWith(-120_000);
    bench.pass(41_000);
    bench.happens({ kind: 'stop' });
    expect(restarted(bench.logState, START - 120_000 + 46_000)).toBe(46_000);
  });

  it('is stored with each commit, not only with a heartbeat', () => {
    const bench = wholeWith(-120_000);
    bench.pass(30_000);
    bench.take('primary', event(2));
    expect(bench.logState).toMatchObject({ savedAgeMs: 30_000, savedAt: START - 90_000 });
    expect(restarted(bench.logState, START - 80_000)).toBe(40_000);
  });

  it('counts the uptime of the machine between two processes, however the wall clock was set', () => {
    const bench = wholeWith(0);
    bench.happens({ kind: 'stop' });
    const later = { id: BOOT.id, uptimeMs: BOOT.uptimeMs + 70_000 };
    expect(restarted(bench.logState, START + 10_000, later)).toBe(70_000);
    expect(restarted(bench.logState, START + 10_000, { ...later, id: 'boot-2' })).toBe(10_000);
  });

  it('is unknown after a restart with the wall clock behind the saved one, and stays so after the next', () => {
    const bench = wholeWith(0);
    bench.pass(5_000);
    bench.happens({ kind: 'stop' });
    const second = createBench({ logState: bench.logState, wallMs: START + 4_000 });
    expect(second.view().ageMs).toBe(Number.POSITIVE_INFINITY);
    second.pass(100);
    expect(second.effects[0]).toMatchObject({ kind: 'commit', change: { state: { savedAgeMs: null } } });
    expect(restarted(second.logState, START + 60_000)).toBe(Number.POSITIVE_INFINITY);
  });

  it('is stored when the wall clock is set, so a clock set back hides nothing after a restart', () => {
    const bench = wholeWith(0);
    bench.pass(60_000);
    bench.setWallBack(50_000);
    bench.pass(100);
    expect(bench.logState).toMatchObject({ savedAt: START + 10_100, savedAgeMs: 60_100 });
    expect(restarted(bench.logState, START + 15_100)).toBe(65_100);
  });

  it('counts a suspension that only the wall and boot clocks show', () => {
    const bench = wholeWith(-120_000);
    bench.suspend(45_000);
    expect(bench.view().ageMs).toBe(45_000);
    bench.setWallBack(45_000);
    bench.pass(100);
    expect(bench.view().ageMs).toBe(45_100);
  });

  it('decreases by a stored heartbeat only by the difference of the two times', () => {
    const bench = wholeWith(-120_000);
    bench.pass(50_000);
    bench.take('primary', beat(1, 20_001, { live: false }));
    expect(bench.logState.wholeAt).toBe(START + 20_001);
    expect(bench.view().ageMs).toBe(30_000);
    bench.take('primary', beat(1, 49_000));
    expect(bench.view().ageMs).toBe(0);
  });

  it('counts from the receipt of the heartbeat, if the view became complete by it later', () => {
    const bench = wholeWith(-120_000);
    bench.take('primary', beat(2, 1_000));
    bench.pass(9_000);
    bench.take('primary', event(2));
    expect(bench.logState.wholeAt).toBe(START + 1_000);
    expect(bench.view().ageMs).toBe(9_000);
  });

  it('of a file of the previous version is as that version computed it', () => {
    const { savedAgeMs: _, savedBoot: __, ...logState } = wholeWith(0).logState;
    expect(restarted({ ...logState, savedAt: START + 3_000 }, START + 8_000)).toBe(8_000);
    expect(restarted({ ...logState, savedAt: START + 9_000 }, START + 8_000)).toBe(Number.POSITIVE_INFINITY);
  });
});
