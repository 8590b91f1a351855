import { join } from 'node:path';
import type { LogSource, TransportRecord } from '@rescind/feed';
import { createEventEncoder } from '@rescind/feed/event';
import type { FeedStore } from '@rescind/feed/follower';
import { createSigner, generateSigningKey } from '@rescind/token/signing';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import type { Instance } from './follower-setting.ts';
import { isDenied, openInstance, rowOf, serve, transportTo } from './follower-setting.ts';
import { createSignedLog, LOG, logout } from './signed-log.ts';

const newPath = () => join(temporaryDirectory(), 'denylist.db');

/** A store whose disk is full while `full` returns true. */
function fullWhile(full: () => boolean) {
  return (store: FeedStore): FeedStore => ({
    load: (log) => store.load(log),
    quarantined: (log) => store.quarantined(log),
    enforce: (change) => store.enforce(change),
    flush() {
      if (full()) throw new Error('database or disk is full');
      store.flush();
    },
    pendingRows: () => store.pendingRows(),
  });
}

const storeOf = ({ follower }: Instance) => follower.health().find(({ name }) => name === 'feed_store');

describe('a follower whose store fails', () => {
  it('enforces what it receives while its disk is full, and reports it in health', async () => {
    const log = createSignedLog();
    const { server } = await serve(log);
    let full = false;
    const instance = openInstance(log, transportTo(server.url), newPath(), { wrap: fullWhile(() => full) });
    await instance.follower.ready();
    await waitFor('a first commit', () => instance.denylist.load(LOG) !== undefined);
    full = true;
    for (let i = 0; i < 50; i += 1) log.append(`sid-${i}`);
    await waitFor('three failures', () => (storeOf(instance)?.failures as number) >= 3);
    await waitFor('50 events are applied', () => instance.follower.view().seq === 50);
    for (let i = 0; i < 50; i += 1) expect(isDenied(instance, `sid-${i}`)).toBe(true);
    expect(storeOf(instance)).toMatchObject({ name: 'feed_store', status: 'warn', pendingRows: 50 });
    expect([instance.denylist.count(), instance.denylist.load(LOG)?.seq]).toEqual([0, 0]);
    await waitFor('a complete view', () => instance.follower.view().complete);

    full = false;
    await waitFor('every row is in the file', () => instance.denylist.count() === 50);
    await waitFor('the store passes its check', () => storeOf(instance)?.status === 'pass');
    expect(storeOf(instance)).toMatchObject({ failures: 0, error: null, pendingRows: 0 });
    expect(instance.denylist.load(LOG)?.seq).toBe(50);
  });

  it('stops at the limit of pending rows, and keeps enforcing what it has', async () => {
    const log = createSignedLog();
    const { server } = await serve(log);
    let full = false;
    const filler = Array.from({ length: 100_000 }, (_, at) => `filler-${at}`);
    const instance = openInstance(log, transportTo(server.url), newPath(), { wrap: fullWhile(() => full) });
    await instance.follower.ready();
    await waitFor('a first commit', () => instance.denylist.load(LOG) !== undefined);
    full = true;
    log.append('before');
    await waitFor('the event before is enforced', () => isDenied(instance, 'before'));
    const state = instance.denylist.load(LOG);
    if (state === undefined) throw new Error('nothing was committed');
    const like = rowOf(instance, 'before');
    instance.denylist.enforce({ state, cutoffs: filler.map((value) => ({ ...like, value })) });
    log.append('beyond');
    await waitFor('a failed store', () => storeOf(instance)?.status === 'fail');
    await waitFor('an age that grows', () => instance.follower.view().ageMs > 600);
    expect(instance.follower.view().seq).toBe(1);
    for (const sid of ['before', 'filler-99999']) expect(isDenied(instance, sid)).toBe(true);
    expect(isDenied(instance, 'beyond')).toBe(false);

    full = false;
    await waitFor('the event beyond is enforced', () => isDenied(instance, 'beyond'));
    await waitFor('the store passes its check', () => storeOf(instance)?.status === 'pass');
    await waitFor('every row is in the file', () => instance.denylist.count() === 100_002);
  });

  it('is ready and closes while its disk is full', async () => {
    const log = createSignedLog();
    log.append('one');
    const { server } = await serve(log);
    const instance = openInstance(log, transportTo(server.url), newPath(), { wrap: fullWhile(() => true) });
    await waitFor('a failure', () => (storeOf(instance)?.failures as number) >= 1);
    await instance.follower.ready();
    expect(isDenied(instance, 'one')).toBe(true);
    await instance.stop();
    expect(instance.heard()).toContain('feed_commit_failed');
  });

  it('ignores and counts records that the log has not signed, and applies later events', async () => {
    const log = createSignedLog();
    const thief = createEventEncoder({ log: LOG, sign: createSigner(generateSigningKey(), { typ: 'secevent+jwt' }) });
    const place = { epoch: '0000000001-aaaa', id: 'x', prev: null, txn: 'x', reason: 'logout', at: Date.now() };
    const rubbish = [
      thief.event({ ...place, seq: 1, cutOffs: [logout('forged')] }),
      thief.heartbeat({ epoch: '9999999999-zzzz', head: 99, headId: 'x', lowWatermark: 99, at: Date.now() }),
      'rubbish',
      '{"alg":"none"}.e30.',
      'x'.repeat(70_000),
    ];
    const { server } = await serve(log);
    const transport = transportTo(server.url);
    let sent = false;
    const instance = openInstance(
      log,
      {
        ...transport,
        open: (sink) =>
          transport.open({
            ...sink,
            async records(batch) {
              const forged = rubbish.map((jws): TransportRecord => ({ jws, hint: null, live: true }));
              await sink.records(sent ? batch : [...forged, ...batch]);
              sent = true;
            },
          }),
      },
      newPath(),
    );
    await instance.follower.ready();
    log.append('real');
    await waitFor('the signed event is enforced', () => isDenied(instance, 'real'));
    expect(isDenied(instance, 'forged')).toBe(false);
    expect(instance.follower.view()).toMatchObject({ epoch: '0000000001-aaaa', seq: 1, head: 1 });
    expect(instance.heard()).toMatch(/bad|signature|malformed/);
    expect(instance.heard()).not.toContain('forged');
  });

  it('fetches the keys of a new epoch before it rejects its events', async () => {
    const log = createSignedLog();
    log.append('old');
    const { server } = await serve(log);
    const instance = openInstance(log, transportTo(server.url), newPath());
    await instance.follower.ready();
    log.changeEpoch('0000000002-bbbb');
    log.append('new');
    await waitFor('the new event is enforced', () => isDenied(instance, 'new'));
    await waitFor('a complete view of the new epoch', () => {
      const view = instance.follower.view();
      return view.epoch === '0000000002-bbbb' && view.complete && view.suspect === null;
    });
    expect(isDenied(instance, 'old')).toBe(true);
  });

  it('detects a restored issuer, submits evidence, and un-revokes nothing', async () => {
    const log = createSignedLog();
    for (let i = 1; i <= 5; i += 1) log.append(`sid-${i}`);
    const { server, handler, stop } = await serve(log);
    const instance = openInstance(log, transportTo(server.url), newPath());
    await instance.follower.ready();
    expect(handler.readers()).toBe(1);
    await stop();
    log.restoreTo(3);
    await serve(log, server.port);
    await waitFor('the view is suspect', () => instance.follower.view().suspect !== null);
    await waitFor('the evidence is submitted', () => log.proofs.length > 0);
    for (let i = 1; i <= 5; i += 1) expect(isDenied(instance, `sid-${i}`)).toBe(true);
    expect(instance.follower.health()[0]).toMatchObject({ status: 'warn' });
  });

  it('repairs a gap by requesting the events after its position', async () => {
    const log = createSignedLog();
    let dropped = false;
    const source: LogSource = {
      ...log,
      read: (after, limit) => {
        const rows = log.read(after, limit);
        if (dropped || !rows.some(({ seq }) => seq === 2)) return rows;
        dropped = true;
        return rows.filter(({ seq }) => seq !== 2);
      },
    };
    const { server } = await serve({ ...log, ...source });
    const instance = openInstance(log, transportTo(server.url), newPath());
    await instance.follower.ready();
    log.append('one');
    await waitFor('the first event is enforced', () => isDenied(instance, 'one'));
    log.append('two');
    log.append('three');
    await waitFor('the lost event is enforced', () => isDenied(instance, 'two'), 20_000);
    await waitFor('a complete view', () => {
      const { seq, complete, suspect } = instance.follower.view();
      return seq === 3 && complete && suspect === null;
    });
  });
});
