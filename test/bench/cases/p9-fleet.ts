import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openBroker } from '@rescind/dev-kafka';
import { patchRequestQueue } from '@rescind/feed-kafka/testing';
import kafkajs from 'kafkajs';
import type { Bar, Case, Setting } from '../case.ts';
import type { Arrival } from '../material/arrivals.ts';
import { clockMs } from '../material/arrivals.ts';
import type { Child } from '../material/child.ts';
import { startChild } from '../material/child.ts';
import { newId } from '../material/rows.ts';
import { latencyOf, quantileOf } from '../race.ts';

/** As many bytes as an event has. */
const EVENT_BYTES = 1_000;
/** Revocations before the measurement, after which the code of both is optimized and the heaps have their final size. */
const WARM_UP = 60;
/** The longest random wait between two revocations, in ms, so that they do not depend on the phase of any timer. */
const PAUSE_MS = 20;
/** The least wait, for each reader, in ms: what the readers of the former record do afterwards (commits, next fetches) is over then. */
const PAUSE_EACH_MS = 0.5;

/** One reader has a p99 that only many samples show; a thousand readers take half a second of both cores for each. */
function revocationsFor(readers: number): number {
  if (readers === 1) return 2_400;
  return readers < 1_000 ? 400 : 150;
}

/** ms from the beginning until the last reader has it, and until each has. */
interface Sample {
  readonly last: number;
  readonly each: readonly number[];
}

/** Compares the delivery of a text to all readers by kafkajs alone with a revocation until all instances enforce it. */
async function compare(readers: number, { quick, directory, say }: Setting) {
  const samples = quick ? 60 : revocationsFor(readers);
  const broker = await openBroker({ own: true, log: say });
  try {
    const brokers = broker.brokers.join();
    const [topic, rawTopic] = [`rescind.bench.${newTopic()}`, `raw.bench.${newTopic()}`];
    for (const name of ['issuer', 'instances']) mkdirSync(join(directory, name));
    await using raw = await openRaw(broker.brokers, rawTopic, readers);
    await using issuer = startChild('issue-to-kafka.ts', [brokers, topic, join(directory, 'issuer')]);
    const url = `http://127.0.0.1:${await issuer.line()}`;
    await using fleet = startChild('follow-many.ts', [
      ...[brokers, topic, String(readers), url],
      join(directory, 'instances'),
    ]);
    await ready(fleet);
    const found = { raw: [] as Sample[], answered: [] as Sample[], asked: [] as Sample[] };
    for (let sample = -WARM_UP; sample < samples; sample += 1) {
      if (sample % 100 === 0) say(`${sample} of ${samples} …`);
      await delay(PAUSE_EACH_MS * readers + Math.random() * PAUSE_MS);
      const bare = await raw.send();
      await delay(PAUSE_EACH_MS * readers + Math.random() * PAUSE_MS);
      const { asked, answered } = await revoke(issuer, fleet);
      if (sample < 0) continue;
      found.raw.push(bare);
      found.asked.push(asked);
      found.answered.push(answered);
    }
    return found;
  } finally {
    await broker.close();
  }
}

const newTopic = () => randomBytes(4).toString('hex');

async function ready(child: Child): Promise<void> {
  for (let line = await child.line(); line !== 'ready'; line = await child.line());
}

/** Waits for the next arrival of a text, and returns its times. */
async function arrival(child: Child, wanted: string, began: number): Promise<Sample> {
  for (;;) {
    const { text, times } = JSON.parse(await child.line()) as Arrival;
    if (text !== wanted) continue;
    const each = times.map((time) => time - began);
    return { each, last: Math.max(...each) };
  }
}

async function revoke(issuer: Child, fleet: Child): Promise<{ readonly asked: Sample; readonly answered: Sample }> {
  const sid = newId();
  issuer.send(sid);
  const { began, answered } = JSON.parse(await issuer.line()) as { began: number; answered: number };
  const asked = await arrival(fleet, sid, began);
  const since = (ms: number) => ms - (answered - began);
  return { asked, answered: { each: asked.each.map(since), last: since(asked.last) } };
}

async function openRaw(brokers: readonly string[], topic: string, readers: number) {
  patchRequestQueue();
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], clientId: 'bench', logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1 }], waitForLeaders: true });
  await admin.disconnect();
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await producer.connect();
  const consumers = startChild('consume-many.ts', [brokers.join(), topic, String(readers)]);
  await ready(consumers);
  return {
    async send(): Promise<Sample> {
      const value = randomBytes((EVENT_BYTES / 4) * 3).toString('base64url');
      const began = clockMs();
      const [sample] = await Promise.all([
        arrival(consumers, value, began),
        producer.send({ topic, acks: -1, messages: [{ key: 'log', value, partition: 0 }] }),
      ]);
      return sample;
    },
    async [Symbol.asyncDispose]() {
      await producer.disconnect();
      await consumers[Symbol.asyncDispose]();
    },
  };
}

const lasts = (samples: readonly Sample[]) => samples.map(({ last }) => last);
const eaches = (samples: readonly Sample[]) => samples.flatMap(({ each }) => each);

function times(of: readonly Sample[], to: readonly Sample[], share: number): number {
  return quantileOf(lasts(of), share) / quantileOf(lasts(to), share);
}

const fleetOf = (id: string, readers: number, barsOf: (found: Awaited<ReturnType<typeof compare>>) => Bar[]): Case => ({
  id,
  what: `a revocation, until ${readers === 1 ? 'another instance denies' : `each of ${readers} instances denies`}, by Kafka`,
  pinned: false,
  async run(setting) {
    const found = await compare(readers, setting);
    return {
      bars: barsOf(found),
      measured: [
        latencyOf('kafkajs: send → all have it', lasts(found.raw)),
        latencyOf('answer → all deny', lasts(found.answered)),
        latencyOf('request → all deny', lasts(found.asked)),
        ...(readers === 1
          ? []
          : [
              latencyOf('kafkajs: send → one has it', eaches(found.raw)),
              latencyOf('answer → one denies', eaches(found.answered)),
            ]),
      ],
      settings: {
        readers,
        revocations: found.raw.length,
        broker: 'one, on the same cores',
        processes: 'issuer, readers, rival, broker',
        acks: 'all',
      },
    };
  },
});

export const p4 = fleetOf('P4', 1, ({ raw, answered, asked }) => [
  { what: 'p99 from the answer, × kafkajs send → receive', figure: times(answered, raw, 0.99), atMost: 0.9 },
  { what: 'p99 from the request, × kafkajs send → receive', figure: times(asked, raw, 0.99), atMost: 1.5 },
]);

export const p9Thousand = fleetOf('P9-1000', 1_000, ({ raw, answered }) => [
  { what: 'p99 from the answer, × 1,000 kafkajs consumers', figure: times(answered, raw, 0.99), atMost: 1.5 },
  { what: 'p50 from the answer, × 1,000 kafkajs consumers', figure: times(answered, raw, 0.5), atMost: 1.5 },
]);

/** The case that a profile is taken of. */
export const p9Profile = fleetOf('P9-25', 25, () => []);

export const p9 = fleetOf('P9', 100, ({ raw, answered }) => [
  { what: 'p99 from the answer, × 100 kafkajs consumers', figure: times(answered, raw, 0.99), atMost: 1.5 },
  { what: 'p50 from the answer, × 100 kafkajs consumers', figure: times(answered, raw, 0.5), atMost: 1.5 },
]);
