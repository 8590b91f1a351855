import { openDenylist } from '@rescind/denylist';
import type { Telemetry } from '@rescind/revocation';
import { silentTelemetry } from '@rescind/revocation';
import { expect, onTestFinished, test } from 'vitest';
import { cutoff, freshPath, LOG, leftByKill, open, REFUSED, refuseRows, stateAt } from './support.ts';

test('a new denylist is empty', () => {
  const denylist = open(freshPath());
  expect(denylist.load(LOG)).toBeUndefined();
  expect(denylist.quarantined(LOG)).toEqual([]);
  expect(denylist.names(LOG)).toEqual([]);
  expect(denylist.row(LOG, 'sid', 's1')).toBeUndefined();
  expect(denylist.count()).toBe(0);
  expect(denylist.health()).toEqual([
    { name: 'denylist', status: 'pass', entries: 0, pendingRows: 0, lookups: 'memory' },
  ]);
});

test('rows, position and quarantine are stored together, and survive a restart', async () => {
  const path = freshPath();
  const state = stateAt(7, { logTime: 123_456, suspect: 'an event of a newer version', hint: '41' });
  const kept = { log: LOG, epoch: '0001-a', seq: 6, jws: 'a.b.c', reason: 'its type is not known' };
  {
    await using denylist = openDenylist({ path });
    denylist.commit({ state, cutoffs: [cutoff()], quarantine: [kept] });
  }
  const denylist = open(path);
  expect(denylist.load(LOG)).toEqual(state);
  expect(denylist.quarantined(LOG)).toEqual([kept]);
  expect(denylist.row(LOG, 'sid', 's1')).toEqual(cutoff());
  expect(denylist.names(LOG)).toEqual(['sid']);

  denylist.commit({ state: stateAt(8), cutoffs: [], release: [{ epoch: '0001-a', seq: 6 }] });
  expect(denylist.quarantined(LOG)).toEqual([]);
});

test('a change that cannot be written is enforced, and no part of it is in the file', () => {
  const path = freshPath();
  const denylist = open(path);
  denylist.commit({ state: stateAt(1), cutoffs: [cutoff()] });
  const fine = cutoff({ claim: 'tenant', value: 't1', issuedUntil: 1_000 }, 2);
  const refused = cutoff({ claim: 'group', value: REFUSED }, 2);
  const accept = refuseRows(path);
  expect(() => denylist.commit({ state: stateAt(2), cutoffs: [fine, refused] })).toThrow(
    expect.objectContaining({ code: 'denylist_unwritable' }),
  );
  expect([...denylist.names(LOG)].sort()).toEqual(['group', 'sid', 'tenant']);
  expect(denylist.row(LOG, 'tenant', 't1')).toEqual(fine);
  expect(denylist.row(LOG, 'group', REFUSED)).toEqual(refused);
  expect(denylist.row(LOG, 'sid', 's1')).toEqual(cutoff());
  expect(denylist.load(LOG)).toEqual(stateAt(1));
  expect(denylist.health()[0]).toMatchObject({ status: 'warn', entries: 1, pendingRows: 2 });

  accept();
  // A restart knows what the file had, and its position lies before what is missing.
  const restarted = open(leftByKill(path, freshPath()));
  expect(restarted.load(LOG)).toEqual(stateAt(1));
  expect(restarted.names(LOG)).toEqual(['sid']);
  expect(restarted.row(LOG, 'tenant', 't1')).toBeUndefined();

  denylist.commit({ state: stateAt(3), cutoffs: [] });
  expect(denylist.health()[0]).toMatchObject({ status: 'pass', entries: 3, pendingRows: 0 });
  expect(denylist.load(LOG)).toEqual(stateAt(3));
  denylist.close();
  const again = open(path);
  expect([...again.names(LOG)].sort()).toEqual(['group', 'sid', 'tenant']);
  expect(again.row(LOG, 'tenant', 't1')).toEqual(fine);
  expect(again.load(LOG)).toEqual(stateAt(3));
});

test('closing writes pending rows, and logs those that cannot be written', () => {
  const path = freshPath();
  const events: string[] = [];
  const telemetry: Telemetry = { ...silentTelemetry, log: (level, event) => void events.push(`${level} ${event}`) };
  const first = openDenylist({ path, telemetry });
  first.enforce({ state: stateAt(1), cutoffs: [cutoff()] });
  first.close();
  const second = openDenylist({ path, telemetry });
  expect([second.load(LOG), second.count()]).toEqual([stateAt(1), 1]);
  const accept = refuseRows(path);
  second.enforce({ state: stateAt(2), cutoffs: [cutoff({ value: REFUSED })] });
  second.close();
  accept();
  expect(events).toEqual(['warn denylist_closed_with_pending_rows']);
  expect(open(path).load(LOG)).toEqual(stateAt(1));
});

test('a row is removed after its expiry, not at it', () => {
  const denylist = open(freshPath());
  denylist.commit({ state: stateAt(1), cutoffs: [cutoff({ expiresAt: 2_000 })] });
  expect(denylist.prune([LOG], 2_000)).toBe(0);
  expect(denylist.prune(['https://other.example'], 2_001)).toBe(0);
  expect(denylist.prune([LOG, LOG], 2_001)).toBe(1);
  expect(denylist.names(LOG)).toEqual([]);
});

test('logs and issuers are separate', () => {
  const denylist = open(freshPath());
  const other = 'https://other.example';
  denylist.commit({ state: stateAt(3), cutoffs: [cutoff()] });
  denylist.commit({ state: stateAt(9, { log: other }), cutoffs: [cutoff({ iss: other, claim: 'sub', value: 's1' })] });
  expect(denylist.load(LOG)?.seq).toBe(3);
  expect(denylist.load(other)?.seq).toBe(9);
  expect(denylist.names(LOG)).toEqual(['sid']);
  expect(denylist.names(other)).toEqual(['sub']);
  expect(denylist.row(other, 'sid', 's1')).toBeUndefined();
});

test('documents are stored beside the rows', () => {
  const path = freshPath();
  const first = openDenylist({ path });
  first.write('keys', '{"keys":[]}');
  first.write('keys', '{"keys":[1]}');
  first.close();
  const denylist = open(path);
  expect(denylist.read('keys')).toBe('{"keys":[1]}');
  expect(denylist.read('others')).toBeUndefined();
});

test('the entries of each claim are measured, also at the start', () => {
  const path = freshPath();
  const gauges: Record<string, number> = {};
  const telemetry: Telemetry = {
    ...silentTelemetry,
    gauge: (metric: string, value: number, labels?: { readonly claim?: string }) => {
      if (labels?.claim !== undefined) gauges[`${metric} ${labels.claim}`] = value;
    },
  };
  const first = openDenylist({ path, telemetry });
  first.commit({ state: stateAt(1), cutoffs: [cutoff(), cutoff({ value: 's2' }), cutoff({ claim: 'jti' })] });
  expect(gauges).toEqual({ 'rescind_denylist_entries sid': 2, 'rescind_denylist_entries jti': 1 });
  first.prune([LOG], 3_000);
  expect(gauges).toEqual({ 'rescind_denylist_entries sid': 0, 'rescind_denylist_entries jti': 0 });
  first.commit({ state: stateAt(2), cutoffs: [cutoff()] });
  first.close();
  gauges['rescind_denylist_entries sid'] = -1;
  openDenylist({ path, telemetry }).close();
  expect(gauges['rescind_denylist_entries sid']).toBe(1);
});

test('entries by claims without a label of their own are counted together', () => {
  const gauges: Record<string, number> = {};
  const telemetry: Telemetry = {
    ...silentTelemetry,
    gauge: (metric: string, value: number, labels?: { readonly claim?: string }) => {
      if (labels?.claim !== undefined) gauges[`${metric} ${labels.claim}`] = value;
    },
  };
  const denylist = openDenylist({ path: freshPath(), telemetry });
  onTestFinished(() => denylist.close());
  const cutoffs = [cutoff(), ...['tenant', 'group', 'constructor'].map((claim) => cutoff({ claim }))];
  denylist.commit({ state: stateAt(1), cutoffs });
  expect(gauges).toEqual({ 'rescind_denylist_entries sid': 1, 'rescind_denylist_entries other': 3 });
  denylist.prune([LOG], 3_000);
  expect(gauges).toEqual({ 'rescind_denylist_entries sid': 0, 'rescind_denylist_entries other': 0 });
});

test('a closed denylist is unreadable, reports it, and may be closed again', () => {
  const denylist = openDenylist({ path: freshPath() });
  denylist.commit({ state: stateAt(1), cutoffs: [cutoff()] });
  denylist.close();
  denylist.close();
  expect(() => denylist.row(LOG, 'sid', 's1')).toThrow(expect.objectContaining({ code: 'denylist_unreadable' }));
  expect(() => denylist.commit({ state: stateAt(2), cutoffs: [] })).toThrow(
    expect.objectContaining({ code: 'denylist_unwritable' }),
  );
  expect(denylist.health()[0]).toMatchObject({ status: 'fail', error: 'closed' });
});

test('a wrong path is refused', () => {
  for (const path of ['', ':memory:']) expect(() => openDenylist({ path })).toThrow(TypeError);
});
