import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import { prunableBefore } from '@rescind/revocation/log-state';
import { describe, expect, it } from 'vitest';
import type { Bench } from './follower-bench.ts';
import { beat, createBench, event, KID, kinds, START } from './follower-bench.ts';

const HOUR_MS = 3_600_000;
const NEXT = '0002-next';

/** A follower with a complete view from before the issuer's clock began to lead. */
function wholeBefore(): Bench {
  const bench = createBench();
  bench.open();
  bench.take('primary', event(1), beat(1, 0));
  expect(bench.view()).toMatchObject({ complete: true, suspect: null, logTime: START });
  return bench;
}

/** The epoch that the command opened is named, and read to its head. */
function enterNext(bench: Bench): void {
  const place = { epoch: NEXT, seq: 1, id: 'n1', prev: null } as const;
  const first = { ...event(1), ...place } as ReturnType<typeof event>;
  bench.take('primary', first);
  bench.fetched([KID], NEXT);
  bench.open();
  bench.take('primary', first);
}

/** A record of a key that is not known yet. */
const unknownKey = (kid: string) =>
  ({
    kind: 'bad',
    reason: 'key_unknown',
    jws: `unknown ${kid}`,
    live: true,
    hint: '7',
    claimed: { kid: kid.padEnd(43, '_'), epoch: '0002-b' },
  }) as unknown as ReturnType<typeof event>;

const nextBeat = (after: number, more: { leadMs?: number; live?: boolean } = {}) =>
  ({ ...beat(1, after, { timeSince: NEXT, ...more }), epoch: NEXT, headId: 'n1' }) as ReturnType<typeof beat>;

describe('a heartbeat from ahead', () => {
  it('moves neither log time nor the low watermark, and keeps a complete view complete', () => {
    const bench = wholeBefore();
    bench.pass(5_000);
    bench.take('primary', event(2), beat(2, 5_000, { leadMs: HOUR_MS, floor: 2 }));
    expect(bench.logState).toMatchObject({ logTime: START, floor: 1, seq: 2 });
    expect(bench.view()).toMatchObject({ complete: true, suspect: null, ageMs: 0 });
  });

  it('is as old as the wall clock of the issuer shows', () => {
    const bench = wholeBefore();
    bench.pass(30_000);
    bench.take('primary', beat(1, 10_000, { leadMs: HOUR_MS }));
    expect(bench.view().ageMs).toBe(20_000);
    bench.happens({ kind: 'stop' });
    const restarted = createBench({ logState: bench.logState, wallMs: START + 40_000 });
    expect(restarted.view().ageMs).toBe(30_000);
  });

  it('completes no first view: the view is suspect, and the instance not ready', () => {
    const bench = createBench();
    bench.open();
    const effects = bench.take('primary', event(1), beat(1, 0, { leadMs: HOUR_MS }));
    expect(bench.view()).toMatchObject({ complete: false, suspect: 'clock', ready: false, seq: 1 });
    expect(effects).toContainEqual(expect.objectContaining({ kind: 'log', event: 'feed_heartbeat_ahead' }));
    expect(effects).toContainEqual(
      expect.objectContaining({ metric: 'rescind_heartbeats_total', labels: { result: 'ahead' } }),
    );
    const agreed = bench.take('primary', beat(1, 1_000, { leadMs: CLOCK_TOLERANCE_MS - 1_000 }));
    expect(bench.view()).toMatchObject({ complete: true, suspect: null, ready: true });
    expect(agreed).toContainEqual(expect.objectContaining({ kind: 'log', event: 'feed_heartbeat_agrees' }));
    expect(kinds(agreed)).not.toContain('restart primary');
  });

  it('completes no new epoch, nor after a restart', () => {
    const bench = wholeBefore();
    enterNext(bench);
    bench.take('primary', nextBeat(1_000, { leadMs: HOUR_MS }));
    expect(bench.view()).toMatchObject({ epoch: NEXT, seq: 1, complete: false, suspect: 'clock' });
    const again = createBench({ logState: bench.logState, wallMs: START + 2_000 });
    again.open();
    again.take('primary', nextBeat(2_000, { leadMs: HOUR_MS }));
    expect(again.view()).toMatchObject({ complete: false, suspect: 'clock' });
    again.take('primary', nextBeat(2_000));
    expect(again.view()).toMatchObject({ complete: true, suspect: null });
  });

  it('completes no first view after a wait for the keys', () => {
    const bench = createBench();
    bench.open();
    bench.take('primary', event(1), unknownKey('a'), beat(1, 0, { leadMs: HOUR_MS }));
    const begunAt = bench.state.eventKeys.requested?.since ?? 0;
    // Another record arrives while the set is fetched: that set does not decide about it.
    bench.pass(100);
    bench.take('primary', unknownKey('b'));
    bench.happens({ kind: 'keys', set: { kids: [KID], epoch: bench.logState.epoch, epochKid: KID, begunAt } });
    expect(bench.state.eventKeys.unknown.size).toBe(1);
    expect(bench.logState.wholeAt).toBe(0);
    expect(bench.view()).toMatchObject({ complete: false, ready: false });
  });

  it('sets log time when the wall clock is corrected and the view becomes complete by it', () => {
    const bench = wholeBefore();
    enterNext(bench);
    // The clock of the issuer was not set: the time of the former epoch remains valid.
    bench.take('primary', { ...nextBeat(1_000, { leadMs: HOUR_MS }), timeSince: null } as ReturnType<typeof beat>);
    expect(bench.logState.logTime).toBe(START);
    bench.setWallBack(-HOUR_MS);
    bench.take('primary', { ...event(2), epoch: NEXT, id: 'n2', prev: 'n1' } as ReturnType<typeof event>);
    expect(bench.view()).toMatchObject({ epoch: NEXT, suspect: null });
    expect(bench.logState).toMatchObject({ logTime: START + 1_000 + HOUR_MS, logTimeEpoch: NEXT });
    bench.setWallBack(HOUR_MS);
    expect(bench.logState.logTime).toBe(START + 1_000 + HOUR_MS);
  });

  it('completes no other history', () => {
    const bench = wholeBefore();
    bench.take('primary', beat(1, 1_000, { branch: 'x' }));
    expect(bench.view().suspect).toBe('fork');
    bench.open();
    bench.take('primary', event(1), beat(1, 2_000, { leadMs: HOUR_MS }));
    expect(bench.view()).toMatchObject({ complete: false, suspect: 'clock' });
    bench.take('primary', beat(1, 3_000));
    expect(bench.view()).toMatchObject({ complete: true, suspect: null });
  });
});

describe('log time, after the clock of the issuer was set', () => {
  /** A reader with log time an hour ahead, because its own clock was ahead, too. */
  function ahead(): Bench {
    const bench = createBench({ wallMs: START + HOUR_MS });
    bench.open();
    bench.take('primary', event(1), beat(1, 0, { leadMs: HOUR_MS }));
    expect(bench.logState.logTime).toBe(START + HOUR_MS);
    bench.setWallBack(HOUR_MS);
    return bench;
  }

  it('stays until the view is complete in that epoch, and then becomes the time of the heartbeat', () => {
    const bench = ahead();
    enterNext(bench);
    const notYet = { ...nextBeat(1_000), head: 2, headId: 'n2' } as ReturnType<typeof beat>;
    bench.take('primary', notYet);
    expect(bench.logState).toMatchObject({ epoch: NEXT, timeSince: NEXT, logTime: START + HOUR_MS });
    expect(bench.view().prunableBefore).toBe(0);
    expect(prunableBefore(bench.logState, START + 2 * HOUR_MS)).toBe(0);
    const second = { ...event(2), epoch: NEXT, seq: 2, id: 'n2', prev: 'n1' } as ReturnType<typeof event>;
    const effects = bench.take('primary', second);
    expect(bench.view()).toMatchObject({ complete: true, logTime: START + 1_000 });
    expect(effects[0]).toMatchObject({
      kind: 'commit',
      change: { state: { logTime: START + 1_000, logTimeEpoch: NEXT, wholeAt: START + 1_000 } },
    });
  });

  it('prunes nothing from the first record of the next epoch until that epoch reports the set clock', () => {
    const bench = ahead();
    expect(bench.view().prunableBefore).toBe(START);
    const first = { ...event(1), epoch: NEXT, id: 'n1', prev: null } as ReturnType<typeof event>;
    bench.take('primary', first);
    expect(bench.logState.epoch).not.toBe(NEXT);
    expect(bench.view().prunableBefore).toBe(0);
    bench.fetched([KID], NEXT);
    expect(bench.logState).toMatchObject({ epoch: NEXT, logTime: START + HOUR_MS });
    expect(bench.view().prunableBefore).toBe(0);
    expect(prunableBefore(bench.logState, START + 2 * HOUR_MS)).toBe(0);
    bench.open();
    bench.take('primary', first, { ...nextBeat(2 * HOUR_MS), timeSince: null } as ReturnType<typeof beat>);
    bench.setWallBack(-2 * HOUR_MS);
    expect(bench.logState.logTime).toBe(START + HOUR_MS);
    bench.take('primary', { ...nextBeat(2 * HOUR_MS + 1_000), timeSince: null } as ReturnType<typeof beat>);
    expect(bench.view().prunableBefore).toBe(START + 2 * HOUR_MS + 1_000 - CLOCK_TOLERANCE_MS);
  });

  it('prunes nothing while no epoch is followed', () => {
    const bench = ahead();
    bench.take('primary', event(2, { kills: [KID] }));
    expect(bench.logState.epoch).toBe('');
    expect(bench.view().prunableBefore).toBe(0);
    expect(prunableBefore(bench.logState, START + 2 * HOUR_MS)).toBe(0);
  });

  it('rises again, and never falls in that epoch', () => {
    const bench = ahead();
    enterNext(bench);
    bench.take('primary', nextBeat(1_000));
    bench.take('primary', nextBeat(5_000));
    expect(bench.logState.logTime).toBe(START + 5_000);
    bench.take('primary', nextBeat(4_000));
    expect(bench.logState.logTime).toBe(START + 5_000);
  });

  it('is set also in a file without its epoch', () => {
    const bench = ahead();
    enterNext(bench);
    bench.take('primary', nextBeat(1_000));
    const { logTimeEpoch: _, timeSince: __, wholeWall: ___, ...before } = bench.logState;
    const upgraded = createBench({ logState: { ...before, logTime: START + HOUR_MS }, wallMs: START + 2_000 });
    upgraded.open();
    upgraded.take('primary', nextBeat(2_000));
    expect(upgraded.logState).toMatchObject({ logTime: START + 2_000, logTimeEpoch: NEXT });
  });

  it('prunes no more than the wall clock of this machine allows', () => {
    const times = { logTime: START + HOUR_MS, logTimeEpoch: NEXT, timeSince: NEXT };
    expect(prunableBefore(times, START)).toBe(START);
    expect(prunableBefore(times, START + 2 * HOUR_MS)).toBe(START + HOUR_MS - CLOCK_TOLERANCE_MS);
    expect(prunableBefore({ logTime: 0 }, START)).toBe(0);
  });
});
