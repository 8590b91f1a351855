import { setTimeout as delay } from 'node:timers/promises';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import { patchRequestQueue } from '@rescind/feed-kafka/testing';
import { METRICS } from '@rescind/revocation/metrics';
import kafkajs from 'kafkajs';
import { waitFor } from '../../support/wait.ts';
import type { Case } from '../case.ts';
import { acceptedToken, checkOf, openBenchFleet, refusedAfter, sumOf, untilCalm } from '../material/fleet.ts';
import { spreadOf } from '../race.ts';

const INSTANCES = { prices: 2, orders: 1 };
/** The longest random wait before the leader is disturbed, so that the results do not depend on the phase of the heartbeats. */
const PAUSE_MS = 1_000;
/** In the first 10 s of an epoch standby streams carry no events (docs/protocol.md): a fleet in service is older. */
const OLD_ENOUGH_MS = 12_000;
const MEND_LIMIT_MS = 120_000;
/** The delay of each publication. */
const LATE_MS = 300;

/** Why a reader reads the fallback transport. */
const REASONS = METRICS.rescind_feed_fallback_total.labels.reason;

const DISTURBANCES = [
  { name: 'killed', disturb: 'stop', mend: 'start' },
  { name: 'frozen', disturb: 'pause', mend: 'resume' },
] as const;

/** The partition of a topic that has one: its leader, and how many copies are in sync. */
async function partitionOf({ brokers }: Broker, topic: string) {
  patchRequestQueue();
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], clientId: 'bench', logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const [partition] = topics[0]?.partitions ?? [];
    if (partition === undefined || partition.leader < 1) throw new Error(`${topic} has no leader`);
    return { leader: partition.leader, inSync: partition.isr.length };
  } finally {
    await admin.disconnect();
  }
}

export const p10: Case = {
  id: 'P10',
  what: 'a logout right after the leader of three brokers is lost, until every instance refuses',
  pinned: false,
  async run({ quick, say }) {
    const rounds = quick ? 2 : 7;
    await using three = await openBroker({ own: true, brokers: 3, log: say });
    const options = { brokers: three.brokers, ...INSTANCES, issuerEnvironment: { KAFKA_REPLICATION: '3' } };
    await using fleet = await openBenchFleet(options);
    const user = await fleet.client.register();
    await delay(OLD_ENOUGH_MS);
    const switches = () =>
      Promise.all(REASONS.map((reason) => sumOf(fleet.instances, 'rescind_feed_fallback_total', `reason="${reason}"`)));
    const before = await switches();
    const seconds = new Map<string, number[]>(DISTURBANCES.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const { name, disturb, mend } of DISTURBANCES) {
        await waitFor(
          'three copies are in sync',
          async () => (await partitionOf(three, fleet.topic)).inSync === 3,
          MEND_LIMIT_MS,
        );
        await untilCalm(fleet);
        const token = await acceptedToken(fleet, user);
        const { leader } = await partitionOf(three, fleet.topic);
        await delay(Math.random() * PAUSE_MS);
        await three[disturb](leader);
        const ms = await refusedAfter(fleet, token);
        say(`the leader, broker ${leader}, is ${name}: refused after ${Math.round(ms)} ms`);
        seconds.get(name)?.push(ms / 1_000);
        await three[mend](leader);
      }
    }
    const after = await switches();
    return {
      bars: [...seconds].map(([name, each]) => {
        return { what: `leader ${name}, the worst, s`, figure: Math.max(...each), atMost: 1 };
      }),
      measured: [
        ...[...seconds].map(([name, each]) => spreadOf(`leader ${name}: answer → all refuse`, each, 's')),
        ...REASONS.map((reason, at) => {
          const times = (after[at] ?? 0) - (before[at] ?? 0);
          return spreadOf(`switches of a transport, of all readers: ${reason}`, [times], 'in all');
        }),
      ],
      settings: { rounds, instances: fleet.instances.length, brokers: 3, inSync: 2, cores: 'shared by all processes' },
    };
  },
};

export const p10Late: Case = {
  id: 'P10-late',
  what: `a Kafka that always acknowledges ${LATE_MS} ms late`,
  pinned: false,
  async run({ quick, say }) {
    const logouts = quick ? 10 : 60;
    await using broker = await openBroker({ own: true, log: say });
    const ports = broker.brokers.map((address) => address.slice(address.lastIndexOf(':') + 1)).join();
    const issuerEnvironment = { KAFKA_LATE_PORTS: ports, KAFKA_LATE_MS: String(LATE_MS) };
    await using fleet = await openBenchFleet({ brokers: broker.brokers, ...INSTANCES, issuerEnvironment });
    const user = await fleet.client.register();
    await untilCalm(fleet);
    const deliveries = () => sumOf([fleet.issuer], 'rescind_standby_deliveries_total');
    const atStart = await deliveries();
    const times: number[] = [];
    for (let logout = 0; logout < logouts; logout += 1) {
      times.push(await refusedAfter(fleet, await acceptedToken(fleet, user)));
      await delay(Math.random() * PAUSE_MS);
    }
    // Counted since the start of each process, not since the fleet was calm.
    const switches = await sumOf(fleet.instances, 'rescind_feed_fallback_total');
    const acknowledgementMs = Number((await checkOf(fleet.issuer, 'relay'))?.acknowledgementMs);
    if (!(acknowledgementMs >= LATE_MS)) throw new Error(`acknowledgements take ${acknowledgementMs} ms`);
    return {
      bars: [{ what: 'switches of a transport, of all readers', figure: switches, atMost: 0 }],
      measured: [
        spreadOf('answer → all refuse', times, 'ms'),
        spreadOf('acknowledgement, as the issuer measures it', [acknowledgementMs], 'ms'),
        spreadOf('deliveries on standby streams, until the fleet was calm', [atStart], 'in all'),
        spreadOf('deliveries on standby streams, after that', [(await deliveries()) - atStart], 'in all'),
      ],
      settings: { logouts, instances: fleet.instances.length, lateMs: LATE_MS, broker: 'one, on the same cores' },
    };
  },
};
