import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Broker, ClusterNode } from './cluster.ts';
import { openCluster, randomClusterId } from './cluster.ts';
import { freePorts, openWatchdog, quote } from './host.ts';
import type { JavaNode, NodePorts } from './java-node.ts';
import { createJavaNode, serverProperties } from './java-node.ts';
import type { SecureAccess, SecureFiles } from './java-security.ts';
import { createSecureFiles } from './java-security.ts';

interface JavaOptions {
  readonly brokers: number;
  readonly cacheDirectory: string;
  readonly users: Readonly<Record<string, string>> | undefined;
  readonly properties: Readonly<Record<string, string>>;
  readonly log: (line: string) => void;
}

const PORTS_PER_NODE = 4;

/** Runs Kafka as Java processes, with their data in a temporary directory. */
export async function openJavaBroker(options: JavaOptions): Promise<Broker> {
  const jars = await fetchJars(options.cacheDirectory, options.log);
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

const run = promisify(execFile);

const KAFKA_VERSION = '4.3.0';

/** Brokers of Kafka 4 require Java 17. */
const MIN_JAVA_VERSION = 17;

/** Enough for 43 MB on a slow network; a hanging one must not block a test run. */
const FETCH_LIMIT_MS = 300_000;

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>rescind</groupId><artifactId>dev-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
`;

/** Returns why Kafka cannot run as a Java process on this machine; undefined: it can. */
export async function checkJava(cacheDirectory: string): Promise<string | undefined> {
  const version = await javaVersion();
  if (version === undefined) return 'there is no `java`';
  if (version < MIN_JAVA_VERSION) return `\`java\` is version ${version}, Kafka requires ${MIN_JAVA_VERSION} or newer`;
  if (existsSync(jarsDirectory(cacheDirectory))) return undefined;
  return run('mvn', ['--version']).then(
    () => undefined,
    () => 'there is no `mvn` to fetch the jars of Kafka with',
  );
}

async function javaVersion(): Promise<number | undefined> {
  try {
    const { stdout, stderr } = await run('java', ['-version']);
    const found = /version "(\d+)/.exec(stdout + stderr);
    return found === null ? undefined : Number(found[1]);
  } catch {
    return undefined;
  }
}

const jarsDirectory = (cacheDirectory: string) => join(cacheDirectory, `kafka-${KAFKA_VERSION}`);

/** Returns the directory of Kafka's jars, which it fetches from Maven Central once. Several processes may call it at once. */
async function fetchJars(cacheDirectory: string, log: (line: string) => void): Promise<string> {
  const jars = jarsDirectory(cacheDirectory);
  if (existsSync(jars)) return jars;
  mkdirSync(cacheDirectory, { recursive: true });
  const work = mkdtempSync(join(cacheDirectory, 'fetching-'));
  try {
    log(`fetching the jars of Kafka ${KAFKA_VERSION} into ${jars}`);
    writeFileSync(join(work, 'pom.xml'), POM);
    const output = `-DoutputDirectory=${join(work, 'jars')}`;
    await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', output], { cwd: work, timeout: FETCH_LIMIT_MS });
    moveOnce(join(work, 'jars'), jars);
  } catch (error) {
    throw new Error(`Maven could not fetch the jars of Kafka ${KAFKA_VERSION}`, { cause: error });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return jars;
}

function moveOnce(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    // Another process has moved the same jars there first.
    if (!existsSync(to)) throw error;
  }
}
