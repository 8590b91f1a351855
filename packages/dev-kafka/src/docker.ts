import type { StartedNetwork } from 'testcontainers';
import { GenericContainer, getContainerRuntimeClient, ImageName, Network, Wait } from 'testcontainers';
import type { Broker, ClusterNode } from './cluster.ts';
import { openCluster, randomClusterId } from './cluster.ts';
import { freePorts, openWatchdog } from './host.ts';
import { clusterProperties } from './java-node.ts';

export interface DockerOptions {
  readonly brokers: number;
  readonly properties: Readonly<Record<string, string>>;
}

const IMAGE = 'apache/kafka:4.3.0';
/** Enough for an image of 400 MB on a slow network. Without a network Docker fails much sooner. */
const PULL_LIMIT_MS = 180_000;

/** Pulls the image if it is missing. Returns why Kafka cannot run in Docker on this machine; undefined: it can. */
export async function checkDocker(log: (line: string) => void): Promise<string | undefined> {
  disableRyuk();
  try {
    const { image } = await getContainerRuntimeClient();
    const name = ImageName.fromString(IMAGE);
    if (await image.exists(name)) return undefined;
    log(`pulling ${IMAGE}`);
    await within(PULL_LIMIT_MS, image.pull(name));
    return (await image.exists(name)) ? undefined : `Docker has no image ${IMAGE} and could not pull it`;
  } catch (error) {
    return `Docker: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function within(limitMs: number, work: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${IMAGE} was not pulled within ${limitMs} ms`)), limitMs);
  await Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

/** Runs Kafka in containers. Each broker has a port on this machine, and keeps it when it is started again. */
export async function openDockerBroker(options: DockerOptions): Promise<Broker> {
  disableRyuk();
  const ports = await freePorts(options.brokers);
  const network = await new Network().start();
  const clusterId = randomClusterId();
  const names = ports.map((_, index) => `rescind-kafka-${clusterId.replaceAll(/\W/g, '')}-${index + 1}`);
  // Removes the containers if this process is killed; otherwise `remove` does.
  const watchdog = openWatchdog();
  watchdog.set(`docker rm -f -v ${names.join(' ')}; docker network rm ${network.getId()}`);
  const nodes = ports.map((port, index) =>
    createNode({
      id: index + 1,
      name: names[index] ?? '',
      port,
      brokers: ports.length,
      network,
      clusterId,
      properties: options.properties,
    }),
  );
  const remove = async () => {
    await Promise.all(names.map(removeContainer));
    await network.stop();
    watchdog.set(':');
    await watchdog.close();
  };
  return openCluster({ kind: 'docker', nodes, secure: undefined, remove });
}

async function removeContainer(name: string): Promise<void> {
  const { container } = await getContainerRuntimeClient();
  await container
    .getById(name)
    .remove({ force: true, v: true })
    .catch((error: { readonly statusCode?: number }) => {
      // The container was never created.
      if (error.statusCode !== 404) throw error;
    });
}

interface NodeOptions {
  readonly id: number;
  readonly port: number;
  readonly brokers: number;
  readonly network: StartedNetwork;
  readonly clusterId: string;
  readonly properties: Readonly<Record<string, string>>;
  /** The name of the container. */
  readonly name: string;
}

const hostName = (id: number) => `kafka-${id}`;

function createNode(options: NodeOptions): ClusterNode {
  let containerId: string | undefined;
  const container = async () => {
    if (containerId === undefined) throw new Error('this broker has not been started yet');
    return (await getContainerRuntimeClient()).container.getById(containerId);
  };
  return {
    address: `127.0.0.1:${options.port}`,
    async start() {
      if (containerId !== undefined) return void (await (await container()).start());
      const started = await toContainer(options).start();
      containerId = started.getId();
    },
    kill: async () => {
      if (containerId === undefined) return;
      // Docker delivers no signal to a paused container.
      const one = await container();
      if ((await one.inspect()).State.Paused) await one.unpause();
      if ((await one.inspect()).State.Running) await one.kill({ signal: 'SIGKILL' });
    },
    pause: async () => void (await (await container()).pause()),
    resume: async () => void (await (await container()).unpause()),
    check: () => undefined,
  };
}

function toContainer(options: NodeOptions): GenericContainer {
  const name = hostName(options.id);
  const settings = {
    'process.roles': 'broker,controller',
    'node.id': options.id,
    'controller.quorum.voters': Array.from(
      { length: options.brokers },
      (_, index) => `${index + 1}@${hostName(index + 1)}:9093`,
    ).join(),
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'INTERNAL',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    listeners: 'PLAINTEXT://0.0.0.0:9092,CONTROLLER://0.0.0.0:9093,INTERNAL://0.0.0.0:9094',
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${options.port},INTERNAL://${name}:9094`,
    ...clusterProperties(options.brokers),
    ...options.properties,
  };
  const environment = Object.fromEntries(
    Object.entries(settings).map(([setting, value]) => [toVariable(setting), String(value)]),
  );
  return new GenericContainer(IMAGE)
    .withName(options.name)
    .withNetwork(options.network)
    .withNetworkAliases(name)
    .withExposedPorts({ container: 9092, host: options.port })
    .withEnvironment({ ...environment, CLUSTER_ID: options.clusterId, KAFKA_HEAP_OPTS: '-Xmx320m -Xms64m' })
    .withAutoRemove(false)
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/));
}

/** The image's variable of a setting: KAFKA_LOG_DIRS for `log.dirs`. */
function toVariable(setting: string): string {
  return `KAFKA_${setting.replaceAll('_', '__').replaceAll('-', '___').replaceAll('.', '_').toUpperCase()}`;
}

/**
 * Disables the clean-up container of Testcontainers: it is another image to pull, runs privileged, and does not start on old engines.
 * The watchdog of this package cleans up instead.
 */
function disableRyuk(): void {
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true';
}
