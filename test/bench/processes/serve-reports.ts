import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createBasicAuthenticator, createRevocationsHandler } from '@rescind/feed';
import { openIssuer } from '@rescind/issuer';
import { sqliteStore } from '@rescind/issuer-sqlite';
import express from 'express';
import { ISSUER } from '../material/rows.ts';

/*
 * Takes reports of instances: as the issuer does (`issuer`), or parses the same JSON with the same credential and answers the same
 * (`node`: bare node:http, `express`). Prints its port; then for each line of input, `cpu` or `memory`, the CPU time of the process in µs and
 * its heap in bytes, of `memory` after a collection; for `revoke` the position of a durable revocation. Ends with its input.
 */
setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');
const [kind = '', directory = ''] = process.argv.slice(2);
const authenticate = createBasicAuthenticator({ prices: 'bench-secret-of-prices', orders: 'bench-secret-of-orders' });

async function textOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return text;
}

async function openServer() {
  if (kind === 'node') {
    const server = createServer(async (request, response) => {
      if (authenticate(request) === undefined) return void response.writeHead(401).end();
      const { seq } = JSON.parse(await textOf(request)) as { seq: unknown };
      response.writeHead(typeof seq === 'number' ? 200 : 400, { 'content-type': 'application/json' });
      response.end('{"nextMs":1000}');
    });
    return { server, revoke: async () => ({ epoch: '0', seq: 0 }), close: async () => undefined };
  }
  if (kind === 'express') {
    const app = express();
    app.post('/revocations/reports', express.json(), (request, response) => {
      if (authenticate(request) === undefined) return void response.status(401).end();
      response.status(typeof request.body.seq === 'number' ? 200 : 400).json({ nextMs: 1_000 });
    });
    return { server: createServer(app), revoke: async () => ({ epoch: '0', seq: 0 }), close: async () => undefined };
  }
  const issuer = await openIssuer({
    issuer: ISSUER,
    store: sqliteStore({ path: `${directory}/issuer.sqlite` }),
    keysPath: `${directory}/keys`,
    subject: () => undefined,
  });
  const handler = createRevocationsHandler({ source: issuer.log, authenticate });
  let sessions = 0;
  return {
    server: createServer((request, response) => void handler.handle(request, response)),
    async revoke() {
      const value = `session-${++sessions}`;
      const { epoch, seq } = await issuer.transaction((tx) => tx.revoke({ claim: 'sid', value, reason: 'logout' }));
      return { epoch, seq };
    },
    async close() {
      handler.close();
      await issuer[Symbol.asyncDispose]();
    },
  };
}

const { server, revoke, close } = await openServer();
server.listen(0, '127.0.0.1', () => print({ port: (server.address() as AddressInfo).port }));
const print = (line: object) => void process.stdout.write(`${JSON.stringify(line)}\n`);
process.stdin.setEncoding('utf8').on('data', async (text: string) => {
  for (const line of text.split('\n').filter((one) => one !== '')) {
    if (line === 'revoke') {
      print(await revoke());
      continue;
    }
    const { user, system } = process.cpuUsage();
    if (line === 'memory') collect();
    print({ micros: user + system, bytes: process.memoryUsage().heapUsed });
  }
});
process.stdin.on('end', async () => {
  server.closeAllConnections();
  server.close();
  await close();
});
