import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { SecureAccess } from './java-security.ts';

/** One broker of a cluster that this package runs, in Docker or as a Java process. */
export interface ClusterNode {
  readonly address: string;
  /** Resolves when its process has started, before it serves. */
  start(): Promise<void>;
  kill(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** @throws Error when its process has ended by itself */
  check(): void;
}

/** A real Kafka for tests and for the demo. */
export interface Broker extends AsyncDisposable {
  /** Addresses of the brokers, as `host:port`. */
  readonly brokers: string[];
  /** Where it runs: outside of this package (`given`), in Docker, or as a Java process. */
  readonly kind: 'given' | 'docker' | 'java';
  /** The listeners with authentication; undefined without `users`. */
  readonly secure: SecureAccess | undefined;
  /** Kills one broker (1, 2, 3) or all, with SIGKILL. This and the methods below throw an Error for a `given` Kafka. */
  stop(node?: number): Promise<void>;
  /** Starts it again, with the same ports and data. Resolves when it serves. */
  start(node?: number): Promise<void>;
  /** Freezes it (SIGSTOP): connections stay open without answers. */
  pause(node?: number): Promise<void>;
  resume(node?: number): Promise<void>;
  /** Ends it and removes its data. A `given` Kafka is left alone. */
  close(): Promise<void>;
}

/** One broker starts in two seconds; three with small heaps on a busy machine take much longer. */
const SERVING_LIMIT_MS = 90_000;

interface Cluster {
  readonly kind: 'docker' | 'java';
  readonly nodes: readonly ClusterNode[];
  readonly secure: SecureAccess | undefined;
  readonly remove: () => Promise<void>;
}

/** Starts the nodes as one broker. If they do not serve in time, it removes them and throws. */
export async function openCluster({ kind, nodes, secure, remove }: Cluster): Promise<Broker> {
  const running = new Set<ClusterNode>();
  const chosen = (node: number | undefined) => {
    if (node === undefined) return nodes;
    const one = nodes[node - 1];
    if (one === undefined) throw new RangeError(`there is no broker ${node}, only 1 to ${nodes.length}`);
    return [one];
  };
  const start = async (node?: number) => {
    const starting = chosen(node).filter((one) => !running.has(one));
    await Promise.all(starting.map((one) => one.start()));
    for (const one of starting) running.add(one);
    const check = () => starting.forEach((one) => void one.check());
    await Promise.all(starting.map((one) => waitForMetadata(one.address, running.size, SERVING_LIMIT_MS, check)));
  };
  const stop = async (node?: number) => {
    for (const one of chosen(node)) running.delete(one);
    await Promise.all(chosen(node).map((one) => one.kill()));
  };
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= stop().finally(remove);
    return closed;
  };

  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    brokers: nodes.map((node) => node.address),
    kind,
    secure,
    start,
    stop,
    pause: async (node) => void (await Promise.all(chosen(node).map((one) => one.pause()))),
    resume: async (node) => void (await Promise.all(chosen(node).map((one) => one.resume()))),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A Kafka that was running before and stays. */
export function toGivenBroker(brokers: string[]): Broker {
  const refuse = async () => {
    throw new Error('this Kafka is given by KAFKA_BROKERS: it cannot be stopped or started');
  };
  const close = async () => undefined;
  return {
    brokers,
    kind: 'given',
    secure: undefined,
    start: refuse,
    stop: refuse,
    pause: refuse,
    resume: refuse,
    close,
    [Symbol.asyncDispose]: close,
  };
}

const ATTEMPT_MS = 1_000;
const PAUSE_MS = 50;

/**
 * Waits until the broker at `address` answers a metadata request with at least `count` brokers: before, topics cannot be created.
 * @param check called before each attempt; it throws when no answer can come any more
 */
async function waitForMetadata(address: string, count: number, deadlineMs: number, check: () => void): Promise<void> {
  const end = performance.now() + deadlineMs;
  let last: unknown;
  while (performance.now() < end) {
    check();
    try {
      if ((await fetchBrokerCount(address)) >= count) return;
      last = undefined;
    } catch (error) {
      last = error;
    }
    await delay(PAUSE_MS);
  }
  throw new Error(`no Kafka with ${count} broker(s) answered at ${address} within ${deadlineMs} ms`, { cause: last });
}

/** A metadata request, version 1, without topics. The response begins with the live brokers. */
function metadataRequest(): Buffer {
  const client = Buffer.from('rescind-dev-kafka');
  const request = Buffer.alloc(4 + 10 + client.length + 4);
  request.writeInt32BE(request.length - 4, 0);
  request.writeInt16BE(3, 4); // api key: Metadata
  request.writeInt16BE(1, 6); // version
  request.writeInt32BE(1, 8); // correlation id
  request.writeInt16BE(client.length, 12);
  client.copy(request, 14);
  request.writeInt32BE(0, 14 + client.length); // no topics
  return request;
}

function fetchBrokerCount(address: string): Promise<number> {
  const separator = address.lastIndexOf(':');
  const socket = connect({ host: address.slice(0, separator), port: Number(address.slice(separator + 1)) });
  return new Promise<number>((resolve, reject) => {
    let response = Buffer.alloc(0);
    socket.setTimeout(ATTEMPT_MS, () => reject(new Error('no answer')));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.once('connect', () => socket.write(metadataRequest()));
    socket.on('data', (chunk: Buffer) => {
      response = Buffer.concat([response, chunk]);
      // Size, correlation id, number of brokers.
      if (response.length >= 12) resolve(response.readInt32BE(8));
    });
  }).finally(() => socket.destroy());
}

/** A cluster id in Kafka's format. The storage tool would read one that begins with `-` as an option. */
export function randomClusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? randomClusterId() : id;
}
