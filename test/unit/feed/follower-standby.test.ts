import { createFollowerCore } from '@rescind/feed/core';
import { describe, expect, it } from 'vitest';
import { HTTP, KAFKA_AND_HTTP } from '../../support/transports.ts';
import { beat, createBench, EPOCH, event, kinds } from './follower-bench.ts';

/** A follower that has read three events and has a complete view, its standby stream open for some time. */
function standingBy() {
  const bench = createBench({ feed: KAFKA_AND_HTTP });
  bench.open();
  bench.take('primary', event(1), event(2), event(3), beat(3, 0));
  bench.open('fallback');
  bench.take('fallback', beat(3, 0));
  bench.pass(1_000);
  bench.take('primary', beat(3, 1_000));
  expect(bench.view()).toMatchObject({ complete: true, ready: true, seq: 3, head: 3, transport: 'kafka' });
  return bench;
}

/** The primary transport delivers its heartbeat each second. */
function passWithBeats(bench: ReturnType<typeof createBench>, seconds: number, head: number, from: number) {
  const seen: string[] = [];
  for (let second = 1; second <= seconds; second += 1) {
    seen.push(...kinds(bench.pass(1_000)));
    seen.push(...kinds(bench.take('primary', beat(head, from + second * 1_000))));
  }
  return seen;
}

describe('a standby stream', () => {
  it('is opened with the primary transport, and requests nothing while the primary works', () => {
    const core = createFollowerCore({ log: 'l', feed: KAFKA_AND_HTTP });
    const { effects } = core.start(undefined, [], { wall: 1, monotonic: 0, random: 0 });
    expect(kinds(effects)).toEqual(['open primary', 'open fallback standby']);
    const bench = standingBy();
    const seen: string[] = [];
    for (let tens = 0; tens < 6; tens += 1) {
      seen.push(...passWithBeats(bench, 10, 3, 1_000 + tens * 10_000));
      seen.push(...kinds(bench.take('fallback', beat(3, 11_000 + tens * 10_000))));
    }
    expect(seen).toEqual([]);
  });

  it('is not opened with a single transport', () => {
    const core = createFollowerCore({ log: 'l', feed: { primary: HTTP } });
    expect(kinds(core.start(undefined, [], { wall: 1, monotonic: 0, random: 0 }).effects)).toEqual(['open primary']);
  });

  it('is restarted after 25 s without a signed record', () => {
    const bench = standingBy();
    expect(passWithBeats(bench, 23, 3, 1_000)).toEqual([]);
    expect(passWithBeats(bench, 2, 3, 24_000)).toEqual(['restart fallback']);
  });

  it('raises the head, and reports no gap', () => {
    const bench = standingBy();
    bench.take('fallback', beat(5, 2_000));
    expect(bench.logState).toMatchObject({ seq: 3, head: 5, suspect: null });
    expect(bench.view().complete).toBe(false);
    bench.take('primary', event(4), event(5), beat(5, 2_100));
    expect(bench.view()).toMatchObject({ complete: true, suspect: null });
  });

  it('makes the view complete only at its head, with the same head id', () => {
    const bench = standingBy();
    const { wholeAt } = bench.logState;
    bench.take('fallback', beat(4, 5_000));
    expect(bench.logState.wholeAt).toBe(wholeAt);
    bench.take('primary', event(4));
    expect(bench.logState.wholeAt).toBe(wholeAt + 4_000);
    bench.take('fallback', beat(4, 6_000));
    expect(bench.logState.wholeAt).toBe(wholeAt + 5_000);
    bench.take('fallback', beat(4, 7_000, { branch: 'x' }));
    expect(bench.logState.suspect).toBe('fork');
  });

  it('counts as late with a lower head, except the heartbeat that opens it', () => {
    const bench = standingBy();
    const { wholeAt } = bench.logState;
    bench.take('fallback', beat(2, 5_000));
    expect(bench.logState).toMatchObject({ suspect: null, wholeAt });
    bench.open('fallback');
    bench.take('fallback', beat(2, 6_000));
    expect(bench.logState.suspect).toBe('fork');
  });

  it('makes no instance ready: the primary transport may hold more', () => {
    const bench = createBench({ feed: KAFKA_AND_HTTP });
    bench.open();
    bench.open('fallback');
    bench.take('fallback', beat(1, 0));
    bench.take('primary', event(1, { live: false }), beat(1, 0, { live: false }));
    expect(bench.view()).toMatchObject({ complete: true, ready: false });
    expect(kinds(bench.take('primary', event(2), beat(2, 1_000)))).toEqual(['ready']);
  });

  it('does not make the primary transport fresh, which counts as silent after 3 s', () => {
    const bench = standingBy();
    const seen: string[] = [];
    for (let second = 1; second <= 4; second += 1) {
      bench.take('fallback', beat(3, 1_000 + second * 1_000));
      seen.push(...kinds(bench.pass(1_000)));
    }
    expect(seen).toEqual(['open fallback']);
    bench.open('fallback');
    bench.take('fallback', beat(3, 6_000));
    expect(bench.view().transport).toBe('http');
    expect(kinds(bench.take('primary', beat(3, 7_000)))).toEqual(['open fallback standby']);
  });

  it('delivers events that move the position, without a request', () => {
    const bench = standingBy();
    bench.take('fallback', event(2), event(3), event(4), beat(4, 1_500));
    expect(bench.rows.has(`${EPOCH}:4`)).toBe(true);
    expect(bench.view()).toMatchObject({ complete: true, seq: 4, transport: 'kafka' });
    expect(kinds(bench.pass(1_500))).toEqual([]);
    bench.take('primary', event(4), beat(4, 2_500));
    expect(bench.view()).toMatchObject({ complete: true, seq: 4, suspect: null });
  });

  it('delivers events beyond the position, which later passes over them', () => {
    const bench = standingBy();
    bench.take('fallback', event(6), event(7));
    expect(bench.rows.has(`${EPOCH}:7`)).toBe(true);
    expect(bench.logState).toMatchObject({ seq: 3, head: 7, suspect: null });
    bench.take('primary', event(4), event(5));
    expect(bench.logState).toMatchObject({ seq: 7, id: 'e7', suspect: null });
  });
});

describe('a position that stays below the head', () => {
  it('causes a read by the fallback transport after 300 ms', () => {
    const bench = standingBy();
    bench.take('fallback', beat(5, 1_100));
    expect(kinds(bench.pass(300))).toEqual([]);
    expect(kinds(bench.pass(100))).toEqual(['open fallback']);
    bench.open('fallback');
    bench.take('fallback', beat(5, 1_600), event(4), event(5), beat(5, 1_700));
    expect(bench.view()).toMatchObject({ complete: true, transport: 'http', seq: 5 });
  });

  it('causes no read while the primary transport moves it', () => {
    const bench = standingBy();
    bench.take('fallback', beat(20, 1_100));
    const seen: string[] = [];
    for (let seq = 4; seq <= 20; seq += 1) {
      seen.push(...kinds(bench.pass(200)));
      seen.push(...kinds(bench.take('primary', event(seq))));
    }
    expect(seen).toEqual([]);
  });

  it('causes no read before the primary transport has reached the present', () => {
    const bench = createBench({ feed: KAFKA_AND_HTTP });
    bench.open('fallback');
    bench.take('fallback', beat(9, 0));
    expect(kinds(bench.pass(2_900))).toEqual([]);
  });

  it('causes no read at once after the process stood still', () => {
    const bench = standingBy();
    bench.take('fallback', beat(4, 1_100));
    bench.pass(100);
    bench.suspend(2_000);
    expect(kinds(bench.pass(100))).toEqual([]);
  });

  it('is read by the fallback for 10 s, twice as long each time within 5 minutes, and for 5 minutes at most', () => {
    const bench = standingBy();
    let head = 3;
    let from = 1_000;
    const held: number[] = [];
    for (let time = 0; time < 7; time += 1) {
      head += 1;
      bench.take('fallback', beat(head, from + 50));
      expect(kinds(bench.pass(1_400))).toEqual(['open fallback']);
      from += 1_400;
      bench.open('fallback');
      bench.take('fallback', beat(head, from), event(head), beat(head, from));
      let seconds = 0;
      while (!passWithBeats(bench, 1, head, from).includes('open fallback standby')) {
        seconds += 1;
        from += 1_000;
      }
      from += 1_000;
      held.push(seconds + 1);
      bench.open('fallback');
      bench.take('fallback', beat(head, from));
      passWithBeats(bench, 2, head, from);
      from += 2_000;
    }
    expect(held.map((seconds) => Math.round(seconds / 10) * 10)).toEqual([10, 20, 40, 80, 160, 300, 300]);
  });
});
