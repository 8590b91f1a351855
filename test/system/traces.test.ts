import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openBroker } from '@rescind/dev-kafka';
import kafkajs from 'kafkajs';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../support/directory.ts';
import { fleetOf, untilAll } from '../support/fleet.ts';
import { waitFor } from '../support/wait.ts';

const PRELOAD = new URL('../support/record-spans.mjs', import.meta.url).pathname;

interface RecordedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly parentSpanId: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Returns the header `traceparent` of each record of a topic that has one. */
async function traceparents(brokers: readonly string[], topic: string, count: number): Promise<string[]> {
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], clientId: 'test', logLevel: kafkajs.logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `traces-${process.pid}-${Date.now()}` });
  onTestFinished(() => consumer.disconnect());
  const found: string[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      const { traceparent } = message.headers ?? {};
      if (traceparent !== undefined) found.push(String(traceparent));
    },
  });
  await waitFor('the records with a trace', () => found.length >= count, 30_000);
  return found;
}

test('a revocation is one trace, from the commit by the issuer to each instance that enforces it', async () => {
  await using broker = await openBroker();
  const file = join(temporaryDirectory(), 'spans.ndjson');
  const environment = { NODE_OPTIONS: `--import=${PRELOAD}`, SPANS_FILE: file, OPENTELEMETRY: 'true' };
  const fleet = await fleetOf({
    brokers: broker.brokers,
    prices: 2,
    orders: 0,
    issuerEnvironment: environment,
    guardedEnvironment: environment,
  });
  const user = await fleet.client.register();
  const { access_token: token } = await fleet.client.login(user, 'a device');
  await untilAll(fleet.instances, token, '200');
  await fleet.client.logout(token);
  await untilAll(fleet.instances, token, 'token_revoked');

  const spans = (): RecordedSpan[] =>
    existsSync(file)
      ? readFileSync(file, 'utf8')
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line))
      : [];
  const found = await waitFor('the spans of every step', () => {
    const written = spans();
    return written.length >= 4 && written;
  });
  expect(found.map(({ name }) => name).sort()).toEqual([
    'rescind.apply',
    'rescind.apply',
    'rescind.publish',
    'rescind.revoke',
  ]);
  const [{ traceId, parentSpanId, attributes }] = found as [RecordedSpan, ...RecordedSpan[]];
  expect(traceId).toBe(Buffer.from(String(attributes['rescind.txn']), 'base64url').toString('hex'));
  for (const span of found) expect(span).toMatchObject({ traceId, parentSpanId, attributes });
  expect(attributes).toMatchObject({ 'rescind.seq': 1, 'rescind.epoch': expect.stringMatching(/^\d{10}-/) });
  expect(await traceparents(broker.brokers, fleet.topic, 1)).toEqual([`00-${traceId}-${parentSpanId}-01`]);
}, 180_000);
