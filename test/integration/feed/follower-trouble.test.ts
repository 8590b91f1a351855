import { join } from 'node:path';
import type { FeedStore, LogSource, WayRecord } from '@rescind/feed';
import { createEventEncoder } from '@rescind/feed';
import { createSigner, generateSigningKey } from '@rescind/token';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import { isDenied, openInstance, serve, wayTo } from './follower-setting.ts';
import { createSignedLog, LOG, logout } from './signed-log.ts';

const newPath = () => join(temporaryDirectory(), 'denylist.db');

/** A store whose disk is full while `full` says so. */
function fullWhile(full: () => boolean) {
  return (store: FeedStore): FeedStore => ({
    load: (log) => store.load(log),
    quarantined: (log) => store.quarantined(log),
    commit(change) {
      if (full()) throw new Error('database or disk is full');
      store.commit(change);
    },
  });
}

describe('a follower in trouble', () => {
  it('loses nothing while its disk is full, and says so', async () => {
    const log = createSignedLog();
    const { server } = await serve(log);
    let full = false;
    const instance = openInstance(log, wayTo(server.url), newPath(), { wrap: fullWhile(() => full) });
    await instance.follower.ready();
    full = true;
    for (let i = 0; i < 50; i += 1) log.append(`sid-${i}`);
    await waitFor('three failures', () => (instance.follower.health()[1]?.failures as number) >= 3);
    expect(instance.follower.health()[1]).toMatchObject({ name: 'feed_store', status: 'warn' });
    expect(instance.follower.view().seq).toBe(0);
    await waitFor('an age that grows', () => instance.follower.view().ageMs > 600);

    full = false;
    await waitFor('all of it', () => instance.denylist.count() === 50);
    await waitFor('a whole view', () => instance.follower.view().whole);
    expect(instance.follower.health()[1]).toMatchObject({ status: 'pass', failures: 0, error: null });
    expect(instance.follower.view().seq).toBe(50);
  });

  it('closes while its disk is full', async () => {
    const log = createSignedLog();
    log.append('one');
    const { server } = await serve(log);
    const instance = openInstance(log, wayTo(server.url), newPath(), { wrap: fullWhile(() => true) });
    await waitFor('a failure', () => (instance.follower.health()[1]?.failures as number) >= 1);
    await instance.stop();
    expect(instance.follower.view().ready).toBe(false);
  });

  it('ignores and counts what the log has not signed, and applies what comes after', async () => {
    const log = createSignedLog();
    const thief = createEventEncoder({ log: LOG, sign: createSigner(generateSigningKey(), { typ: 'secevent+jwt' }) });
    const place = { epoch: '0000000001-aaaa', id: 'x', prev: null, txn: 'x', reason: 'logout', at: Date.now() };
    const rubbish = [
      thief.event({ ...place, seq: 1, deny: [logout('forged')] }),
      thief.heartbeat({ epoch: '9999999999-zzzz', head: 99, last: 'x', floor: 99, at: Date.now() }),
      'rubbish',
      '{"alg":"none"}.e30.',
      'x'.repeat(70_000),
    ];
    const { server } = await serve(log);
    const way = wayTo(server.url);
    let sent = false;
    const instance = openInstance(
      log,
      {
        name: 'http',
        open: (sink) =>
          way.open({
            ...sink,
            async records(batch) {
              const forged = rubbish.map((jws): WayRecord => ({ jws, hint: null, live: true }));
              await sink.records(sent ? batch : [...forged, ...batch]);
              sent = true;
            },
          }),
      },
      newPath(),
    );
    await instance.follower.ready();
    log.append('real');
    await waitFor('the real one', () => isDenied(instance, 'real'));
    expect(isDenied(instance, 'forged')).toBe(false);
    expect(instance.follower.view()).toMatchObject({ epoch: '0000000001-aaaa', seq: 1, head: 1 });
    expect(instance.heard()).toMatch(/bad|signature|malformed/);
    expect(instance.heard()).not.toContain('forged');
  });

  it('fetches the keys of a new epoch before it calls its events bad', async () => {
    const log = createSignedLog();
    log.append('old');
    const { server } = await serve(log);
    const instance = openInstance(log, wayTo(server.url), newPath());
    await instance.follower.ready();
    log.changeEpoch('0000000002-bbbb');
    log.append('new');
    await waitFor('the new one', () => isDenied(instance, 'new'));
    await waitFor('a whole view of it', () => {
      const view = instance.follower.view();
      return view.epoch === '0000000002-bbbb' && view.whole && view.suspect === null;
    });
    expect(isDenied(instance, 'old')).toBe(true);
  });

  it('finds out that the issuer was restored, proves it, and un-revokes nothing', async () => {
    const log = createSignedLog();
    for (let i = 1; i <= 5; i += 1) log.append(`sid-${i}`);
    const { server, handler, stop } = await serve(log);
    const instance = openInstance(log, wayTo(server.url), newPath());
    await instance.follower.ready();
    expect(handler.readers()).toBe(1);
    await stop();
    log.restoreTo(3);
    await serve(log, server.port);
    await waitFor('it to be suspect', () => instance.follower.view().suspect !== null);
    await waitFor('the proof', () => log.proofs.length > 0);
    for (let i = 1; i <= 5; i += 1) expect(isDenied(instance, `sid-${i}`)).toBe(true);
    expect(instance.follower.health()[0]).toMatchObject({ status: 'warn' });
  });

  it('mends a gap by asking again from its position', async () => {
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
    const instance = openInstance(log, wayTo(server.url), newPath());
    await instance.follower.ready();
    log.append('one');
    await waitFor('the first', () => isDenied(instance, 'one'));
    log.append('two');
    log.append('three');
    await waitFor('the one that was lost', () => isDenied(instance, 'two'), 20_000);
    await waitFor('a whole view', () => {
      const { seq, whole, suspect } = instance.follower.view();
      return seq === 3 && whole && suspect === null;
    });
  });
});
