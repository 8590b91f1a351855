import type { RelayInput, RelayState } from '@rescind/issuer/testing';
import { createRelayCore } from '@rescind/issuer/testing';
import { describe, expect, it } from 'vitest';

const EPOCH = '0001-a';
const core = createRelayCore();
/** Old enough for events to be delivered. */
const OLD = 60_000;

type Unstamped<Input> = Input extends { readonly now: number } ? Omit<Input, 'now'> : never;

/** A relay with a clock of its own, whose events up to `seq` have been acknowledged. */
function createBench(seq = 0, epochSince = -OLD) {
  let now = 0;
  const outbox = { epoch: EPOCH, head: seq };
  let state: RelayState = core.start(outbox, { epoch: EPOCH, sentSeq: seq }, now, { epochSince }).state;
  const give = (input: Unstamped<RelayInput>) => {
    state = core.step(state, { ...input, now } as RelayInput).state;
  };
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += 10) {
      now += 10;
      give({ kind: 'tick' });
    }
  };
  const append = (head: number, epoch = EPOCH) => {
    give({ kind: 'appended', epoch, head });
    give({ kind: 'publishing' });
  };
  const acknowledge = (upTo: number, tookMs: number) => give({ kind: 'sent', upTo, withHeartbeat: false, tookMs });
  /** Publishes one event, which Kafka acknowledges after `tookMs`. */
  const publish = (head: number, tookMs: number) => {
    append(head);
    pass(tookMs);
    acknowledge(head, tookMs);
  };
  return {
    give,
    pass,
    append,
    acknowledge,
    publish,
    overdue: () => core.overdue(state, now),
    patienceMs: () => state.acknowledgements.patienceMs,
  };
}

/** A relay whose events Kafka has always acknowledged after this time. */
function usually(tookMs: number) {
  const bench = createBench();
  for (let seq = 1; seq <= 64; seq += 1) {
    bench.publish(seq, tookMs);
    bench.pass(1_000);
  }
  return bench;
}

describe('unacknowledged events', () => {
  it.each([
    [10, 250],
    [80, 250],
    [200, 600],
    [300, 900],
    [2_000, 1_000],
  ])('of usually %i ms is overdue after %i ms', (tookMs, patienceMs) => {
    const bench = usually(tookMs);
    bench.pass(20_000);
    expect(bench.patienceMs()).toBe(patienceMs);
    bench.append(65);
    bench.pass(patienceMs - 20);
    expect(bench.overdue()).toBeNull();
    bench.pass(20);
    expect(bench.overdue()).toMatchObject({ withEvents: true });
  });

  it('is overdue after 1 s before any has come', () => {
    const bench = createBench();
    bench.append(1);
    bench.pass(980);
    expect(bench.overdue()).toBeNull();
    bench.pass(20);
    expect(bench.overdue()).toEqual({ after: 0, withEvents: true });
  });

  it('is never overdue where an acknowledgement always takes 300 ms, a second send behind the first included', () => {
    const bench = createBench();
    for (let seq = 1; seq <= 300; seq += 2) {
      bench.append(seq);
      bench.pass(10);
      bench.give({ kind: 'appended', epoch: EPOCH, head: seq + 1 });
      bench.pass(290);
      bench.acknowledge(seq, 300);
      bench.give({ kind: 'publishing' });
      bench.pass(300);
      bench.acknowledge(seq + 1, 300);
      expect(bench.overdue()).toBeNull();
    }
  });

  it('may be a heartbeat', () => {
    const bench = usually(10);
    bench.give({ kind: 'heartbeat', epoch: EPOCH, jws: 'beat', head: 64 });
    bench.give({ kind: 'publishing' });
    bench.pass(250);
    expect(bench.overdue()).not.toBeNull();
  });

  it('waits since its first publication, however often that fails', () => {
    const bench = usually(10);
    bench.append(65);
    for (let time = 0; time < 5; time += 1) {
      bench.pass(50);
      bench.give({ kind: 'failed' });
      bench.give({ kind: 'publishing' });
    }
    expect(bench.overdue()).not.toBeNull();
  });

  it('is delivered from the last event acknowledged a second before it began to wait', () => {
    const bench = usually(10);
    for (let seq = 65; seq <= 84; seq += 1) {
      bench.publish(seq, 10);
      bench.pass(90);
    }
    bench.append(85);
    bench.pass(250);
    // Acknowledgements are 100 ms apart: those of the second before it began to wait are delivered again.
    const { after = 0 } = bench.overdue() ?? {};
    expect(after).toBeGreaterThanOrEqual(73);
    expect(after).toBeLessThanOrEqual(75);
    bench.pass(5_000);
    expect(bench.overdue()).toEqual({ after, withEvents: true });
    bench.acknowledge(85, 5_000);
    bench.pass(1_100);
    expect(bench.overdue()).toEqual({ after: 85, withEvents: true });
  });

  it('is delivered until everything has been acknowledged in time for 10 s', () => {
    const bench = usually(10);
    bench.append(65);
    bench.pass(3_000);
    bench.acknowledge(65, 3_000);
    bench.pass(9_900);
    expect(bench.overdue()).not.toBeNull();
    bench.append(66);
    bench.pass(300);
    bench.acknowledge(66, 300);
    bench.pass(9_900);
    expect(bench.overdue()).not.toBeNull();
    bench.pass(110);
    expect(bench.overdue()).toBeNull();
  });

  it('is delivered as heartbeats only in the first 10 s of an epoch', () => {
    const bench = usually(10);
    bench.append(3, '0002-b');
    bench.pass(400);
    expect(bench.overdue()).toEqual({ after: 0, withEvents: false });
    bench.pass(9_600);
    expect(bench.overdue()).toEqual({ after: 0, withEvents: true });
  });

  it('counts the age of an epoch from before the process', () => {
    const bench = createBench(0, -9_000);
    bench.append(1);
    bench.pass(990);
    bench.pass(10);
    expect(bench.overdue()).toEqual({ after: 0, withEvents: true });
  });

  it('includes what was not acknowledged before the process', () => {
    const bench = createBench();
    bench.append(3);
    bench.pass(1_000);
    expect(bench.overdue()?.after).toBe(0);
  });
});
