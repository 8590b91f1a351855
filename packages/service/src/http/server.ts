import type { RequestListener, Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DurationMs } from '@rescind/revocation';

export interface ListeningServer {
  /** Where it is reached from this machine. */
  readonly url: string;
  /**
   * Takes no new connection, lets requests that are being answered finish until the deadline, then cuts them.
   * @returns how many connections were cut
   */
  stop(deadlineMs: DurationMs): Promise<number>;
}

/** A request must have arrived after so long: a slow sender does not hold a connection. */
const REQUEST_TIMEOUT_MS = 30_000;

/** @throws Error with the port, when it cannot be had */
export async function listen(
  listener: RequestListener,
  at: { readonly port: number; readonly host?: string | undefined },
): Promise<ListeningServer> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: at.port, ...(at.host === undefined ? {} : { host: at.host }) }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return { url: urlOf(server, at.host), stop: (deadlineMs) => stop(server, deadlineMs) };
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
