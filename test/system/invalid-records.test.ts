import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { createSigner, generateSigningKey } from '@rescind/token/signing';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fleetOf, untilAll, untilComplete, verdictsOf } from '../support/fleet.ts';

let broker: Broker;
beforeAll(async () => {
  broker = await openBroker();
});
afterAll(() => broker.close());

it('invalid records, tombstones, forged and unsigned events on the topic change nothing and stop no reader', async () => {
  const { client, instances, topic, issuer } = await fleetOf({ brokers: broker.brokers, prices: 1, orders: 1 });
  const user = await client.register();
  const [alive, revoked] = [await client.login(user, 'alive'), await client.login(user, 'revoked')];
  const forge = createSigner(generateSigningKey(), { typ: 'secevent+jwt' });
  const everybody = {
    iss: issuer.url,
    claim: 'iss',
    value: issuer.url,
    issuedUntil: Date.now() + 1e9,
    expiresAt: Date.now() + 1e9,
    endsSession: true,
  };
  const forged = forge({
    iss: issuer.url,
    jti: 'forged',
    iat: Math.floor(Date.now() / 1000),
    iat_ms: Date.now(),
    txn: 'forged',
    epoch: '999999-ffff',
    seq: 1,
    prev: null,
    sub_id: { format: 'uri', uri: issuer.url },
    events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} },
    deny: [everybody],
  });

  const producer = new Kafka({ brokers: [...broker.brokers], logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  const values = [
    null,
    Buffer.alloc(0),
    Buffer.from([0, 255, 254, 128]),
    '{',
    '[]',
    'null',
    'a.b.c',
    '..',
    'x'.repeat(200_000),
    forged,
    `${forged.slice(0, -8)}AAAAAAAA`,
    '\u0000\r\n\u001b[31m',
  ];
  await producer.send({ topic, acks: -1, messages: values.map((value) => ({ value })) });
  await producer.send({
    topic,
    acks: -1,
    compression: CompressionTypes.GZIP,
    messages: values.map((value) => ({ key: 'k', value })),
  });
  await producer.disconnect();

  expect((await client.logout(revoked.access_token)).status).toBe(204);
  await untilAll(instances, revoked.access_token, 'token_revoked');
  await untilComplete(instances, 'kafka');
  expect(await verdictsOf(instances, alive.access_token)).toEqual(['200', '200']);
  for (const instance of instances) {
    const metrics = await (await fetch(`${instance.managementUrl}/metrics`)).text();
    const bad = [...metrics.matchAll(/^rescind_events_applied_total\{result="bad_[^}]*\} (\d+)$/gm)].map(([, count]) =>
      Number(count),
    );
    expect(bad.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(values.length);
  }

  // A restarted instance reads all of them again.
  for (const instance of instances) {
    await instance.stop('SIGKILL');
    await instance.start();
    await instance.ready();
  }
  expect(await verdictsOf(instances, alive.access_token)).toEqual(['200', '200']);
  expect(await verdictsOf(instances, revoked.access_token)).toEqual(['token_revoked', 'token_revoked']);
});
