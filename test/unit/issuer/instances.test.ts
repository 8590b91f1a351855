import type { InstanceReport } from '@rescind/feed/reports';
import type { ReceiptsOptions } from '@rescind/issuer/testing';
import { createReceipts, openTestIssuer } from '@rescind/issuer/testing';
import { RescindError, silentTelemetry } from '@rescind/revocation';
import { expect, onTestFinished, test, vi } from 'vitest';

const SECOND = 1_000;

/** An issuer whose clock and ticks the test moves. */
async function openFleet() {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const { issuer, clock, close } = await openTestIssuer();
  onTestFinished(close);
  const { log, instances } = issuer;

  /** Moves both clocks, a second at a time, as the ticks do. */
  const pass = (ms: number, each: () => void = () => undefined) => {
    for (let left = ms; left > 0; left -= SECOND) {
      clock.advance(Math.min(left, SECOND));
      each();
      vi.advanceTimersByTime(Math.min(left, SECOND));
    }
  };
  const head = () => {
    const { epoch, head: seq } = log.snapshot();
    return { epoch, seq };
  };
  const report = (name: string, more: Partial<InstanceReport> = {}, clientId = 'prices') =>
    log.receiveReport?.(clientId, {
      ...{ key: name.padEnd(24, '-'), instance: name, version: '1', ...head(), heldMs: 0, earlier: [] },
      ...{ ageMs: 5, suspect: null, transport: 'kafka', leaving: false },
      ...more,
    });
  const stateOf = (name: string) => instances.list().find((one) => one.instance === name)?.state;
  const revoke = () => issuer.transaction((tx) => tx.revoke({ claim: 'sid', value: 'a session', reason: 'logout' }));
  return { issuer, instances, clock, pass, report, stateOf, revoke, head };
}

test('measures by the clock of the issuer alone, and by how long an instance has held its position', async () => {
  const { report, revoke, instances, clock } = await openFleet();
  for (const name of ['a', 'b', 'c']) report(name);
  clock.advance(SECOND);
  const revocation = await revoke();
  clock.advance(500);
  report('a', { seq: revocation.seq, heldMs: 480 });
  // It cannot have denied before the commit.
  report('b', { seq: revocation.seq, heldMs: 3_600_000 });
  const receipt = instances.receipt(revocation);
  expect(receipt).toMatchObject({ of: 3, reached: 2, left: 0, complete: false, lastMs: 20 });
  expect(receipt.members.map(({ instance, ms }) => [instance, ms])).toEqual([
    ['b', 0],
    ['a', 20],
  ]);
  expect(receipt.missing.map(({ instance, state }) => [instance, state])).toEqual([['c', 'live']]);
});

test('has the milliseconds of each of several revocations that one report covers', async () => {
  const { report, revoke, instances, clock } = await openFleet();
  report('a');
  const first = await revoke();
  clock.advance(100);
  const second = await revoke();
  clock.advance(900);
  report('a', { seq: second.seq, heldMs: 880, earlier: [{ seq: first.seq, heldMs: 990 }] });
  expect(instances.receipt(first).lastMs).toBe(10);
  expect(instances.receipt(second).lastMs).toBe(20);
});

test('fixes the members at the commit: an instance that joins later is none, and one that leaves is not missing', async () => {
  const { report, revoke, instances, clock } = await openFleet();
  report('a');
  report('b');
  clock.advance(SECOND);
  const revocation = await revoke();
  clock.advance(SECOND);
  report('c');
  expect(instances.receipt(revocation)).toMatchObject({ of: 2, reached: 0 });
  clock.advance(SECOND);
  report('a');
  report('b', { seq: 0, leaving: true });
  expect(instances.receipt(revocation)).toMatchObject({ of: 2, reached: 1, left: 1, complete: true, missing: [] });
  report('a', { leaving: true });
  expect(instances.receipt(revocation)).toMatchObject({ of: 2, reached: 1, left: 1, complete: true });
});

test('closes each receipt while a fleet grows and shrinks during 1 000 revocations', async () => {
  const { report, revoke, instances, clock } = await openFleet();
  const names = Array.from({ length: 30 }, (_, index) => `i${index}`);
  const running = new Set<string>();
  const revocations: { epoch: string; seq: number }[] = [];
  for (let round = 0; round < 1_000; round += 1) {
    const wanted = round < 300 ? 10 : round < 700 ? 30 : 5;
    for (const [index, name] of names.entries()) {
      if (index < wanted) running.add(name);
      else if (running.delete(name)) report(name, { leaving: true });
    }
    if (round % 10 === 0) for (const name of running) report(name);
    revocations.push(await revoke());
    clock.advance(50);
  }
  clock.advance(SECOND);
  for (const name of running) report(name);
  for (const revocation of revocations) {
    const receipt = instances.receipt(revocation);
    expect([receipt.missing, receipt.reached + receipt.left]).toEqual([[], receipt.of]);
  }
});

test('a fleet in which nothing reports completes no receipt', async () => {
  const { revoke, instances } = await openFleet();
  const revocation = await revoke();
  expect(await instances.wait(revocation, 60_000)).toMatchObject({ of: 0, reached: 0, complete: false });
});

test('reports an instance that is silent for 15 s as lost, also in a receipt', async () => {
  const { report, revoke, instances, pass, stateOf } = await openFleet();
  const beat = () => ['b', 'c'].forEach((name) => void report(name));
  for (const name of ['a', 'b', 'c']) report(name);
  pass(14 * SECOND, beat);
  expect(stateOf('a')).toBe('live');
  pass(2 * SECOND, beat);
  expect(stateOf('a')).toBe('lost');
  const revocation = await revoke();
  pass(SECOND, beat);
  expect(instances.receipt(revocation)).toMatchObject({ of: 2, reached: 2, complete: true });
  // The instance reports again: later revocations wait for it.
  report('a');
  expect(stateOf('a')).toBe('live');
  pass(3_601 * SECOND, () => [beat(), report('a')]);
  expect(instances.list().length).toBe(3);
});

test('names a lost member until it has returned and applied the revocation', async () => {
  const { report, revoke, instances, pass } = await openFleet();
  const beat = () => ['b', 'c'].forEach((name) => void report(name));
  for (const name of ['a', 'b', 'c']) report(name);
  pass(SECOND, beat);
  const revocation = await revoke();
  pass(20 * SECOND, beat);
  const states = () => instances.receipt(revocation).missing.map(({ instance, state }) => [instance, state]);
  expect(states()).toEqual([['a', 'lost']]);
  report('a');
  expect(states()).toEqual([]);
  expect(instances.receipt(revocation)).toMatchObject({ of: 3, reached: 3, complete: true });
});

test('reports instances as unknown when more than half of a service falls silent at once, and as lost a lease later', async () => {
  const { report, pass, stateOf } = await openFleet();
  for (const name of ['a', 'b', 'c']) report(name);
  report('x', {}, 'orders');
  const beat = () => [report('a'), report('x', {}, 'orders')];
  pass(16 * SECOND, beat);
  expect(['a', 'b', 'c', 'x'].map(stateOf)).toEqual(['live', 'unknown', 'unknown', 'live']);
  pass(15 * SECOND, beat);
  expect(['a', 'b', 'c', 'x'].map(stateOf)).toEqual(['live', 'lost', 'lost', 'live']);
});

test('reports no instance as lost after the issuer was suspended for a minute', async () => {
  const { report, pass, stateOf, clock } = await openFleet();
  for (const name of ['a', 'b', 'c']) report(name);
  pass(2 * SECOND, () => ['a', 'b', 'c'].forEach((name) => void report(name)));
  clock.advance(60 * SECOND);
  pass(SECOND);
  expect(stateOf('a')).toBe('unknown');
  pass(5 * SECOND, () => ['a', 'b'].forEach((name) => void report(name)));
  expect(['a', 'b', 'c'].map(stateOf)).toEqual(['live', 'live', 'unknown']);
  pass(12 * SECOND, () => ['a', 'b'].forEach((name) => void report(name)));
  expect(['a', 'b', 'c'].map(stateOf)).toEqual(['live', 'live', 'lost']);
});

test('reports an instance as behind that has not applied what was committed 2 s ago', async () => {
  const { report, revoke, pass, stateOf, head } = await openFleet();
  const before = head();
  report('a');
  report('b');
  pass(SECOND);
  await revoke();
  pass(4 * SECOND, () => [report('a', before), report('b')]);
  expect(['a', 'b'].map(stateOf)).toEqual(['behind', 'live']);
});

test('a report with the name of another instance changes nothing about that one', async () => {
  const { report, revoke, instances, clock } = await openFleet();
  report('a', { seq: 0 });
  const revocation = await revoke();
  clock.advance(SECOND);
  report('thief', { instance: 'a' });
  // The same key with another credential is another instance, too.
  report('a', {}, 'orders');
  const receipt = instances.receipt(revocation);
  expect(receipt).toMatchObject({ of: 1, reached: 0, complete: false });
  report('thief', { instance: 'a', leaving: true });
  report('a', { leaving: true }, 'orders');
  expect(instances.receipt(revocation)).toMatchObject({ of: 1, reached: 0, left: 0, complete: false });
});

test('a position that the log does not have yet counts as none', async () => {
  const { report, revoke, instances, clock, head } = await openFleet();
  report('a', { seq: head().seq + 1_000 });
  report('b', { epoch: '9999999999-later', seq: 1 });
  clock.advance(SECOND);
  const revocation = await revoke();
  expect(instances.receipt(revocation)).toMatchObject({ of: 2, reached: 0, complete: false });
});

test('an instance that begins again with an empty file no longer counts as having reached its former position', async () => {
  const { report, revoke, instances, clock } = await openFleet();
  report('a');
  clock.advance(SECOND);
  const revocation = await revoke();
  clock.advance(SECOND);
  report('a');
  expect(instances.receipt(revocation).complete).toBe(true);
  clock.advance(SECOND);
  report('a', { seq: 0 });
  expect(instances.receipt(revocation)).toMatchObject({ reached: 0, complete: false });
});

test('refuses reports that come too soon, and answers how long to wait', async () => {
  const { report, clock } = await openFleet();
  expect(report('a')).toEqual({ nextMs: 250 });
  clock.advance(199);
  expect(() => report('a')).toThrow('Too many requests');
  clock.advance(1);
  expect(report('a')).toEqual({ nextMs: 250 });
  // A goodbye is never too soon.
  report('a', { leaving: true });
});

test('bounds the instances of one client, and asks a large fleet to report less often', async () => {
  const { report } = await openFleet();
  for (let index = 0; index < 4_096; index += 1) report(`i${index}`);
  expect(() => report('one more')).toThrow('Too many requests');
  expect(report('of another', {}, 'orders')?.nextMs).toBe(4_097);
});

test('ignores a report that arrives after the goodbye of its instance', async () => {
  const { report, revoke, instances, clock, pass, stateOf } = await openFleet();
  report('a');
  report('b');
  clock.advance(SECOND);
  report('a', { leaving: true });
  clock.advance(500);
  expect(report('a')).toEqual({ nextMs: 250 });
  expect(stateOf('a')).toBe('left');
  const revocation = await revoke();
  pass(SECOND, () => report('b'));
  expect(instances.receipt(revocation)).toMatchObject({ of: 1, reached: 1, complete: true });
});

test('bounds the instances of one client that begin and end without a pause, and keeps the lost ones', async () => {
  const { report, revoke, instances, pass, clock } = await openFleet();
  report('lost');
  report('b');
  clock.advance(SECOND);
  const revocation = await revoke();
  pass(20 * SECOND, () => report('b'));
  let taken = 0;
  const flood = () => {
    for (; taken < 13_000; taken += 1) {
      report(`i${taken}`);
      report(`i${taken}`, { leaving: true });
    }
  };
  expect(flood).toThrow('Too many requests');
  expect(taken).toBe(3 * 4_096 - 2);
  // Other clients are not concerned, and a minute later there is space again.
  report('a', {}, 'orders');
  pass(60 * SECOND, () => [report('b'), report('a', {}, 'orders')]);
  report('one more');
  expect(instances.receipt(revocation).missing.map(({ instance }) => instance)).toEqual(['lost']);
});

test('lets 256 of 1 000 calls wait, and responds to the others at once', async () => {
  const { report, revoke, instances, clock } = await openFleet();
  report('a');
  clock.advance(SECOND);
  const revocation = await revoke();
  let answered = 0;
  const calls = Array.from({ length: 1_000 }, async () => {
    const receipt = await instances.wait(revocation, 60_000);
    answered += 1;
    return receipt.complete;
  });
  await new Promise(setImmediate);
  expect(answered).toBe(744);
  clock.advance(SECOND);
  report('a');
  const complete = await Promise.all(calls);
  expect(complete.filter(Boolean).length).toBe(256);
  // None of them holds a place any more.
  const next = await revoke();
  const waiting = instances.wait(next, 60_000);
  clock.advance(SECOND);
  report('a');
  expect(await waiting).toMatchObject({ complete: true });
});

test('waits until the last member has reached a revocation, or left', async () => {
  const { report, revoke, instances, clock } = await openFleet();
  report('a');
  report('b');
  clock.advance(SECOND);
  const revocation = await revoke();
  const waited = instances.wait(revocation, 60_000);
  clock.advance(SECOND);
  report('a');
  report('b', { seq: 0, leaving: true });
  expect(await waited).toMatchObject({ of: 2, reached: 1, left: 1, complete: true });
  const gone = new AbortController();
  const next = await revoke();
  const aborted = instances.wait(next, 60_000, gone.signal);
  gone.abort();
  expect(await aborted).toMatchObject({ of: 1, reached: 0, complete: false });
  expect(await instances.wait(next, 1)).toMatchObject({ complete: false });
});

test('forgets an instance that has ended, and none that reports', async () => {
  const { report, revoke, instances, pass, stateOf } = await openFleet();
  const beat = () => ['b', 'c'].forEach((name) => void report(name));
  for (const name of ['a', 'b', 'c']) report(name);
  pass(SECOND, beat);
  const revocation = await revoke();
  pass(20 * SECOND, beat);
  const idOf = (name: string) => String(instances.list().find((one) => one.instance === name)?.id);
  expect(instances.forget(idOf('b'))).toBe(false);
  expect(() => instances.forget('nobody')).toThrow(new RescindError('not_found'));
  expect(instances.forget(idOf('a'))).toBe(true);
  expect(stateOf('a')).toBe(undefined);
  expect(instances.receipt(revocation)).toMatchObject({ of: 3, reached: 2, left: 1, complete: true });
});

test('lists times by the wall clock, after it was set while the issuer ran', async () => {
  const { report, revoke, instances, clock } = await openFleet();
  report('a');
  report('b');
  clock.advance(SECOND);
  const revocation = await revoke();
  clock.setWall(clock.now() + 3_600_000);
  clock.advance(SECOND);
  report('a', { leaving: true });
  const [a, b] = instances.list();
  expect([a?.endedAt, b?.reportedAt, b?.since]).toEqual([
    clock.now(),
    clock.now() - 2 * SECOND,
    clock.now() - 2 * SECOND,
  ]);
  expect(instances.receipt(revocation)).toMatchObject({ of: 2, reached: 1, lastMs: SECOND });
});

test('looks at few of the commits that it keeps when it measures an instance', () => {
  let [seq, at, reads] = [0, 0, 0];
  const instance = {
    leases: [{ from: 0, until: null, ending: null }],
    steps: [],
    get epoch() {
      reads += 1;
      return 'an epoch';
    },
    get seq() {
      return seq - 1;
    },
  };
  const gauges = new Map<string, number>();
  const receipts = createReceipts({
    fleet: { all: () => [instance], stateOf: () => 'live', setSettled: () => undefined, nextMs: () => 250 },
    now: () => at,
    head: () => ({ epoch: 'an epoch', seq }),
    telemetry: { ...silentTelemetry, gauge: (name: string, value: number) => void gauges.set(name, value) },
  } as unknown as ReceiptsOptions);
  const commit = (count: number) => {
    for (let one = 0; one < count; one += 1) {
      [seq, at] = [seq + 1, at + 50];
      receipts.committed();
    }
  };
  commit(8_000);
  receipts.tick();
  commit(20);
  at += 30;
  reads = 0;
  receipts.tick();
  expect(gauges.get('rescind_receipt_pending_seconds')).toBe(0.03);
  expect(reads).toBeLessThan(200);
});
