import type { SecureAccess } from './java/secure.ts';
import { waitForMetadata } from './listening.ts';

/** One broker of a cluster we run, whatever it runs in. */
export interface ClusterNode {
  readonly address: string;
  /** Resolves when it has been started, not when it serves. */
  start(): Promise<void>;
  kill(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** @throws Error when it has ended by itself */
  check(): void;
}

/** A real Kafka for tests and for the demo. */
export interface Broker extends AsyncDisposable {
  /** Addresses, `host:port`. */
  readonly brokers: string[];
  /** Where it runs: elsewhere (`given`), in Docker, or as a Java process. */
  readonly kind: 'given' | 'docker' | 'java';
  /** The guarded listeners, when asked for. */
  readonly secure: SecureAccess | undefined;
  /** Kills one broker (1, 2, 3) or all, with SIGKILL. @throws Error for one that runs elsewhere, as all below do */
  stop(node?: number): Promise<void>;
  /** Starts it again, on the same ports and the same data; resolves when it serves. */
  start(node?: number): Promise<void>;
  /** Freezes it (SIGSTOP): connections stay open and nothing answers. */
  pause(node?: number): Promise<void>;
  resume(node?: number): Promise<void>;
  /** Ends it and removes its data. One that runs elsewhere goes on. */
  close(): Promise<void>;
}

/** Three brokers with small heaps on a busy machine need a while; one needs two seconds. */
const SERVING_LIMIT_MS = 90_000;

export interface Cluster {
  readonly kind: 'docker' | 'java';
  readonly nodes: readonly ClusterNode[];
  readonly secure: SecureAccess | undefined;
  readonly remove: () => Promise<void>;
}

/** Starts the nodes and makes a broker of them. What was started is removed if they do not come to serve. */
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

/** A broker that was there before us and stays. */
export function toGivenBroker(brokers: string[]): Broker {
  const refuse = async () => {
    throw new Error('this Kafka runs elsewhere (KAFKA_BROKERS): it cannot be stopped or started from here');
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
