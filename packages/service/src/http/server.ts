import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DurationMs } from '@rescind/revocation';
import type { ConnectionCount, ConnectionLimitOptions } from './connections.ts';
import { limitConnections } from './connections.ts';
import { answerMalformed } from './request-head.ts';

export interface ListeningServer {
  /** Where it is reached from this machine. */
  readonly url: string;
  connections(): ConnectionCount;
  /**
   * Takes no new connection, lets requests that are being answered finish until the deadline, then cuts them.
   * @returns how many connections were cut
   */
  stop(deadlineMs: DurationMs): Promise<number>;
}

/** A slow sender does not hold a connection: after so long the head of a request must have arrived, and all of it. */
const HEAD_TIMEOUT_MS: DurationMs = 10_000;
const REQUEST_TIMEOUT_MS: DurationMs = 30_000;
/** How often that is looked at. */
const TIMEOUT_CHECK_MS: DurationMs = 1_000;

export interface ListenOptions extends ConnectionLimitOptions {
  readonly port: number;
  /** Default: all addresses of this machine. */
  readonly host?: string | undefined;
}

/** @throws Error with the port, when it cannot be had */
export async function listen(listener: RequestListener, options: ListenOptions): Promise<ListeningServer> {
  const server = createServer(
    {
      headersTimeout: HEAD_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      // Looked at in `requireUnambiguous`, which answers as other refusals are answered.
      requireHostHeader: false,
    },
    listener,
  );
  const { port, host } = options;
  const connections = limitConnections(server, options);
  answerMalformed(server, options);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: Error) => reject(cannotListen(error, options)));
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
  return { url: urlOf(server, host), connections, stop: (deadlineMs) => stop(server, deadlineMs) };
}

/** Names the variable of the port (`PORT`, `MANAGEMENT_PORT`, …), and what would be right. */
function cannotListen(cause: Error, { port, host, listener }: ListenOptions): Error {
  const variable = listener === 'public' ? 'PORT' : `${listener.toUpperCase()}_PORT`;
  const code = 'code' in cause ? String(cause.code) : cause.message;
  const hints: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another process listens there: choose another port, or 0 for any free one',
    EACCES: 'this user may not listen there: choose a port above 1023',
    EADDRNOTAVAIL: 'this machine does not have the address',
  };
  const where = host === undefined ? String(port) : `${host}:${port}`;
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
  // A kept-alive connection would stay until its time-out: it goes with the answer it is waiting for.
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
