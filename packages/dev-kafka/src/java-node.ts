import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SecureFiles } from './java-security.ts';

const run = promisify(execFile);

/** Small heaps, so that several clusters fit on a machine. The first compiler alone shortens the start. */
const JAVA = ['-Xms64m', '-Xmx320m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData'];

const LOGGING = `Configuration:
  Appenders: {Console: {name: STDOUT, PatternLayout: {pattern: "[%d] %p %m (%c)%n"}}}
  Loggers: {Root: {level: WARN, AppenderRef: [{ref: STDOUT}]}}
`;

const LOG_TAIL_LINES = 20;

/** One broker process. */
export interface JavaNode {
  /** The process id; undefined: it does not run. */
  readonly pid: number | undefined;
  /** Formats the storage directory. */
  format(clusterId: string, formatArguments: readonly string[]): Promise<void>;
  spawn(): void;
  /** @throws Error with the end of its log, when the process has ended by itself */
  check(): void;
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

export function createJavaNode(jars: string, directory: string, properties: string): JavaNode {
  mkdirSync(directory, { recursive: true });
  const settings = join(directory, 'server.properties');
  const logging = join(directory, 'log4j2.yaml');
  const log = join(directory, 'broker.log');
  writeFileSync(settings, properties, { mode: 0o600 });
  writeFileSync(logging, LOGGING);
  const java = ['-cp', join(jars, '*'), `-Dlog4j2.configurationFile=${logging}`];
  let child: ChildProcess | undefined;

  return {
    get pid() {
      return child?.pid;
    },
    async format(clusterId, formatArguments) {
      const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', settings, ...formatArguments];
      await run('java', [...JAVA, ...java, ...format]).catch((error: unknown) => {
        throw new Error('Kafka could not format its storage', { cause: error });
      });
    },
    spawn() {
      const output = openSync(log, 'a');
      // In a process group of its own: on Ctrl-C the parent stops its brokers itself.
      child = spawn('java', [...JAVA, ...java, 'kafka.Kafka', settings], {
        stdio: ['ignore', output, output],
        detached: true,
      });
      child.on('error', () => undefined);
      child.unref();
      closeSync(output);
    },
    check() {
      if (child === undefined || (child.exitCode === null && child.signalCode === null)) return;
      const tail = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
      throw new Error(`Kafka ended by itself (${child.exitCode ?? child.signalCode}); the end of its log:\n${tail}`);
    },
    signal(signal) {
      child?.kill(signal);
    },
    async kill() {
      const killed = child;
      child = undefined;
      if (killed === undefined || killed.exitCode !== null || killed.signalCode !== null) return;
      const gone = once(killed, 'exit');
      killed.ref();
      killed.kill('SIGKILL');
      await gone;
    },
  };
}

export interface NodePorts {
  readonly plain: number;
  readonly controller: number;
  readonly tls: number;
  readonly sasl: number;
}

interface NodeSettings {
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

/** Settings of all development clusters, in Docker and as Java processes. */
export function clusterProperties(brokers: number): Record<string, string | number | boolean> {
  return {
    'auto.create.topics.enable': false,
    'group.initial.rebalance.delay.ms': 0,
    'default.replication.factor': brokers,
    'min.insync.replicas': brokers === 1 ? 1 : 2,
    'offsets.topic.replication.factor': brokers,
    // One instead of fifty: there are few groups, and the first one waits for the creation of these.
    'offsets.topic.num.partitions': 1,
    'transaction.state.log.replication.factor': brokers,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': brokers,
    'share.coordinator.state.topic.min.isr': 1,
    // A killed broker can rejoin when its old session has expired: after 9 s by default, too long for tests.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    // The default takes 128 MB of heap for compaction, which no topic here uses.
    'log.cleaner.dedupe.buffer.size': 10_485_760,
  };
}
