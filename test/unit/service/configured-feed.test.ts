import { silentTelemetry } from '@rescind/revocation';
import type { ConfiguredTransport } from '@rescind/service/configuration';
import { configuredFeed, configuredHttpTransport, configuredKafkaTransport } from '@rescind/service/configuration';
import { expect, it } from 'vitest';

const configuration = {
  ISSUER: 'https://login.example',
  FEED_CLIENT_ID: 'prices',
  FEED_CLIENT_SECRET: 'a-secret-of-the-reader',
  KAFKA_BROKERS: ['kafka:9092'] as readonly string[] | undefined,
  KAFKA_TOPIC: 'rescind.revocations',
  KAFKA_CLIENT_ID: 'prices',
  KAFKA_SSL_ENABLED: false,
};

type Made = readonly [name: string, options: object];

/** A transport of a package that packages/service does not know. */
const nats: ConfiguredTransport<{ readonly NATS_URL?: string }, Made> = ({ configuration: { NATS_URL } }) =>
  NATS_URL === undefined ? undefined : ['nats', { NATS_URL }];

function feedOf(transports: readonly ('nats' | 'kafka' | 'http')[], change: object = {}) {
  let loads = 0;
  const kafkaTransport = (options: object): Made => ['kafka', options];
  const load = async () => {
    loads += 1;
    return { kafkaTransport };
  };
  const known = {
    nats,
    kafka: configuredKafkaTransport(load),
    http: configuredHttpTransport((options): Made => ['http', options]),
  };
  const made = configuredFeed(
    transports.map((name) => known[name] as ConfiguredTransport<object, Made>),
    { configuration: { ...configuration, ...change }, telemetry: silentTelemetry },
  );
  return { made, loads: () => loads };
}

it('creates the transports whose variables are set, in the order of the list', async () => {
  const both = await feedOf(['kafka', 'http']).made;
  expect([both.primary[0], both.fallback?.[0]]).toEqual(['kafka', 'http']);
  expect(both.primary[1]).toMatchObject({ brokers: ['kafka:9092'], topic: 'rescind.revocations', clientId: 'prices' });
  expect(both.fallback?.[1]).toMatchObject({ issuer: 'https://login.example', clientSecret: 'a-secret-of-the-reader' });
  const turned = await feedOf(['http', 'kafka']).made;
  expect([turned.primary[0], turned.fallback?.[0]]).toEqual(['http', 'kafka']);
});

it('creates one transport when the variables of the other are not set, and does not load its client', async () => {
  const { made, loads } = feedOf(['kafka', 'http'], { KAFKA_BROKERS: undefined });
  const feed = await made;
  expect(feed.primary[0]).toBe('http');
  expect(feed).not.toHaveProperty('second');
  expect(loads()).toBe(0);
});

it('accepts a transport of another package', async () => {
  const feed = await feedOf(['nats', 'kafka', 'http'], { KAFKA_BROKERS: undefined, NATS_URL: 'nats://x' }).made;
  expect([feed.primary, feed.fallback?.[0]]).toEqual([['nats', { NATS_URL: 'nats://x' }], 'http']);
});

it.each([
  ['no transport', ['kafka'], { KAFKA_BROKERS: undefined }],
  ['3 transports', ['nats', 'kafka', 'http'], { NATS_URL: 'nats://x' }],
] as const)('is refused with %s', async (what, transports, change) => {
  await expect(feedOf(transports, change).made).rejects.toMatchObject({
    code: 'configuration_invalid',
    detail: expect.stringContaining(what),
  });
});
