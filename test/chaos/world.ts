import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fleet, ServiceProcess } from '@rescind/dev-fleet';
import { openFleet } from '@rescind/dev-fleet';
import type { Broker } from '@rescind/dev-kafka';
import { openBroker } from '@rescind/dev-kafka';
import type { Link } from './links.ts';
import { openLink } from './links.ts';
import type { Node } from './node.ts';
import { createNode } from './node.ts';
import type { Oracle } from './oracle.ts';

/** `MAX_STALENESS` of the instances. */
export const MAX_STALENESS_MS = 8_000;

const PRELOAD = fileURLToPath(new URL('preload.mjs', import.meta.url));

/** The fleet of a run, its brokers, and what the driver may do to each. */
export interface World {
  readonly fleet: Fleet;
  readonly broker: Broker;
  readonly issuer: Node;
  readonly instances: readonly Node[];
  /** The issuer, then the instances. */
  readonly nodes: readonly Node[];
  /** Files of the driver. */
  readonly directory: string;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly brokers: 1 | 3;
  readonly instances: number;
  /** The directory `services` of the tree that is run; undefined: of this tree. */
  readonly services: string | undefined;
  readonly oracle: Oracle;
  readonly now: () => number;
  readonly log: (line: string) => void;
}

/** Opens brokers and a fleet whose processes reach each other and Kafka through links of the driver. */
export async function openWorld({ oracle, now, log, ...options }: WorldOptions): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'rescind-chaos-'));
  log('opens Kafka');
  const broker = await openBroker({ brokers: options.brokers, prefer: 'java' });
  const prices = Math.ceil(options.instances / 2);
  let fleet: Fleet | undefined;
  const nodes: Node[] = [];
  const close = async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await fleet?.close();
    await broker.close();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    fleet = await openFleet({
      brokers: broker.brokers,
      prices,
      orders: options.instances - prices,
      started: false,
      environment: { LOG_LEVEL: 'warn' },
      issuerEnvironment: {
        KAFKA_REPLICATION: String(options.brokers),
        LOGINS_PER_MINUTE: '100000',
        LOGIN_FAILURES: '1000',
        CLIENT_FAILURES: '1000000',
        CLIENT_FAILURES_PER_ADDRESS: '1000000',
        REFRESH_GRACE: '10s',
      },
      guardedEnvironment: { MAX_STALENESS: `${MAX_STALENESS_MS}ms` },
    });
    const issuerPort = Number(new URL(fleet.issuer.url).port);
    const brokerPorts = broker.brokers.map((address) => Number(address.split(':')[1]));
    const toNode = async (process: ServiceProcess, database: string, ports: readonly number[]): Promise<Node> => {
      const isIssuer = process.service === 'user-management';
      process.environment.LOG_LEVEL = 'info';
      if (options.services !== undefined) process.main = join(options.services, process.service, 'src/main.js');
      const { links, clockFile } = await routeThroughLinks(process, ports, join(directory, process.name));
      return createNode({
        process,
        links,
        clockFile,
        database,
        now,
        stopped: () => isIssuer && oracle.issuerFellSilent(now()),
        runs: () => isIssuer && oracle.issuerRunsAgain(),
        ended: () => oracle.ended(process.name),
        failedStart: (error) =>
          log(`${process.name} did not start: ${String(error).split('\n')[0]}; ${stateOf(process)}`),
      });
    };
    const issuer = await toNode(fleet.issuer, fleet.issuer.environment.DATABASE_PATH ?? '', brokerPorts);
    const instances = await Promise.all(
      fleet.instances.map((one) => toNode(one, one.environment.DENYLIST_PATH ?? '', [...brokerPorts, issuerPort])),
    );
    nodes.push(issuer, ...instances);
    log('starts the fleet');
    await issuer.supervise();
    await issuer.process.ready(60_000);
    for (const node of instances) await node.supervise();
    for (const { process } of instances) await process.ready(60_000);
    return { fleet, broker, issuer, instances, nodes, directory, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The CPU time that a process has used, and its last log line: a start may fail because the machine is busy. */
function stateOf(process: ServiceProcess): string {
  const last = process.lines.at(-1)?.slice(0, 300);
  try {
    const fields = readFileSync(`/proc/${process.pid()}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return `state ${fields[0]}, ${Number(fields[11]) + Number(fields[12])} ticks of CPU, last line ${last}`;
  } catch {
    return `it has ended, last line ${last}`;
  }
}

/** Opens a link for each port, and lets the outgoing connections of a process to these ports go through them. */
async function routeThroughLinks(process: ServiceProcess, ports: readonly number[], directory: string) {
  mkdirSync(directory, { recursive: true });
  const links: Link[] = [];
  const table: Record<string, number> = {};
  for (const port of ports) {
    const link = await openLink(port);
    links.push(link);
    table[port] = link.port;
  }
  const [linksFile, clockFile] = [join(directory, 'links.json'), join(directory, 'clock')];
  writeFileSync(linksFile, JSON.stringify(table));
  writeFileSync(clockFile, '0');
  const query = new URLSearchParams({ links: linksFile, clock: clockFile });
  process.environment.NODE_OPTIONS = `--import=file://${PRELOAD}?${query}`;
  return { links, clockFile };
}
