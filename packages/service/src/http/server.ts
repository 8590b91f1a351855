import { once } from 'node:events';
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect, isIP } from 'node:net';
import type { DurationMs, HealthCheck, Telemetry } from '@rescind/revocation';
import ipaddr from 'ipaddr.js';
import { answerMalformed } from './request-head.ts';

// Not by `import`: see docs/decisions/token-fetch.md.
const { createServer } = process.getBuiltinModule('node:http');

export interface ListeningServer {
  /** Its address from this machine. */
  readonly url: string;
  connections(): ConnectionCount;
  /**
   * Accepts no new connection, waits for running requests until the deadline, then closes their connections.
   * @returns how many connections were closed
   */
  stop(deadlineMs: DurationMs): Promise<number>;
}

/** Longest time until the head of a request, and all of it, must have arrived: slow senders do not hold connections. */
const HEAD_TIMEOUT_MS: DurationMs = 10_000;
const REQUEST_TIMEOUT_MS: DurationMs = 30_000;
/** How often these limits are checked. */
const TIMEOUT_CHECK_MS: DurationMs = 1_000;

export interface ListenOptions extends ConnectionLimitOptions {
  /** Default 0: any free one. */
  readonly port?: number | undefined;
  /** Default: all addresses of this machine. */
  readonly host?: string | undefined;
  /** Adds what the server does beside HTTP, such as WebSockets, before it listens. */
  readonly attach?: ((server: Server) => void) | undefined;
}

/** Mode of a Unix socket: processes of the same user or group may connect. */
const SOCKET_MODE = 0o660;

/** @throws Error with the variable of the port or socket, when it cannot be opened */
export async function listen(listener: RequestListener, options: ListenOptions): Promise<ListeningServer> {
  const server = createServer(
    {
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      // `requireUnambiguous` checks it, with the usual error response.
      requireHostHeader: false,
    },
    listener,
  );
  const { port, host, socketPath } = options;
  const connections = limitConnections(server, options);
  answerMalformed(server, options);
  options.attach?.(server);
  if (socketPath !== undefined) await removeStaleSocket(socketPath);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: Error) => reject(cannotListen(error, options)));
    server.listen(socketPath === undefined ? { port: port ?? 0, host } : { path: socketPath }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
  if (socketPath !== undefined) chmodSync(socketPath, SOCKET_MODE);
  const url = socketPath === undefined ? urlOf(server, host) : `unix:${socketPath}`;
  return { url, connections, stop: (deadlineMs) => stop(server, deadlineMs) };
}

/** Removes the socket of a process that was killed. One on which a process listens remains, so that `listen` fails. */
async function removeStaleSocket(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const connection = connect(path);
  try {
    await once(connection, 'connect');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') unlinkSync(path);
  } finally {
    connection.destroy();
  }
}

/** An error with the variable of the port (`PORT`, `MANAGEMENT_PORT`, …) or socket (`SOCKET_PATH`), and the remedy. */
function cannotListen(cause: Error, { port, host, listener, socketPath }: ListenOptions): Error {
  const kind = socketPath === undefined ? 'PORT' : 'PATH';
  const variable = listener === 'public' ? kind : `${listener.toUpperCase()}_${kind}`;
  const code = 'code' in cause ? String(cause.code) : cause.message;
  const hints: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another process listens there: choose another port, or 0 for any free one',
    EACCES: 'this user may not listen there: choose a port above 1023',
    EADDRNOTAVAIL: 'this machine does not have the address',
  };
  const where = socketPath ?? (host === undefined ? String(port) : `${host}:${port}`);
  const hint = hints[code] === undefined ? '' : `; ${hints[code]}`;
  return Object.assign(new Error(`${variable} ${where} cannot be listened on (${code})${hint}`, { cause }), { code });
}

function urlOf(server: Server, host: string | undefined): string {
  const { port } = server.address() as AddressInfo;
  const everywhere = host === undefined || host === '0.0.0.0' || host === '::';
  const name = everywhere ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

async function stop(server: Server, deadlineMs: DurationMs): Promise<number> {
  let cut = 0;
  // Closes each kept-alive connection with its response; it would stay open until its time-out.
  server.prependListener('request', (_request, response) => {
    if (!response.headersSent) response.setHeader('Connection', 'close');
  });
  const sweep = setInterval(() => server.closeIdleConnections(), 20);
  const deadline = setTimeout(() => {
    server.getConnections((_error, count) => {
      cut = count;
      server.closeAllConnections();
    });
  }, deadlineMs);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  clearInterval(sweep);
  clearTimeout(deadline);
  return cut;
}

/** How many connections a port accepts at a time. */
export interface ConnectionLimits {
  readonly total: number;
  /** From one IPv4 address or one IPv6 network of 64 bits. Trusted proxies have no such limit. */
  readonly perAddress: number;
}

interface ConnectionLimitOptions {
  /** The port's name in metrics and logs. */
  readonly listener: string;
  readonly limits: ConnectionLimits;
  /** A Unix socket to listen on, in place of a port. Its connections have no address, so only the total is limited. */
  readonly socketPath?: string | undefined;
  /** Whether this is the address of a trusted proxy. Default: none is. */
  readonly isProxy?: ((address: string) => boolean) | undefined;
  readonly telemetry: Telemetry;
}

const REASONS = ['total', 'address'] as const;
type Reason = (typeof REASONS)[number];

export interface ConnectionCount {
  readonly open: number;
  /** Number of refusals since they began; 0 after 10 s without one. */
  readonly refused: number;
  readonly refusing: boolean;
}

/** The check `connections` over the ports of a service: `warn` while one of them refuses connections. */
export function connectionsCheck(counts: readonly ConnectionCount[]): HealthCheck {
  const sum = (member: 'open' | 'refused') => counts.reduce((total, count) => total + count[member], 0);
  const isRefusing = counts.some(({ refusing }) => refusing);
  return { name: 'connections', status: isRefusing ? 'warn' : 'pass', open: sum('open'), refused: sum('refused') };
}

/** After this time without a refusal a port counts as accepting again. */
const QUIET_MS: DurationMs = 10_000;

/**
 * Closes connections beyond the limits before it reads from them, counts them (`rescind_connections_refused_total`), and logs when
 * refusals begin and when they have stopped for 10 s.
 * @returns a function that returns the present counts
 */
function limitConnections(server: Server, options: ConnectionLimitOptions): () => ConnectionCount {
  const { listener, limits, socketPath, isProxy = () => false, telemetry } = options;
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
  // At 0 from the start, so that a rate sees the first refusal.
  for (const reason of REASONS) telemetry.count('rescind_connections_refused_total', { listener, reason }, 0);
  server.prependListener('connection', (socket: Socket) => {
    const address = socketPath ?? socket.remoteAddress;
    // The client has closed it already.
    if (address === undefined) return socket.destroy();
    const network = networkOf(address);
    if (total >= limits.total) return refuse(socket, 'total');
    const isFull = (perAddress.get(network) ?? 0) >= limits.perAddress;
    if (isFull && socketPath === undefined && !isProxy(address)) return refuse(socket, 'address');
    add(network, 1);
    socket.once('close', () => add(network, -1));
  });
  server.once('close', () => clearTimeout(quiet));
  return () => ({ open: total, refused, refusing: quiet !== undefined });
}

const limitOf = ({ total, perAddress }: ConnectionLimits, reason: Reason) => (reason === 'total' ? total : perAddress);

/** Groups of 16 bits that name the network of an IPv6 address. */
const NETWORK_GROUPS = 4;

/** The network of an address: a client with one IPv6 address has a network of 64 bits (RFC 6177). */
function networkOf(address: string): string {
  if (isIP(address) === 0) return address;
  const parsed = ipaddr.process(address);
  return 'parts' in parsed ? parsed.parts.slice(0, NETWORK_GROUPS).join(':') : parsed.toString();
}
