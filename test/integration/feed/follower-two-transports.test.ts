import { join } from 'node:path';
import type { Transport } from '@rescind/feed';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import { isDenied, openInstance, serve, transportTo } from './follower-setting.ts';
import { openServer } from './server.ts';
import type { SignedLog } from './signed-log.ts';
import { createSignedLog } from './signed-log.ts';

const newPath = () => join(temporaryDirectory(), 'denylist.db');

/** A primary transport that is served by another server, so that one of the two can die. */
const asFirst = (transport: Transport): Transport => ({ name: 'kafka', open: transport.open });

async function setUp(silenceMs = 500) {
  const log = createSignedLog();
  const one = await serve(log);
  const two = await serve(log);
  const feed = { primary: asFirst(transportTo(one.server.url)), fallback: transportTo(two.server.url) };
  const instance = openInstance(log, feed.primary, newPath(), { feed, silenceMs });
  await instance.follower.ready();
  return { log, one, two, instance };
}

/** An issuer of the previous version, which ignores the query and responds with the log. */
async function serveWithoutStandby(log: SignedLog) {
  const { handler } = await serve(log);
  const server = await openServer((request, response) => {
    request.url = request.url?.split('?')[0] ?? '';
    handler.handle(request, response);
  });
  return { handler, server };
}

describe('a follower whose issuer knows no standby streams', () => {
  it('reports it in health and log, disconnects, and reads the fallback when the primary is silent', async () => {
    const log = createSignedLog();
    const one = await serve(log);
    const two = await serveWithoutStandby(log);
    const feed = { primary: asFirst(transportTo(one.server.url)), fallback: transportTo(two.server.url) };
    const instance = openInstance(log, feed.primary, newPath(), { feed, silenceMs: 1_000 });
    await instance.follower.ready();
    const check = () => instance.follower.health().find(({ name }) => name === 'transport_http');
    await waitFor('the issuer answers that it serves no standby stream', () => check()?.standby === 'not_supported');
    expect(check()).toMatchObject({ status: 'pass', state: 'standby', connected: false });
    expect(instance.heard()).toContain('["info","standby_not_supported"');
    await waitFor('the standby connection is closed', () => two.handler.readers() === 0);

    await one.stop();
    log.append('by the second');
    await waitFor('the event', () => isDenied(instance, 'by the second'));
    expect(two.handler.readers()).toBe(1);
    await serve(log, one.server.port);
    await waitFor('the fallback transport is left', () => two.handler.readers() === 0);
    expect(check()).toMatchObject({ status: 'pass', standby: 'not_supported' });
  });
});

describe('a follower with two transports', () => {
  it('reads the primary while it is good, and keeps the fallback as a standby stream', async () => {
    const { log, two, instance } = await setUp(60_000);
    log.append('one');
    await waitFor('the event', () => isDenied(instance, 'one'));
    await waitFor('the standby stream', () => two.handler.standbyStreams() === 1);
    expect(two.server.reads.map(({ url }) => url)).toEqual(['/revocations?quiet']);
    expect(two.handler.readers()).toBe(0);
    expect(instance.follower.view().transport).toBe('kafka');
  });

  it('reads the fallback when the primary is silent, and leaves it when the primary is back', async () => {
    const { log, one, two, instance } = await setUp();
    await one.stop();
    log.append('by the second');
    await waitFor('the event', () => isDenied(instance, 'by the second'));
    await waitFor(
      'a complete view by HTTP',
      () => instance.follower.view().complete && instance.follower.view().transport === 'http',
    );
    await waitFor('the standby stream is replaced', () => two.handler.standbyStreams() === 0);
    expect(two.handler.readers()).toBe(1);

    await serve(log, one.server.port);
    await waitFor('the fallback transport is left', () => two.handler.readers() === 0);
    await waitFor('the fallback transport stands by', () => two.handler.standbyStreams() === 1);
    log.append('by the first');
    await waitFor('the event', () => isDenied(instance, 'by the first'));
    expect(instance.follower.view()).toMatchObject({ complete: true, suspect: null, seq: 2 });
  });

  it('is ready by the fallback when the primary never connects', async () => {
    const log = createSignedLog();
    log.append('one');
    const { server } = await serve(log);
    const feed = { primary: asFirst(transportTo('http://127.0.0.1:9')), fallback: transportTo(server.url) };
    const instance = openInstance(log, feed.primary, newPath(), { feed, silenceMs: 300 });
    await instance.follower.ready(AbortSignal.timeout(10_000));
    expect(isDenied(instance, 'one')).toBe(true);
  });

  it('closes both transports', async () => {
    const { log, one, two, instance } = await setUp();
    await one.stop();
    log.append('one');
    await waitFor('the fallback transport is read', () => two.handler.readers() === 1);
    await instance.stop();
    await waitFor('no connection is left', () => two.handler.readers() + two.handler.standbyStreams() === 0);
  });

  it('submits evidence by the fallback', async () => {
    const { log, one, two, instance } = await setUp();
    for (let i = 1; i <= 4; i += 1) log.append(`sid-${i}`);
    await waitFor('four events are applied', () => instance.follower.view().seq === 4);
    await Promise.all([one.stop(), two.stop()]);
    log.restoreTo(2);
    await serve(log, two.server.port);
    await waitFor('the evidence is submitted', () => log.proofs.length > 0);
    expect(instance.follower.view().suspect).toBe('fork');
    expect(isDenied(instance, 'sid-4')).toBe(true);
  });
});
