import { join } from 'node:path';
import type { Transport } from '@rescind/feed';
import type { HealthCheck } from '@rescind/revocation';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/directory.ts';
import { waitFor } from '../../support/wait.ts';
import type { Instance } from './follower-setting.ts';
import { openInstance, serve, transportTo } from './follower-setting.ts';
import { createSignedLog } from './signed-log.ts';

const WRONG = 'a-secret-that-is-wrong';

const checkOf = ({ follower }: Instance, name: string): HealthCheck | undefined =>
  follower.health().find((check) => check.name === name);

/** A primary transport that is served by another server; it cannot stand by, as Kafka cannot. */
const asFirst = (transport: Transport): Transport => ({
  name: 'kafka',
  open: transport.open,
  endpoint: { topic: 'revocations' },
});

async function setUp(secondSecret?: string) {
  const log = createSignedLog();
  const one = await serve(log);
  const two = await serve(log);
  const feed = { primary: asFirst(transportTo(one.server.url)), fallback: transportTo(two.server.url, secondSecret) };
  const path = join(temporaryDirectory(), 'denylist.db');
  const instance = openInstance(log, feed.primary, path, { feed, silenceMs: 60_000 });
  return { log, one, two, instance };
}

describe('the checks of the transports', () => {
  it('report `not_yet_tried` before the first attempt', async () => {
    const { instance } = await setUp();
    for (const name of ['transport_kafka', 'transport_http']) {
      expect(checkOf(instance, name)).toMatchObject({ status: 'warn', state: 'not_yet_tried', connected: false });
    }
  });

  it('pass when the primary is connected and the fallback stands by', async () => {
    const { instance, two } = await setUp();
    await instance.follower.ready();
    await waitFor('the standby stream', () => checkOf(instance, 'transport_http')?.status === 'pass');
    await waitFor('the Kafka transport is connected', () => checkOf(instance, 'transport_kafka')?.status === 'pass');
    expect(checkOf(instance, 'transport_http')).toMatchObject({
      state: 'standby',
      standby: 'supported',
      connected: true,
      lastError: null,
      url: `${two.server.url}/revocations`,
      clientId: 'prices',
    });
    expect(checkOf(instance, 'transport_kafka')).toMatchObject({
      status: 'pass',
      state: 'connected',
      connected: true,
      topic: 'revocations',
      since: expect.stringMatching(/^\d{4}-/),
    });
  });

  it('show a wrong secret of the fallback while the primary works', async () => {
    const { instance } = await setUp(WRONG);
    await instance.follower.ready();
    await waitFor('the refusal', () => checkOf(instance, 'transport_http')?.lastError === 'unauthorized');
    expect(checkOf(instance, 'transport_http')).toMatchObject({
      status: 'warn',
      state: 'disconnected',
      clientId: 'prices',
    });
    expect(checkOf(instance, 'transport_kafka')?.status).toBe('pass');
    expect(checkOf(instance, 'feed')?.status).toBe('pass');
    expect(JSON.stringify(instance.follower.health())).not.toContain(WRONG);
    expect(instance.heard()).toContain(
      '"feed_lost",{"log":"https://issuer.test","transport":"http","reason":"unauthorized"}',
    );
    expect(instance.heard()).not.toContain(WRONG);
  });

  it('show that the fallback is away as soon as its server is, while the primary works', async () => {
    const { instance, two } = await setUp();
    await instance.follower.ready();
    await waitFor('the standby stream', () => checkOf(instance, 'transport_http')?.state === 'standby');
    await two.stop();
    await waitFor(
      'the loss of the standby stream',
      () => checkOf(instance, 'transport_http')?.state === 'disconnected',
    );
    expect(checkOf(instance, 'transport_http')).toMatchObject({ status: 'warn', connected: false });
    expect(checkOf(instance, 'feed')?.status).toBe('pass');
  });

  it('show a primary that is away', async () => {
    const { instance, one } = await setUp();
    await instance.follower.ready();
    await one.stop();
    await waitFor('the loss', () => checkOf(instance, 'transport_kafka')?.status === 'warn');
    expect(checkOf(instance, 'transport_kafka')).toMatchObject({ state: 'disconnected', connected: false });
  });
});
