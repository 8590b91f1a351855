import { describe, expect, it } from 'vitest';
import { KAFKA_AND_HTTP } from '../../support/transports.ts';
import type { Bench } from './follower-bench.ts';
import { beat, createBench, event, notUnderstood, START } from './follower-bench.ts';

const BOOT = { id: 'boot-1', uptimeMs: 1_000_000 };
const NEXT = { epoch: '0002-b', kid: 'key-2' };

/** A follower with a complete view as of now, whose fallback stands by if the feed has one that can. */
function complete(feed = KAFKA_AND_HTTP): Bench {
  const bench = createBench({ boot: BOOT, feed });
  bench.open();
  bench.open('fallback');
  bench.take('primary', event(1), beat(1, 0));
  expect(bench.view()).toMatchObject({ complete: true, ready: true });
  return bench;
}

/** Whether a tick may be omitted at each of some times, in ms, without records and ticks until then. */
function quietAt(bench: Bench, ...times: number[]): boolean[] {
  let passed = 0;
  return times.map((time) => {
    bench.elapse(time - passed);
    passed = time;
    return bench.isQuiet();
  });
}

describe('a tick may be omitted', () => {
  it('while a complete reader hears heartbeats, and until the primary transport is silent', () => {
    expect(quietAt(complete(), 0, 100, 2_900, 3_000)).toEqual([true, true, true, false]);
  });

  it('between heartbeats in the same way for hours', () => {
    const bench = complete();
    for (let second = 1; second <= 50; second += 1) {
      bench.pass(1_000);
      bench.take('primary', beat(1, second * 1_000));
      if (second % 10 === 0) bench.take('fallback', beat(1, second * 1_000));
      expect(bench.isQuiet()).toBe(true);
    }
  });

  const busy: readonly (readonly [string, (bench: Bench) => unknown])[] = [
    ['the view has a gap', (bench) => bench.take('primary', event(3))],
    ['the standby stream is ahead', (bench) => bench.take('fallback', event(3))],
    ['an event is quarantined', (bench) => bench.take('primary', notUnderstood(2))],
    ['another epoch is announced', (bench) => bench.take('primary', event(1, NEXT))],
    ['the fetch of a key is due', (bench) => bench.take('primary', event(2, { kills: ['key-9'] }))],
    ['the wall clock was set back', (bench) => bench.setWallBack(1_001)],
    [
      'the machine was suspended and its wall clock set back',
      (bench) => {
        bench.suspend(200);
        bench.setWallBack(200);
      },
    ],
  ];
  it.each(busy)('not when %s', (_, happen) => {
    const bench = complete();
    expect(bench.isQuiet()).toBe(true);
    happen(bench);
    expect(bench.isQuiet()).toBe(false);
  });

  it('not before the reader is ready', () => {
    const bench = createBench();
    bench.open();
    bench.take('primary', event(1, { live: false }), beat(1, 0, { live: false }));
    expect(bench.view()).toMatchObject({ complete: true, ready: false });
    expect(bench.isQuiet()).toBe(false);
  });

  it('not when the standby stream is silent', () => {
    const bench = complete();
    for (let second = 1; second <= 24; second += 1) {
      bench.pass(1_000);
      bench.take('primary', beat(1, second * 1_000));
      expect(bench.isQuiet()).toBe(true);
    }
    bench.pass(900);
    bench.take('primary', beat(1, 24_900));
    expect(quietAt(bench, 0, 100)).toEqual([true, false]);
  });

  it('not at the start with a stored view, whose age is to be committed', () => {
    const { logState } = complete();
    const bench = createBench({ logState, wallMs: START + 1_000 });
    expect(bench.isQuiet()).toBe(false);
  });
});
