import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Broker, ClusterNode } from '../cluster.ts';
import { openCluster } from '../cluster.ts';
import { randomClusterId } from '../cluster-id.ts';
import { freePorts } from '../ports.ts';
import { openWatchdog, quote } from '../watchdog.ts';
import { fetchJars } from './jars.ts';
import type { JavaNode } from './node.ts';
import { createJavaNode } from './node.ts';
import type { NodePorts } from './properties.ts';
import { serverProperties } from './properties.ts';
import type { SecureAccess, SecureFiles } from './secure.ts';
import { createSecureFiles } from './secure.ts';

export interface JavaOptions {
  readonly brokers: number;
  readonly cacheDirectory: string;
  readonly users: Readonly<Record<string, string>> | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

const PORTS_PER_NODE = 4;

/** Kafka as Java processes of this machine, their data in a temporary directory. */
export async function openJavaBroker(options: JavaOptions): Promise<Broker> {
  const jars = await fetchJars(options.cacheDirectory, options.say);
  const nodePorts = await choosePorts(options.brokers);
  const secure = options.users === undefined ? undefined : createSecureFiles(options.users);
  const directory = mkdtempSync(join(tmpdir(), 'rescind-kafka-'));
  const nodes = nodePorts.map((_, index) => {
    const home = join(directory, String(index + 1));
    const properties = serverProperties({
      id: index + 1,
      nodes: nodePorts,
      dataDirectory: join(home, 'data'),
      secure,
      extra: options.properties,
    });
    return createJavaNode(jars, home, properties);
  });

  const watchdog = openWatchdog();
  const watch = () => {
    const alive = nodes.flatMap((node) => node.pid ?? []);
    watchdog.set(`${alive.length > 0 ? `kill -9 ${alive.join(' ')}; ` : ''}rm -rf ${quote(directory)}`);
  };
  watch();
  const remove = () => watchdog.close();
  try {
    const clusterId = randomClusterId();
    await Promise.all(nodes.map((node) => node.format(clusterId, secure?.formatArguments ?? [])));
  } catch (error) {
    await remove();
    throw error;
  }
  return openCluster({
    kind: 'java',
    nodes: nodes.map((node, index) => toClusterNode(node, nodePorts[index]?.plain ?? 0, watch)),
    secure: secure === undefined ? undefined : toAccess(secure, nodePorts),
    remove,
  });
}

async function choosePorts(brokers: number): Promise<NodePorts[]> {
  const ports = await freePorts(brokers * PORTS_PER_NODE);
  return Array.from({ length: brokers }, (_, index) => {
    const [plain = 0, controller = 0, tls = 0, sasl = 0] = ports.slice(index * PORTS_PER_NODE);
    return { plain, controller, tls, sasl };
  });
}

function toClusterNode(node: JavaNode, port: number, watch: () => void): ClusterNode {
  return {
    address: `127.0.0.1:${port}`,
    async start() {
      node.spawn();
      watch();
    },
    async kill() {
      await node.kill();
      watch();
    },
    pause: async () => node.signal('SIGSTOP'),
    resume: async () => node.signal('SIGCONT'),
    check: () => node.check(),
  };
}

function toAccess(files: SecureFiles, nodes: readonly NodePorts[]): SecureAccess {
  return {
    tlsBrokers: nodes.map((node) => `127.0.0.1:${node.tls}`),
    saslBrokers: nodes.map((node) => `127.0.0.1:${node.sasl}`),
    ca: files.ca,
    client: files.client,
  };
}
