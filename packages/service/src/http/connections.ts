import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { isIPv6 } from 'node:net';
import type { DurationMs, HealthCheck, Telemetry } from '@rescind/revocation';

/** How many connections one port has at a time. */
export interface ConnectionLimits {
  readonly total: number;
  /** Of one IPv4 address or one IPv6 network of 64 bits. Trusted proxies have no such limit. */
  readonly perAddress: number;
}

export interface ConnectionLimitOptions {
  /** The port's name in metrics and logs. */
  readonly listener: string;
  readonly limits: ConnectionLimits;
  /** Whether connections of others come by this address. Default: none do. */
  readonly isProxy?: ((address: string) => boolean) | undefined;
  readonly telemetry: Telemetry;
}

const REASONS = ['total', 'address'] as const;
type Reason = (typeof REASONS)[number];

export interface ConnectionCount {
  readonly open: number;
  /** Since refusals began; 0 when none has come for 10 s. */
  readonly refused: number;
  readonly refusing: boolean;
}

/** The check `connections` over the ports of a service: `warn` while one of them refuses connections. */
export function connectionsCheck(counts: readonly ConnectionCount[]): HealthCheck {
  const sum = (member: 'open' | 'refused') => counts.reduce((total, count) => total + count[member], 0);
  const isRefusing = counts.some(({ refusing }) => refusing);
  return { name: 'connections', status: isRefusing ? 'warn' : 'pass', open: sum('open'), refused: sum('refused') };
}

/** Without a refusal for so long a refusing port counts as accepting again. */
const QUIET_MS: DurationMs = 10_000;

/**
 * Closes connections beyond the limits before anything is read from them, counts them (`rescind_connections_refused_total`), and
 * logs when refusals begin and when none has come for 10 s.
 * @returns how many connections are open, how many have been refused, and whether that is going on
 */
export function limitConnections(server: Server, options: ConnectionLimitOptions): () => ConnectionCount {
  const { listener, limits, isProxy = () => false, telemetry } = options;
  const perAddress = new Map<string, number>();
  let total = 0;
  let refused = 0;
  let quiet: NodeJS.Timeout | undefined;

  const refuse = (socket: Socket, reason: Reason) => {
    socket.destroy();
    telemetry.count('rescind_connections_refused_total', { listener, reason });
    refused++;
    if (quiet === undefined) {
      telemetry.log('warn', 'connections_refused', { listener, reason, limit: limitOf(limits, reason) });
      quiet = setTimeout(() => {
        telemetry.log('info', 'connections_accepted_again', { listener, refused });
        refused = 0;
        quiet = undefined;
      }, QUIET_MS).unref();
    } else quiet.refresh();
  };

  const add = (network: string, by: 1 | -1) => {
    total += by;
    const count = (perAddress.get(network) ?? 0) + by;
    if (count === 0) perAddress.delete(network);
    else perAddress.set(network, count);
    telemetry.gauge('rescind_connections', total, { listener });
  };

  telemetry.gauge('rescind_connections', 0, { listener });
  // Born at 0, so that a rate sees the first one.
  for (const reason of REASONS) telemetry.count('rescind_connections_refused_total', { listener, reason }, 0);
  server.prependListener('connection', (socket: Socket) => {
    const address = socket.remoteAddress;
    // It has gone already.
    if (address === undefined) return socket.destroy();
    const network = networkOf(address);
    if (total >= limits.total) return refuse(socket, 'total');
    const isFull = (perAddress.get(network) ?? 0) >= limits.perAddress;
    if (isFull && !isProxy(address)) return refuse(socket, 'address');
    add(network, 1);
    socket.once('close', () => add(network, -1));
  });
  server.once('close', () => clearTimeout(quiet));
  return () => ({ open: total, refused, refusing: quiet !== undefined });
}

const limitOf = ({ total, perAddress }: ConnectionLimits, reason: Reason) => (reason === 'total' ? total : perAddress);

const IPV4_MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
/** Groups of 16 bits of an IPv6 address, and how many of them name a network. */
const GROUPS = 8;
const NETWORK_GROUPS = 4;

/** Whoever has one IPv6 address has a network of them (RFC 6177). */
function networkOf(address: string): string {
  const mapped = IPV4_MAPPED.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [before = '', after] = address.replace(/%.*$/, '').split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const zeros = Array<string>(Math.max(0, GROUPS - head.length - tail.length)).fill('0');
  return [...head, ...zeros, ...tail].slice(0, NETWORK_GROUPS).join(':');
}
