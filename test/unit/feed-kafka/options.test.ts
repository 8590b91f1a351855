import { generateKeyPairSync } from 'node:crypto';
import type { KafkaTransportOptions, PublisherOptions } from '@rescind/feed-kafka';
import { kafkaTransport, openPublisher } from '@rescind/feed-kafka';
import { expect, test } from 'vitest';
import { KAFKA } from '../../support/transports.ts';

const GOOD = { brokers: ['kafka-1.example.com:9092', '10.0.0.1:9092'], clientId: 'orders' };
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const KEY = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

const wrong = (options: Record<string, unknown>) => ({ ...GOOD, ...options }) as unknown as KafkaTransportOptions;

test('connects to nothing before it is opened', () => {
  expect(kafkaTransport(GOOD)).toMatchObject(KAFKA);
});

test.each([
  [{ brokers: [] }, 'brokers'],
  [{ brokers: 'kafka:9092' }, 'brokers'],
  [{ brokers: ['kafka'] }, 'brokers'],
  [{ brokers: ['kafka:0'] }, 'brokers'],
  [{ brokers: ['kafka:65536'] }, 'brokers'],
  [{ brokers: ['user:secret@kafka:9092'] }, 'brokers'],
  [{ topic: '' }, 'topic'],
  [{ topic: '..' }, 'topic'],
  [{ topic: 'a b' }, 'topic'],
  [{ topic: 'x'.repeat(201) }, 'topic'],
  [{ clientId: '' }, 'clientId'],
  [{ clientId: 'a/b' }, 'clientId'],
  [{ ssl: 'yes' }, 'ssl'],
  [{ ssl: { ca: '/etc/ca.pem' } }, 'ssl.ca'],
  [{ ssl: { cert: '-----BEGIN CERTIFICATE-----' } }, 'ssl.cert'],
  [{ ssl: { key: KEY } }, 'ssl.key'],
  [{ ssl: { ca: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', cert: 'x', key: 'x' } }, 'ssl.cert'],
  [{ sasl: { mechanism: 'oauthbearer', username: 'a', password: 'b' } }, 'sasl.mechanism'],
  [{ sasl: { mechanism: 'plain', username: '', password: 'b' } }, 'sasl.username'],
  [{ sasl: { mechanism: 'plain', username: 'a' } }, 'sasl.password'],
  [{ sessionTimeoutMs: 0 }, 'sessionTimeoutMs'],
  [{ stallMs: Number.NaN }, 'stallMs'],
  [{ openingMs: Number.POSITIVE_INFINITY }, 'openingMs'],
])('refuses %j, naming the option', (options, name) => {
  expect(() => kafkaTransport(wrong(options))).toThrow(TypeError);
  expect(() => kafkaTransport(wrong(options))).toThrow(name);
});

test('quotes no secret in the error', () => {
  const password = 'hunter2-hunter2';
  const attempts = [
    { sasl: { mechanism: 'nonsense', username: 'a', password } },
    { sasl: { mechanism: 'plain', username: '', password } },
    { ssl: { cert: KEY, key: KEY } },
    { brokers: [`user:${password}@kafka:9092`] },
  ];
  for (const options of attempts) {
    let message = '';
    try {
      kafkaTransport(wrong(options));
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain('TypeError');
    expect(message).not.toContain(password);
    expect(message).not.toContain(KEY.split('\n')[1]);
  }
});

test.each([
  [{ log: '' }, 'log'],
  [{ minRetentionMs: 0 }, 'minRetentionMs'],
  [{ minRetentionMs: 1.5 }, 'minRetentionMs'],
  [{ replicationFactor: 0 }, 'replicationFactor'],
  [{ minInsyncReplicas: 2 }, 'minInsyncReplicas'],
  [{ createTopic: {} }, 'createTopic'],
  [{ publishTimeoutMs: -1 }, 'publishTimeoutMs'],
  [{ checkEveryMs: 0 }, 'checkEveryMs'],
  [{ brokers: [] }, 'brokers'],
])('a publisher refuses %j, naming the option', (options, name) => {
  const given = { ...GOOD, log: 'https://issuer.example', minRetentionMs: 60_000, ...options } as PublisherOptions;
  expect(() => openPublisher(given)).toThrow(TypeError);
  expect(() => openPublisher(given)).toThrow(name);
});
