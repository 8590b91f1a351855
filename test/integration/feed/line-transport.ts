import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogSource, Transport, TransportConnection, TransportSink } from '@rescind/feed';
import { onTestFinished } from 'vitest';

/**
 * A transport of one's own, made by docs/transports.md alone: lines over a TCP socket. The reader sends `<secret> <epoch>:<seq>`;
 * the issuer answers with a heartbeat, then each event from there on, and a heartbeat now and then.
 */
export function lineTransport({ port, secret }: { readonly port: number; readonly secret: string }): Transport {
  return {
    name: 'lines',
    abilities: { fromIssuer: true, opensWithHeartbeat: true, stallMs: 5_000 },
    endpoint: { address: `127.0.0.1:${port}` },
    open: (sink) => openConnection({ port, secret }, sink),
  };
}

const GREATEST_RETRY_MS = 1_000;

function openConnection({ port, secret }: { port: number; secret: string }, sink: TransportSink): TransportConnection {
  const closing = new AbortController();
  let attempt = new AbortController();
  let failures = 0;

  const readOnce = async (signal: AbortSignal): Promise<string> => {
    const socket = connect({ port, host: '127.0.0.1', signal }).on('error', () => undefined);
    try {
      await once(socket, 'connect', { signal });
      const { epoch, seq } = sink.start();
      socket.write(`${secret} ${epoch}:${seq}\n`);
      sink.opened();
      // The next line is read when the one before has been taken.
      for await (const jws of createInterface({ input: socket, signal })) {
        await sink.records([{ jws, hint: null, live: true }]);
        failures = 0;
      }
      return 'ended';
    } catch {
      return 'failed';
    } finally {
      socket.destroy();
    }
  };

  const run = async () => {
    while (!closing.signal.aborted) {
      attempt = new AbortController();
      const reason = await readOnce(attempt.signal);
      if (closing.signal.aborted) return;
      if (!attempt.signal.aborted) sink.lost(reason);
      const wait = Math.random() * Math.min(GREATEST_RETRY_MS, 10 * 2 ** failures++);
      await sleep(wait, undefined, { signal: closing.signal }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    restart: () => attempt.abort(),
    async close() {
      closing.abort();
      attempt.abort();
      await running;
    },
  };
}

/** The issuer's side, closed when the test has finished. */
export async function serveLines(source: LogSource, secret: string) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    const reading = createInterface({ input: socket }).on('error', () => undefined);
    reading.once('line', async (line) => {
      const [given, position = ''] = line.split(' ');
      if (given !== secret) return socket.destroy();
      const at = position.lastIndexOf(':');
      const { epoch, head } = source.snapshot();
      const wanted = position.slice(0, at) === epoch ? Number(position.slice(at + 1)) : 0;
      let sent = wanted <= head ? wanted : 0;
      const beat = async () => {
        const { jws } = await source.heartbeat();
        socket.write(`${jws}\n`);
      };
      const send = () => {
        for (const { seq, jws } of source.read(sent, 10_000)) {
          socket.write(`${jws}\n`);
          sent = seq;
        }
      };
      await beat();
      if (socket.destroyed) return undefined;
      send();
      const stop = source.onAppend(send);
      const timer = setInterval(() => void beat(), 100);
      return socket.on('close', () => {
        stop();
        clearInterval(timer);
      });
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const interrupt = async () => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  onTestFinished(async () => {
    server.close();
    await interrupt();
  });
  return { port: (server.address() as AddressInfo).port, interrupt, close: () => void server.close() };
}
