import { join } from 'node:path';
import { openDenylist } from '@rescind/denylist';
import type { FeedStore } from '@rescind/feed/follower';
import type { Clock } from '@rescind/revocation';
import { systemClock } from '@rescind/revocation';
import type { LogState } from '@rescind/revocation/log-state';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import { openInstance, serve, transportTo } from './follower-setting.ts';
import { createSignedLog, LOG } from './signed-log.ts';

/** An instance of a log with a heartbeat each 100 ms, and what its store has been asked for. */
async function openCounted(clock: Clock = systemClock) {
  const log = createSignedLog();
  const { server } = await serve(log);
  const counts = { enforced: 0, flushed: 0 };
  let last: LogState | undefined;
  const wrap = (store: FeedStore): FeedStore => ({
    ...store,
    enforce(change) {
      counts.enforced += 1;
      last = change.state;
      store.enforce(change);
    },
    flush() {
      counts.flushed += 1;
      store.flush();
    },
  });
  const path = join(temporaryDirectory(), 'denylist.db');
  const instance = openInstance(log, transportTo(server.url), path, { wrap, clock });
  await instance.follower.ready();
  await waitFor('the first heartbeat is committed', () => (instance.denylist.load(LOG)?.wholeAt ?? 0) > 0);
  return { log, path, instance, counts, last: () => last };
}

describe('a follower of a quiet log', () => {
  it('commits no heartbeat of its own, and an event at once', async () => {
    const { log, instance, counts } = await openCounted();
    const before = { ...counts };
    await waitFor('ten more heartbeats', () => counts.enforced >= before.enforced + 10);
    expect(counts.flushed - before.flushed).toBeLessThanOrEqual(1);
    const heartbeats = counts.enforced;
    log.append('sid-1');
    await waitFor('the event is durable', () => instance.denylist.load(LOG)?.seq === 1);
    // A commit of times comes after 25 heartbeats at the earliest.
    expect(counts.enforced - heartbeats).toBeLessThan(15);
  });

  it('stores the time of its last heartbeat when it closes', async () => {
    const { path, instance, counts, last } = await openCounted();
    const before = counts.enforced;
    await waitFor('five more heartbeats', () => counts.enforced >= before + 5);
    await instance.stop();
    const denylist = openDenylist({ path });
    onTestFinished(() => denylist.close());
    expect(denylist.load(LOG)?.wholeAt).toBe(last()?.wholeAt);
  });

  it('reads the boot clock once a second, and at once when the wall clock has moved', async () => {
    let reads = 0;
    let ahead = 0;
    /** The number of heartbeats before the last reading. */
    let readAfter = 0;
    let heartbeats = () => 0;
    const boot = () => {
      reads += 1;
      readAfter = heartbeats();
      return systemClock.boot?.();
    };
    const began = performance.now();
    const { counts } = await openCounted({ ...systemClock, now: () => systemClock.now() + ahead, boot });
    await waitFor('twelve heartbeats', () => counts.enforced >= 12);
    expect(reads).toBeLessThanOrEqual((performance.now() - began) / 1_000 + 3);
    heartbeats = () => counts.enforced;
    const before = { reads, heartbeats: heartbeats() };
    ahead = 60_000;
    await waitFor('another reading', () => reads > before.reads);
    expect(readAfter - before.heartbeats).toBeLessThanOrEqual(1);
  });
});
