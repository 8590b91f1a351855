import { createFollowerCore } from '@rescind/feed/core';
import { describe, expect, it } from 'vitest';
import { HTTP, KAFKA_AND_HTTP } from '../../support/transports.ts';
import { beat, createBench, EPOCH, event, KID, kinds, notUnderstood, START } from './follower-bench.ts';

/** A follower that has read three events and has a complete view. */
function wholeAtThree(options: Parameters<typeof createBench>[0] = {}) {
  const bench = createBench(options);
  bench.open();
  bench.take('primary', event(1), event(2), event(3), beat(3, 0));
  expect(bench.view()).toMatchObject({ complete: true, ready: true, seq: 3, head: 3 });
  return bench;
}

/** A follower that has read three events, with its fallback transport open after the primary fell silent. */
function withSecond() {
  const bench = wholeAtThree();
  expect(kinds(bench.pass(3_600))).toEqual(['open fallback']);
  bench.open('fallback');
  return bench;
}

describe('the position', () => {
  it('moves with each event in order, and is committed with its rows', () => {
    const bench = createBench();
    bench.open();
    const [commit] = bench.take('primary', event(1, { hint: '11' }), event(2, { hint: '12' }));
    expect(commit).toMatchObject({
      kind: 'commit',
      change: { state: { epoch: EPOCH, seq: 2, id: 'e2', head: 2, hint: '12', proof: 'event e2' } },
    });
    expect(bench.effects.filter(({ kind }) => kind === 'commit')).toHaveLength(1);
    expect([...bench.rows]).toEqual([`${EPOCH}:1`, `${EPOCH}:2`]);
  });

  it('does not move for a repeated event, which is applied', () => {
    const bench = wholeAtThree();
    bench.rows.clear();
    bench.take('primary', event(2));
    expect(bench.logState.seq).toBe(3);
    expect(bench.rows.has(`${EPOCH}:2`)).toBe(true);
  });

  it('does not move over a gap; events beyond it are applied, and count once the gap is closed', () => {
    const bench = wholeAtThree();
    bench.take('primary', event(5), event(6));
    expect(bench.logState).toMatchObject({ seq: 3, head: 6, suspect: 'gap' });
    expect(bench.rows.has(`${EPOCH}:6`)).toBe(true);
    bench.take('primary', event(4));
    expect(bench.logState).toMatchObject({ seq: 6, id: 'e6', suspect: null });
  });

  it('does not pass over events that are not chained to it', () => {
    const bench = wholeAtThree();
    bench.take('primary', event(5, { branch: 'x' }));
    bench.take('primary', event(4));
    expect(bench.logState.suspect).toBe('fork');
  });

  it('below the low watermark jumps to it, with an unknown id until a heartbeat names it', () => {
    const bench = createBench();
    bench.open('primary');
    bench.take('primary', beat(7, 0, { floor: 6, live: false }));
    expect(bench.logState).toMatchObject({ seq: 5, id: null, floor: 6 });
    bench.take('primary', event(6, { prev: 'whatever' }), event(7), beat(7, 100));
    expect(bench.view()).toMatchObject({ seq: 7, complete: true });
  });

  it('takes the id from the heartbeat when no event denies any more', () => {
    const bench = createBench();
    bench.open();
    bench.take('primary', beat(7, 0, { floor: 8 }));
    expect(bench.logState).toMatchObject({ seq: 7, id: 'e7' });
    expect(bench.view().complete).toBe(true);
  });

  it('needs no fallback transport to read a topic that begins in the middle', () => {
    const bench = createBench();
    bench.open();
    const done = bench.take(
      'primary',
      beat(4, 0, { floor: 2, live: false }),
      ...[5, 6, 7].map((seq) => event(seq, { live: false })),
      beat(7, 500, { floor: 6, live: false }),
    );
    expect(kinds(done)).toEqual([]);
    expect(bench.logState).toMatchObject({ seq: 7, suspect: null });
  });
});

describe('a view', () => {
  it('is not complete below the greatest known head', () => {
    const bench = createBench();
    bench.open('primary');
    bench.take('primary', event(1), beat(2, 0, { live: false }));
    expect(bench.view()).toMatchObject({ complete: false, lag: 1, ageMs: Number.POSITIVE_INFINITY });
    bench.take('primary', event(2));
    // Only the wall clock shows the age of a stored heartbeat, which is not enough for a first view.
    expect(bench.view()).toMatchObject({ complete: true, lag: 0, ageMs: Number.POSITIVE_INFINITY });
    bench.take('primary', beat(2, 1_000));
    expect(bench.view()).toMatchObject({ complete: true, lag: 0, ageMs: 0 });
  });

  it('gets no younger by a late heartbeat', () => {
    const bench = wholeAtThree();
    bench.take('primary', event(4));
    bench.take('primary', beat(3, 900));
    expect(bench.logState.wholeAt).toBe(START);
    bench.take('primary', beat(4, 1_000));
    expect(bench.logState.wholeAt).toBe(START + 1_000);
  });

  it('is as old as the slower of two clocks shows', () => {
    const bench = wholeAtThree();
    bench.pass(2_000);
    expect(bench.view().ageMs).toBe(2_000);
    bench.setWallBack(60_000);
    expect(bench.view().ageMs).toBe(2_000);
    bench.setWallBack(-90_000);
    expect(bench.view().ageMs).toBe(32_000);
  });

  it('prunes by log time, which never falls', () => {
    const bench = wholeAtThree();
    bench.take('primary', beat(3, 5_000));
    bench.take('primary', beat(2, 9_000), beat(3, 4_000));
    expect(bench.logState.logTime).toBe(START + 9_000);
  });

  it('is not complete by a heartbeat with another head id, whichever came first', () => {
    const bench = wholeAtThree();
    bench.take('primary', beat(4, 1_000, { branch: 'x' }));
    // An event of another branch: it chains to the last one, but its id differs from that of the heartbeat.
    bench.take('primary', event(4));
    expect(bench.logState.wholeAt).toBe(START);
    expect(bench.view()).toMatchObject({ complete: false, suspect: 'fork' });
  });
});

describe('a quarantined event', () => {
  it('is stored, moves the position, and keeps the view suspect', () => {
    const bench = wholeAtThree();
    const [commit] = bench.take('primary', notUnderstood(4), beat(4, 1_000));
    expect(commit).toMatchObject({ change: { quarantine: [{ epoch: EPOCH, seq: 4, jws: 'event e4' }] } });
    expect(bench.logState).toMatchObject({ seq: 4, wholeAt: START, suspect: 'quarantined' });
    expect(bench.view().complete).toBe(false);
  });

  it('is released when the low watermark has passed it', () => {
    const bench = wholeAtThree();
    bench.take('primary', notUnderstood(4));
    const [commit] = bench.take('primary', beat(4, 1_000, { floor: 5 }));
    expect(commit).toMatchObject({ change: { release: [{ epoch: EPOCH, seq: 4 }] } });
    expect(bench.view()).toMatchObject({ complete: true, suspect: null });
  });

  it('is released when a newer epoch is complete, not before', () => {
    const bench = wholeAtThree();
    bench.take('primary', notUnderstood(4));
    bench.take('primary', event(1, { epoch: '0002-b' }));
    bench.fetched([KID], '0002-b');
    bench.open();
    bench.take('primary', event(1, { epoch: '0002-b' }));
    expect(bench.state.quarantined.size).toBe(1);
    bench.take('primary', beat(1, 2_000, { epoch: '0002-b' }));
    expect(bench.state.quarantined.size).toBe(0);
    expect(bench.view()).toMatchObject({ complete: true, epoch: '0002-b' });
  });

  it('is applied at the start by a version that knows it', () => {
    const { logState } = wholeAtThree();
    const bench = createBench({ logState, quarantined: [{ epoch: EPOCH, seq: 2, record: event(2) }] });
    expect(bench.effects[0]).toMatchObject({
      kind: 'commit',
      change: { cutoffs: [{ value: 's2' }], release: [{ epoch: EPOCH, seq: 2 }] },
    });
  });
});

describe('epochs', () => {
  it('a newer epoch resets the position, and the view is suspect until complete', () => {
    const bench = wholeAtThree();
    const next = { epoch: '0002-b', kid: 'key-2' };
    expect(kinds(bench.take('primary', event(1, next)))).toEqual(['fetchKeys']);
    expect(bench.logState).toMatchObject({ epoch: EPOCH, seq: 3 });
    expect(bench.rows.has('0002-b:1')).toBe(true);
    expect(kinds(bench.fetched([KID, 'key-2'], '0002-b'))).toEqual(['restart primary']);
    bench.open();
    bench.take('primary', event(1, next));
    expect(bench.logState).toMatchObject({ epoch: '0002-b', seq: 1, head: 1, suspect: 'epoch', wholeAt: START });
    bench.take('primary', beat(1, 1_000, next));
    expect(bench.logState).toMatchObject({ suspect: null, wholeAt: START + 1_000 });
  });

  it('events of a lower epoch deny, and change nothing else', () => {
    const bench = wholeAtThree();
    const before = bench.logState;
    bench.take('primary', event(9, { epoch: '0000-z' }), beat(9, 9_000, { epoch: '0000-z' }));
    expect(bench.rows.has('0000-z:9')).toBe(true);
    expect({ ...bench.logState, savedAt: 0 }).toEqual({ ...before, savedAt: 0 });
  });
});

describe('a fork', () => {
  it('is detected by a different `prev`: everything is read again, and evidence is submitted', () => {
    const bench = wholeAtThree();
    const done = [...bench.take('primary', event(4, { branch: 'x' })), ...bench.pass(200)];
    expect(kinds(done)).toEqual(['open fallback', 'submitEvidence']);
    expect(bench.logState).toMatchObject({ seq: 0, id: null, head: 0, suspect: 'fork', wholeAt: START });
    expect(bench.rows.has(`${EPOCH}:4`)).toBe(true);
  });

  it('is detected by the head id of a heartbeat', () => {
    const bench = wholeAtThree();
    bench.take('primary', beat(3, 1_000, { branch: 'x' }));
    expect(bench.logState).toMatchObject({ seq: 0, suspect: 'fork' });
  });

  it('is detected by a fallback transport that opens below the head known at its request', () => {
    const bench = withSecond();
    bench.take('fallback', beat(2, 4_000));
    expect(bench.logState).toMatchObject({ seq: 0, suspect: 'fork' });
    expect(kinds(bench.effects)).toContain('submitEvidence');
  });

  it('is not detected when the primary transport was faster than the response', () => {
    const bench = wholeAtThree();
    bench.pass(3_600);
    bench.open('fallback');
    bench.take('primary', event(4));
    bench.take('fallback', beat(3, 4_000));
    expect(bench.logState).toMatchObject({ seq: 4, suspect: null });
  });

  it('is not detected in a late heartbeat of a topic', () => {
    const bench = wholeAtThree();
    bench.take('primary', beat(1, 900), beat(2, 1_000));
    expect(bench.logState.suspect).toBe(null);
  });

  it('is suspected when the issuer is back in an older epoch, and nothing is read again', () => {
    const bench = withSecond();
    bench.take('fallback', beat(9, 4_000, { epoch: '0000-z' }));
    expect(bench.logState).toMatchObject({ epoch: EPOCH, seq: 3, suspect: 'fork' });
    expect(kinds(bench.effects)).toContain('submitEvidence');
  });

  it('ends when the present log has been read from its low watermark', () => {
    const bench = withSecond();
    const found = bench.take('fallback', beat(3, 4_000, { branch: 'x' }));
    expect(kinds([...found, ...bench.pass(300)])).toContain('restart fallback');
    bench.open('fallback');
    const x = { branch: 'x' };
    bench.take('fallback', beat(3, 4_500, x), event(1, x), event(2, x));
    // The rest of the lost branch in the topic chains to no known event.
    bench.take('primary', event(3));
    bench.take('fallback', event(3, x), beat(3, 5_000, x));
    expect(bench.logState.suspect).toBe('fork');
    bench.pass(2_000);
    bench.open('fallback');
    bench.take('fallback', beat(3, 6_000, x), event(1, x), event(2, x), event(3, x));
    expect(bench.view()).toMatchObject({ complete: true, suspect: null, seq: 3 });
    expect(bench.logState.wholeAt).toBe(START + 6_000);
  });

  it('that is detected repeatedly is repaired with growing waits', () => {
    const bench = withSecond();
    const restarts: number[] = [];
    for (let passed = 0; passed < 60_000; passed += 100) {
      // Two issuers with different logs: one writes to the topic, the other one serves HTTP.
      const found = bench.take('primary', beat(3, passed, { branch: 'x' }));
      if (!kinds([...found, ...bench.pass(100)]).includes('restart fallback')) continue;
      restarts.push(passed);
      bench.open('fallback');
      bench.take('fallback', beat(3, passed), event(1), event(2), event(3));
    }
    expect(restarts.length).toBeGreaterThan(2);
    expect(restarts.length).toBeLessThan(12);
  });

  it('submits its evidence again after 30 s, not at every step', () => {
    const bench = wholeAtThree();
    bench.take('primary', event(4, { branch: 'x' }));
    const proofs = bench.pass(65_000).filter(({ kind }) => kind === 'submitEvidence');
    expect(proofs).toEqual([
      { kind: 'submitEvidence', jws: 'event e3' },
      { kind: 'submitEvidence', jws: 'event e3' },
    ]);
  });
});

describe('the fallback transport', () => {
  it('is read after 3 s of silence, until a fresh heartbeat of the primary transport', () => {
    const bench = wholeAtThree();
    expect(kinds(bench.pass(2_900))).toEqual([]);
    expect(kinds(bench.pass(200))).toEqual(['open fallback']);
    bench.open('fallback');
    bench.take('fallback', beat(3, 3_100), event(4), beat(4, 4_100));
    expect(bench.view()).toMatchObject({ complete: true, transport: 'http' });
    expect(kinds(bench.take('primary', beat(3, 4_000)))).toEqual([]);
    expect(kinds(bench.take('primary', beat(4, 100, { live: false })))).toEqual([]);
    expect(kinds(bench.take('primary', event(4), beat(4, 5_000)))).toEqual(['close fallback']);
  });

  it('is read at a gap, until the gap is closed', () => {
    const bench = wholeAtThree();
    bench.take('primary', beat(5, 1_000));
    expect(kinds(bench.effects)).toEqual(['open fallback']);
    bench.open('fallback');
    expect(kinds(bench.take('primary', beat(5, 2_000)))).toEqual([]);
    bench.take('fallback', beat(5, 2_100), event(4), event(5));
    expect(bench.view()).toMatchObject({ complete: true, suspect: null });
    expect(kinds(bench.take('primary', beat(5, 3_000)))).toEqual(['close fallback']);
  });

  it('reports no gap when it opens with a head of events that follow', () => {
    const bench = withSecond();
    bench.take('fallback', beat(9, 4_000));
    expect(bench.logState).toMatchObject({ head: 9, suspect: null });
  });

  it('is restarted when it makes no progress, with growing waits', () => {
    const bench = wholeAtThree();
    bench.take('primary', beat(5, 1_000));
    bench.open('fallback');
    let restarts = 0;
    for (let second = 0; second < 30; second += 1) {
      bench.take('fallback', beat(5, 2_000 + second * 1_000));
      if (kinds(bench.pass(1_000)).includes('restart fallback')) {
        restarts += 1;
        bench.open('fallback');
      }
    }
    expect(restarts).toBeGreaterThan(2);
    expect(restarts).toBeLessThan(8);
  });

  it('is not read while the primary transport is catching up', () => {
    const bench = createBench();
    bench.open();
    for (let seq = 1; seq <= 80; seq += 1) {
      bench.take('primary', event(seq, { live: false }));
      expect(kinds(bench.pass(100))).toEqual([]);
    }
  });
});

describe('a single transport', () => {
  it('repairs a gap by a restart', () => {
    const bench = createBench({ feed: { primary: HTTP } });
    bench.open();
    bench.take('primary', beat(0, 0), event(1, { live: true, hint: 'h' }), event(3));
    expect(kinds([...bench.effects, ...bench.pass(300)])).toEqual(['restart primary']);
    const core = createFollowerCore({ log: 'l', feed: { primary: HTTP } });
    expect(core.startOf(bench.state, 'primary')).toEqual({ epoch: EPOCH, seq: 1, hint: null });
    bench.open();
    bench.take('primary', beat(3, 1_000), event(2));
    expect(bench.view()).toMatchObject({ complete: true, seq: 3 });
  });

  it('is restarted after 10 s of silence', () => {
    const bench = createBench({ feed: { primary: HTTP } });
    bench.open();
    bench.take('primary', beat(0, 0));
    expect(kinds(bench.pass(9_900))).toEqual([]);
    expect(kinds(bench.pass(200))).toEqual(['restart primary']);
  });
});

describe('readiness', () => {
  it('is not reached with a restored issuer, in whichever order its topic and its lower head are read', () => {
    const topic = [event(3, { live: false }), event(4, { live: false }), beat(4, 1_000, { live: false })] as const;
    const bench = createBench();
    bench.open();
    bench.take('primary', event(1, { live: false }));
    expect(kinds(bench.pass(3_600))).toContain('open fallback');
    bench.open('fallback');
    // Its head is below the one that the topic shows a second after the start.
    bench.take('fallback', beat(2, 5_000));
    const effects = bench.take('primary', event(2, { live: false }), ...topic);
    expect(kinds(effects)).not.toContain('ready');
    expect(bench.view()).toMatchObject({ ready: false, seq: 4, head: 4 });
    expect(bench.logState.wholeAt).toBe(START + 1_000);
    expect(kinds(bench.take('fallback', beat(2, 6_000)))).not.toContain('ready');
    expect(kinds(bench.take('primary', beat(4, 7_000)))).toContain('ready');
  });

  it('is not reached by stored records of a topic', () => {
    const bench = createBench();
    bench.open();
    bench.take('primary', event(1, { live: false }), beat(1, 0, { live: false }));
    expect(bench.view()).toMatchObject({ complete: true, ready: false });
    expect(kinds(bench.take('primary', beat(1, 1_000)))).toEqual(['ready']);
  });

  it('is kept once reached', () => {
    const bench = wholeAtThree();
    bench.pass(600_000);
    expect(bench.view().ready).toBe(true);
  });

  const logState = () => wholeAtThree().logState;

  it('is reached by the stored age when no transport responds within 5 s', () => {
    const bench = createBench({ logState: logState(), wallMs: START + 200_000 });
    expect(bench.pass(4_900).filter(({ kind }) => kind === 'ready')).toEqual([]);
    expect(bench.pass(200)).toContainEqual({ kind: 'ready', by: 'age' });
    expect(bench.view()).toMatchObject({ ready: true, complete: false, ageMs: 205_100 });
  });

  it('is not reached when that age is above maxStaleness', () => {
    const bench = createBench({ logState: logState(), wallMs: START + 299_000 });
    bench.pass(20_000);
    expect(bench.view().ready).toBe(false);
  });

  it('is not reached when the wall clock is behind the stored one: the age is unknown', () => {
    const bench = createBench({ logState: logState(), wallMs: START - 1_000 });
    bench.pass(20_000);
    expect(bench.view()).toMatchObject({ ready: false, ageMs: Number.POSITIVE_INFINITY });
    bench.open();
    bench.take('primary', beat(3, 18_000));
    expect(bench.view()).toMatchObject({ ready: true, ageMs: 1_000 });
  });

  it('waits while a transport responds', () => {
    const bench = createBench({ logState: logState() });
    bench.open();
    for (let seq = 4; seq < 60; seq += 1) {
      bench.take('primary', event(seq, { live: false }));
      bench.pass(200);
    }
    expect(bench.view().ready).toBe(false);
  });
});

describe('a lost connection', () => {
  it('is logged as a warning once, not at every attempt', () => {
    const bench = wholeAtThree();
    const levelOfLoss = () => {
      const effects = bench.happens({ kind: 'lost', transport: 'primary', reason: 'refused' });
      return effects.flatMap((effect) => (effect.kind === 'log' && effect.event === 'feed_lost' ? effect.level : []));
    };
    expect([levelOfLoss(), levelOfLoss(), levelOfLoss()]).toEqual([['warn'], ['debug'], ['debug']]);
    bench.open();
    expect(levelOfLoss()).toEqual(['warn']);
  });
});

describe('bad records', () => {
  it('are counted and change nothing', () => {
    const bench = wholeAtThree();
    const before = bench.logState;
    const done = bench.take('primary', { kind: 'bad', reason: 'signature', jws: 'x', live: true, hint: '9' });
    expect(done).toContainEqual({
      kind: 'count',
      metric: 'rescind_events_applied_total',
      labels: { result: 'bad_signature' },
      by: 1,
    });
    expect(done.filter(({ kind }) => kind === 'commit')).toEqual([]);
    expect(bench.logState).toEqual({ ...before, hint: '9' });
  });
});

describe('options', () => {
  it.each([
    [{ log: '' }],
    [{ silenceMs: 0 }],
    [{ silenceMs: Number.POSITIVE_INFINITY }],
    [{ maxStalenessMs: -1 }],
    [{ maxStalenessMs: Number.NaN }],
  ])('%j is a caller’s mistake', (change) => {
    expect(() => createFollowerCore({ log: 'l', feed: KAFKA_AND_HTTP, ...change })).toThrow(TypeError);
  });
});
