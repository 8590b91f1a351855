import type { SecureFiles } from './secure.ts';

export interface NodePorts {
  readonly plain: number;
  readonly controller: number;
  readonly tls: number;
  readonly sasl: number;
}

export interface NodeSettings {
  /** 1, 2, 3. */
  readonly id: number;
  readonly nodes: readonly NodePorts[];
  readonly dataDirectory: string;
  readonly secure: SecureFiles | undefined;
  readonly extra: Readonly<Record<string, string>>;
}

/** The server.properties of one node, broker and controller at once (KRaft). */
export function serverProperties(settings: NodeSettings): string {
  const { id, nodes } = settings;
  const ports = nodes[id - 1];
  if (ports === undefined) throw new RangeError(`there is no node ${id}`);
  const properties: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': id,
    'controller.quorum.voters': nodes.map((node, index) => `${index + 1}@127.0.0.1:${node.controller}`).join(),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,TLS:SSL,SASL:SASL_SSL',
    ...listeners(ports, settings.secure !== undefined),
    'log.dirs': settings.dataDirectory,
    ...clusterProperties(nodes.length),
    ...settings.secure?.properties,
    ...settings.extra,
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function listeners(ports: NodePorts, secure: boolean): Record<string, string> {
  const client = [`PLAINTEXT://127.0.0.1:${ports.plain}`];
  if (secure) client.push(`TLS://127.0.0.1:${ports.tls}`, `SASL://127.0.0.1:${ports.sasl}`);
  return {
    listeners: [...client, `CONTROLLER://127.0.0.1:${ports.controller}`].join(),
    'advertised.listeners': client.join(),
  };
}

/** What a cluster of development has in common, wherever it runs. */
export function clusterProperties(brokers: number): Record<string, string | number | boolean> {
  return {
    'auto.create.topics.enable': false,
    'group.initial.rebalance.delay.ms': 0,
    'default.replication.factor': brokers,
    'min.insync.replicas': brokers === 1 ? 1 : 2,
    'offsets.topic.replication.factor': brokers,
    // One in place of fifty: there are few groups here, and the first of them waits for these to be made.
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': brokers,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': brokers,
    'share.coordinator.state.topic.min.isr': 1,
    // A broker that was killed is let in again when its old session has run out: 9 s by default, much of a test's time.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    // The default takes 128 MB of heap, for compaction that nobody needs here.
    'log.cleaner.dedupe.buffer.size': 10_485_760,
  };
}
