import type { Broker, SecureAccess } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import type { KafkaConnection, KafkaLogin } from '@rescind/feed-kafka';
import { kafkaTransport, openPublisher } from '@rescind/feed-kafka';
import kafkajs from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testTopic } from '../../support/kafka-topic.ts';
import { waitFor } from '../../support/wait.ts';
import { collect, createRecorder } from './collector.ts';

const USERS = { admin: 'admin-password-1', issuer: 'issuer-password-2', reader: 'reader-password-3' };

let broker: Broker;
let secure: SecureAccess;

beforeAll(async () => {
  broker = await openBroker({ users: USERS, log: (line) => console.error(line) });
  if (broker.secure === undefined) throw new Error('this broker has no guarded listeners');
  secure = broker.secure;
});
afterAll(() => broker?.close());

const login = (username: keyof typeof USERS, mechanism: KafkaLogin['mechanism'] = 'scram-sha-512'): KafkaLogin => ({
  mechanism,
  username,
  password: USERS[username],
});

const bySasl = (sasl: KafkaLogin): Omit<KafkaConnection, 'topic'> => ({
  brokers: secure.saslBrokers,
  clientId: sasl.username,
  ssl: { ca: secure.ca },
  sasl,
});

/** Adds an ACL of the topic for a user, as kafka-acls.sh does. */
async function allow(
  topic: ReturnType<typeof testTopic>,
  user: string,
  operations: readonly (keyof typeof kafkajs.AclOperationTypes)[],
) {
  const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
  const common = { principal: `User:${user}`, host: '*', permissionType: AclPermissionTypes.ALLOW };
  await topic.admin.connect();
  await topic.admin.createAcls({
    acl: [
      ...operations.map((operation) => ({
        ...common,
        operation: AclOperationTypes[operation] as number,
        resourceType: AclResourceTypes.TOPIC,
        resourceName: topic.name,
        resourcePatternType: ResourcePatternTypes.LITERAL,
      })),
      {
        ...common,
        operation: AclOperationTypes.READ,
        resourceType: AclResourceTypes.GROUP,
        resourceName: 'rescind.',
        resourcePatternType: ResourcePatternTypes.PREFIXED,
      },
    ],
  });
}

test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
  'publishes and reads by SASL %s over TLS',
  async (how) => {
    const topic = testTopic(broker.brokers);
    await topic.create();
    await allow(topic, 'issuer', ['WRITE', 'DESCRIBE_CONFIGS']);
    await allow(topic, 'reader', ['READ']);
    await using publisher = openPublisher({
      ...bySasl(login('issuer', how)),
      topic: topic.name,
      log: 'log',
      minRetentionMs: 3_600_000,
    });
    await waitFor('the permission', () => publisher.publish(['event-1']).then(() => true), 20_000);
    expect(publisher.health()[0]?.status).toBe('pass');
    const reader = collect(kafkaTransport({ ...bySasl(login('reader', how)), topic: topic.name }));
    await waitFor('the event', () => reader.texts().includes('event-1'), 20_000);
  },
);

test('publishes and reads by TLS with a client certificate', async () => {
  const topic = testTopic(broker.brokers);
  await topic.create();
  await allow(topic, 'CN=client', ['READ', 'WRITE', 'DESCRIBE_CONFIGS']);
  const { certificate: cert, key } = secure.client;
  const connection = { brokers: secure.tlsBrokers, clientId: 'client', ssl: { ca: secure.ca, cert, key } };
  await using publisher = openPublisher({ ...connection, topic: topic.name, log: 'log', minRetentionMs: 3_600_000 });
  await waitFor('the permission', () => publisher.publish(['event-1']).then(() => true), 20_000);
  const reader = collect(kafkaTransport({ ...connection, topic: topic.name }));
  await waitFor('the event', () => reader.texts().includes('event-1'), 20_000);
});

test('publishes with a warning when the user may not read the settings', async () => {
  const topic = testTopic(broker.brokers);
  await topic.create();
  await allow(topic, 'issuer', ['WRITE']);
  const telemetry = createRecorder();
  const options = { ...bySasl(login('issuer')), topic: topic.name, log: 'log', minRetentionMs: 3_600_000, telemetry };
  await using publisher = openPublisher(options);
  await waitFor('the permission', () => publisher.publish(['event-1']).then(() => true), 20_000);
  expect(publisher.health()[0]).toMatchObject({ status: 'warn', reason: expect.stringContaining('DescribeConfigs') });
  expect(telemetry.lines.some(({ event }) => event === 'kafka_topic_warning')).toBe(true);
});

test('reports a user that may not create the topic', async () => {
  const topic = testTopic(broker.brokers);
  await allow(topic, 'issuer', ['WRITE', 'DESCRIBE', 'DESCRIBE_CONFIGS']);
  await using publisher = openPublisher({
    ...bySasl(login('issuer')),
    topic: topic.name,
    log: 'log',
    minRetentionMs: 3_600_000,
    createTopic: true,
  });
  await waitFor(
    'health names the missing permission',
    () => String(publisher.health()[0]?.reason).includes('may not create it'),
    20_000,
  );
});

test('a reader without permission loses its connection with `unauthorized`, and reads once it is permitted', async () => {
  const topic = testTopic(broker.brokers);
  await topic.create();
  await topic.write('event-1');
  const reader = collect(kafkaTransport({ ...bySasl(login('reader')), topic: topic.name }));
  await waitFor('the refusal', () => reader.losses.includes('unauthorized'), 20_000);
  await allow(topic, 'reader', ['READ']);
  await waitFor('the event', () => reader.texts().includes('event-1'), 30_000);
});

test('reports a wrong password without the password in log lines and health', async () => {
  const topic = testTopic(broker.brokers);
  await topic.create();
  const telemetry = createRecorder();
  const password = 'not-the-password-9';
  for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
    const connection = bySasl({ ...login('issuer', mechanism), password });
    const reader = collect(kafkaTransport({ ...connection, topic: topic.name, telemetry }));
    await waitFor('the refusal', () => reader.losses.includes('authentication_failed'), 20_000);
    await using publisher = openPublisher({
      ...connection,
      topic: topic.name,
      log: 'log',
      minRetentionMs: 3_600_000,
      publishTimeoutMs: 3_000,
      telemetry,
    });
    const refusal = await publisher.publish(['event-1']).catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: 'kafka_unreachable',
      detail: expect.stringContaining('authentication_failed'),
    });
    const said = JSON.stringify([telemetry.lines, refusal, String(refusal), publisher.health()]);
    for (const secret of [password, ...Object.values(USERS)]) {
      expect(said).not.toContain(secret);
      expect(said).not.toContain(Buffer.from(secret).toString('base64'));
    }
    await reader.connection.close();
  }
});

test('refuses brokers with a certificate of an unknown authority', async () => {
  const unknown = collect(kafkaTransport({ ...bySasl(login('reader')), ssl: true, topic: 'any' }));
  await waitFor('the refusal', () => unknown.losses.includes('certificate_refused'), 20_000);
});

test('reports that the broker refuses a client without a certificate', async () => {
  const bare = collect(
    kafkaTransport({ brokers: secure.tlsBrokers, clientId: 'bare', ssl: { ca: secure.ca }, topic: 'any' }),
  );
  await waitFor('the refusal', () => bare.losses.includes('certificate_refused'), 20_000);
});
