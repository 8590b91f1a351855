import { once } from 'node:events';
import { join } from 'node:path';
import type { FeedStore } from '@rescind/feed/follower';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import { isDenied, openInstance, serve, transportTo } from './follower-setting.ts';
import { createSignedLog, LOG } from './signed-log.ts';

const newPath = () => join(temporaryDirectory(), 'denylist.db');

describe('a follower', () => {
  it('is ready when it has caught up, and applies new events', async () => {
    const log = createSignedLog();
    log.append('before');
    const { server } = await serve(log);
    const store = observedStore();
    const instance = openInstance(log, transportTo(server.url), newPath(), { wrap: store.wrap });
    expect(instance.follower.view()).toMatchObject({ ready: false, complete: false, ageMs: Number.POSITIVE_INFINITY });
    expect(instance.follower.health()[0]).toMatchObject({ name: 'feed', status: 'fail', ageMs: null });

    await instance.follower.ready();
    expect(isDenied(instance, 'before')).toBe(true);
    expect(instance.follower.view()).toMatchObject({
      ready: true,
      complete: true,
      suspect: null,
      lag: 0,
      transport: 'http',
    });
    expect(instance.follower.health()[0]).toMatchObject({ status: 'pass', seq: 1, head: 1 });

    for (let i = 0; i < 20; i += 1) {
      log.append(`sid-${i}`);
      await store.waitFor(() => isDenied(instance, `sid-${i}`));
    }
    expect(instance.heard()).toContain('rescind_propagation_seconds');
    expect(instance.heard()).toContain('rescind_events_applied_total');
  });

  it('delivers each event to every instance', async () => {
    const log = createSignedLog();
    const { server } = await serve(log);
    const instances = Array.from({ length: 5 }, () => openInstance(log, transportTo(server.url), newPath()));
    await Promise.all(instances.map(({ follower }) => follower.ready()));
    log.append('gone');
    await waitFor('every instance denies the session', () => instances.every((instance) => isDenied(instance, 'gone')));
  });

  it('resumes from its file, and is ready again only after it has applied the missed events', async () => {
    const log = createSignedLog();
    const { server } = await serve(log);
    const path = newPath();
    const first = openInstance(log, transportTo(server.url), path);
    log.append('one');
    await waitFor('the first event is applied', () => isDenied(first, 'one') && first.follower.view().seq === 1);
    await first.stop();
    log.append('two');

    const second = openInstance(log, transportTo(server.url), path);
    expect(isDenied(second, 'one')).toBe(true);
    expect(second.follower.view().ready).toBe(false);
    await second.follower.ready();
    expect(isDenied(second, 'two')).toBe(true);
    expect(server.reads.at(-1)?.headers['last-event-id']).toBe('0000000001-aaaa:1');
  });

  it('continues when a killed server is back', async () => {
    const log = createSignedLog();
    const served = await serve(log);
    const instance = openInstance(log, transportTo(served.server.url), newPath());
    await instance.follower.ready();
    await served.stop();
    log.append('meanwhile');
    const before = instance.follower.view().ageMs;
    await waitFor('the age of the view grows', () => instance.follower.view().ageMs > before + 500);
    expect(instance.follower.view().ready).toBe(true);
    await serve(log, served.server.port);
    await waitFor('the missed event is enforced', () => isDenied(instance, 'meanwhile'));
    await waitFor(
      'the view is complete and less than 500 ms old',
      () => instance.follower.view().complete && instance.follower.view().ageMs < 500,
    );
  });

  it('catches up with thousands of events in many turns of the event loop', async () => {
    const log = createSignedLog();
    for (let i = 0; i < 3_000; i += 1) log.append(`sid-${i}`);
    const { server } = await serve(log);
    const instance = openInstance(log, transportTo(server.url), newPath());
    const positions = [0];
    const watch = setInterval(() => positions.push(instance.follower.view().seq ?? 0), 0);
    await instance.follower.ready(AbortSignal.timeout(30_000));
    clearInterval(watch);
    // All of them are denied from memory now; the last ones are committed a moment later.
    for (let i = 0; i < 3_000; i += 1) expect(isDenied(instance, `sid-${i}`)).toBe(true);
    await waitFor('every row is in the file', () => instance.denylist.count() === 3_000);
    expect(instance.follower.view()).toMatchObject({ seq: 3_000, lag: 0 });
    // A slice is 200 events; several may be read before a timer fires again.
    const steps = positions.map((position, index) => position - (positions[index - 1] ?? 0));
    expect(Math.max(...steps)).toBeLessThanOrEqual(1_000);
  });

  it('closes its connection, and may be closed twice', async () => {
    const log = createSignedLog();
    const { server, handler } = await serve(log);
    const { follower } = openInstance(log, transportTo(server.url), newPath());
    await follower.ready();
    await Promise.all([follower.close(), follower.close()]);
    await waitFor('the connection is closed', () => handler.readers() === 0);
    await expect(follower.ready()).resolves.toBeUndefined();
  });

  it('stops waiting for readiness when the signal aborts or the follower closes', async () => {
    const log = createSignedLog();
    const { follower } = openInstance(log, transportTo('http://127.0.0.1:9'), newPath());
    await expect(follower.ready(AbortSignal.timeout(50))).rejects.toMatchObject({ name: 'TimeoutError' });
    await expect(follower.ready(AbortSignal.abort(new Error('no')))).rejects.toThrow('no');
    const waiting = follower.ready();
    await follower.close();
    await expect(waiting).rejects.toMatchObject({ code: 'stopping' });
  });

  it('is not ready with wrong credentials', async () => {
    const log = createSignedLog();
    log.append('one');
    const { server } = await serve(log);
    const instance = openInstance(log, transportTo(server.url, 'wrong'), newPath());
    await waitFor('two attempts', () => server.reads.length >= 2);
    expect(instance.follower.view().ready).toBe(false);
    expect(instance.denylist.count()).toBe(0);
  });

  it('is ready by the stored age when no transport responds, unless that age is above the limit', async () => {
    const log = createSignedLog();
    const { server, stop } = await serve(log);
    const path = newPath();
    const first = openInstance(log, transportTo(server.url), path);
    log.append('one');
    await waitFor(
      'a complete view with the event',
      () => first.follower.view().complete && first.follower.view().seq === 1,
    );
    await first.stop();
    await stop();

    const young = openInstance(log, transportTo(server.url), path);
    await young.follower.ready(AbortSignal.timeout(15_000));
    expect(young.follower.view().complete).toBe(false);
    expect(young.follower.view().ageMs).toBeGreaterThan(4_000);
    expect(isDenied(young, 'one')).toBe(true);
    await young.stop();

    const old = openInstance(log, transportTo(server.url), path, { maxStalenessMs: 1_000 });
    await expect(old.follower.ready(AbortSignal.timeout(7_000))).rejects.toMatchObject({ name: 'TimeoutError' });
  });
});

describe('its options', () => {
  const log = createSignedLog();
  const transport = transportTo('http://127.0.0.1:9');
  it.each([
    ['log', { log: '' }],
    ['issuers', { issuers: [] }],
    ['feed.fallback', { feed: { primary: transport, fallback: transport } }],
    ['silenceMs', { silenceMs: -1 }],
    ['maxStalenessMs', { maxStalenessMs: Number.NaN }],
  ])('refuses a wrong %s', (name, wrong) => {
    expect(() => openInstance(log, transport, newPath(), { log: LOG, ...wrong })).toThrow(name);
  });
});

/** Wraps a store so that a test can wait for its next change. */
function observedStore() {
  const changes = new EventTarget();
  return {
    wrap: (store: FeedStore): FeedStore => ({
      ...store,
      enforce(change) {
        store.enforce(change);
        changes.dispatchEvent(new Event('enforced'));
      },
    }),
    async waitFor(condition: () => boolean): Promise<void> {
      const signal = AbortSignal.timeout(10_000);
      while (!condition()) await once(changes, 'enforced', { signal });
    },
  };
}
