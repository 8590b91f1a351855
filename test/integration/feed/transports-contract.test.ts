import { createBasicAuthenticator, createRevocationsHandler, httpTransport } from '@rescind/feed';
import { createMemoryLog, memoryTransport } from '@rescind/feed/testing';
import { onTestFinished } from 'vitest';
import { lineTransport, serveLines } from './line-transport.ts';
import { createPlainLog } from './plain-log.ts';
import { openServer } from './server.ts';
import { describeTransport } from './transport-contract.ts';

const SECRET = 'a-secret-of-the-reader';

describeTransport('http', ['interrupted', 'standby'], async () => {
  const source = createPlainLog();
  const handler = createRevocationsHandler({ source, authenticate: createBasicAuthenticator({ prices: SECRET }) });
  onTestFinished(() => handler.close());
  const server = await openServer(handler.handle);
  return {
    transport: httpTransport({ issuer: server.url, clientId: 'prices', clientSecret: SECRET }),
    secret: SECRET,
    append: async (count) => source.append(count),
    async interrupt() {
      for (const socket of server.sockets) socket.destroy();
    },
  };
});

describeTransport('memory', ['interrupted'], async () => {
  const log = createMemoryLog();
  let seq = 0;
  return {
    transport: memoryTransport({ log }),
    append: async (count) => log.append(Array.from({ length: count }, () => `event.0001-a.${++seq}`)),
    async interrupt() {
      log.isUp = false;
      log.isUp = true;
    },
  };
});

describeTransport('of its own package, over a socket', ['interrupted'], async () => {
  const source = createPlainLog();
  const { port, interrupt } = await serveLines(source, SECRET);
  return {
    transport: lineTransport({ port, secret: SECRET }),
    secret: SECRET,
    append: async (count) => source.append(count),
    interrupt,
  };
});
