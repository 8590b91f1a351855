import { createFollowerCore } from '@rescind/feed';
import { describe, expect, it } from 'vitest';
import { HTTP, KAFKA_AND_HTTP } from '../../support/transports.ts';
import { beat, createBench, EPOCH, event, kinds } from './follower-bench.ts';

/** A follower that has read three events and is whole, its standby stream open for some time. */
function standingBy() {
  const bench = createBench({ feed: KAFKA_AND_HTTP });
  bench.open();
  bench.take('first', event(1), event(2), event(3), beat(3, 0));
  bench.open('second');
  bench.take('second', beat(3, 0));
  bench.pass(1_000);
  bench.take('first', beat(3, 1_000));
  expect(bench.view()).toMatchObject({ whole: true, ready: true, seq: 3, head: 3, way: 'kafka' });
  return bench;
}

/** The first transport brings its heartbeat each second. */
function passWithBeats(bench: ReturnType<typeof createBench>, seconds: number, head: number, from: number) {
  const seen: string[] = [];
  for (let second = 1; second <= seconds; second += 1) {
    seen.push(...kinds(bench.pass(1_000)));
    seen.push(...kinds(bench.take('first', beat(head, from + second * 1_000))));
  }
  return seen;
}

describe('a standby stream', () => {
  it('is opened with the first transport, and asks for nothing while all is well', () => {
    const core = createFollowerCore({ log: 'l', feed: KAFKA_AND_HTTP });
    const { effects } = core.start(undefined, [], { wall: 1, monotonic: 0, random: 0 });
    expect(kinds(effects)).toEqual(['open first', 'open second standby']);
    const bench = standingBy();
    const seen: string[] = [];
    for (let tens = 0; tens < 6; tens += 1) {
      seen.push(...passWithBeats(bench, 10, 3, 1_000 + tens * 10_000));
      seen.push(...kinds(bench.take('second', beat(3, 11_000 + tens * 10_000))));
    }
    expect(seen).toEqual([]);
  });

  it('is not opened where there is one transport only', () => {
    const core = createFollowerCore({ log: 'l', feed: { first: HTTP } });
    expect(kinds(core.start(undefined, [], { wall: 1, monotonic: 0, random: 0 }).effects)).toEqual(['open first']);
  });

  it('is restarted after 25 s without a signed record', () => {
    const bench = standingBy();
    expect(passWithBeats(bench, 23, 3, 1_000)).toEqual([]);
    expect(passWithBeats(bench, 2, 3, 24_000)).toEqual(['restart second']);
  });

  it('raises the head, and says no gap', () => {
    const bench = standingBy();
    bench.take('second', beat(5, 2_000));
    expect(bench.kept).toMatchObject({ seq: 3, head: 5, suspect: null });
    expect(bench.view().whole).toBe(false);
    bench.take('first', event(4), event(5), beat(5, 2_100));
    expect(bench.view()).toMatchObject({ whole: true, suspect: null });
  });

  it('makes the view whole at its head only, with the same last event', () => {
    const bench = standingBy();
    const { wholeAt } = bench.kept;
    bench.take('second', beat(4, 5_000));
    expect(bench.kept.wholeAt).toBe(wholeAt);
    bench.take('first', event(4));
    expect(bench.kept.wholeAt).toBe(wholeAt + 4_000);
    bench.take('second', beat(4, 6_000));
    expect(bench.kept.wholeAt).toBe(wholeAt + 5_000);
    bench.take('second', beat(4, 7_000, { branch: 'x' }));
    expect(bench.kept.suspect).toBe('fork');
  });

  it('is late with a lower head, but for the heartbeat that opens it', () => {
    const bench = standingBy();
    const { wholeAt } = bench.kept;
    bench.take('second', beat(2, 5_000));
    expect(bench.kept).toMatchObject({ suspect: null, wholeAt });
    bench.open('second');
    bench.take('second', beat(2, 6_000));
    expect(bench.kept.suspect).toBe('fork');
  });

  it('makes no instance ready: the first transport may hold more', () => {
    const bench = createBench({ feed: KAFKA_AND_HTTP });
    bench.open();
    bench.open('second');
    bench.take('second', beat(1, 0));
    bench.take('first', event(1, { live: false }), beat(1, 0, { live: false }));
    expect(bench.view()).toMatchObject({ whole: true, ready: false });
    expect(kinds(bench.take('first', event(2), beat(2, 1_000)))).toEqual(['ready']);
  });

  it('does not make the first transport fresh, which is silent after 3 s', () => {
    const bench = standingBy();
    const seen: string[] = [];
    for (let second = 1; second <= 4; second += 1) {
      bench.take('second', beat(3, 1_000 + second * 1_000));
      seen.push(...kinds(bench.pass(1_000)));
    }
    expect(seen).toEqual(['open second']);
    bench.open('second');
    bench.take('second', beat(3, 6_000));
    expect(bench.view().way).toBe('http');
    expect(kinds(bench.take('first', beat(3, 7_000)))).toEqual(['open second standby']);
  });

  it('delivers events that move the position, and no request is made', () => {
    const bench = standingBy();
    bench.take('second', event(2), event(3), event(4), beat(4, 1_500));
    expect(bench.rows.has(`${EPOCH}:4`)).toBe(true);
    expect(bench.view()).toMatchObject({ whole: true, seq: 4, way: 'kafka' });
    expect(kinds(bench.pass(1_500))).toEqual([]);
    bench.take('first', event(4), beat(4, 2_500));
    expect(bench.view()).toMatchObject({ whole: true, seq: 4, suspect: null });
  });

  it('delivers events beyond the position, which passes over them when it gets there', () => {
    const bench = standingBy();
    bench.take('second', event(6), event(7));
    expect(bench.rows.has(`${EPOCH}:7`)).toBe(true);
    expect(bench.kept).toMatchObject({ seq: 3, head: 7, suspect: null });
    bench.take('first', event(4), event(5));
    expect(bench.kept).toMatchObject({ seq: 7, id: 'e7', suspect: null });
  });
});

describe('a position that stays below the head', () => {
  it('makes the log be read by the second transport after 300 ms', () => {
    const bench = standingBy();
    bench.take('second', beat(5, 1_100));
    expect(kinds(bench.pass(300))).toEqual([]);
    expect(kinds(bench.pass(100))).toEqual(['open second']);
    bench.open('second');
    bench.take('second', beat(5, 1_600), event(4), event(5), beat(5, 1_700));
    expect(bench.view()).toMatchObject({ whole: true, way: 'http', seq: 5 });
  });

  it('does not while the first transport moves it', () => {
    const bench = standingBy();
    bench.take('second', beat(20, 1_100));
    const seen: string[] = [];
    for (let seq = 4; seq <= 20; seq += 1) {
      seen.push(...kinds(bench.pass(200)));
      seen.push(...kinds(bench.take('first', event(seq))));
    }
    expect(seen).toEqual([]);
  });

  it('does not before the first transport has come to the present', () => {
    const bench = createBench({ feed: KAFKA_AND_HTTP });
    bench.open('second');
    bench.take('second', beat(9, 0));
    expect(kinds(bench.pass(2_900))).toEqual([]);
  });

  it('does not at once when the process stood still', () => {
    const bench = standingBy();
    bench.take('second', beat(4, 1_100));
    bench.pass(100);
    bench.suspend(2_000);
    expect(kinds(bench.pass(100))).toEqual([]);
  });

  it('is read by it for 10 s, twice as long each time within 5 minutes, and for 5 minutes at most', () => {
    const bench = standingBy();
    let head = 3;
    let from = 1_000;
    const held: number[] = [];
    for (let time = 0; time < 7; time += 1) {
      head += 1;
      bench.take('second', beat(head, from + 50));
      expect(kinds(bench.pass(1_400))).toEqual(['open second']);
      from += 1_400;
      bench.open('second');
      bench.take('second', beat(head, from), event(head), beat(head, from));
      let seconds = 0;
      while (!passWithBeats(bench, 1, head, from).includes('open second standby')) {
        seconds += 1;
        from += 1_000;
      }
      from += 1_000;
      held.push(seconds + 1);
      bench.open('second');
      bench.take('second', beat(head, from));
      passWithBeats(bench, 2, head, from);
      from += 2_000;
    }
    expect(held.map((seconds) => Math.round(seconds / 10) * 10)).toEqual([10, 20, 40, 80, 160, 300, 300]);
  });
});
