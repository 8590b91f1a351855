import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { operatorEnvironment } from './cli.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** The environment of an operator of a server that answers by a function: an object is sent as JSON. */
export async function environmentOf(answer: Answer | object): Promise<Record<string, string>> {
  const respond: Answer =
    typeof answer === 'function' ? (answer as Answer) : (_, response) => response.end(JSON.stringify(answer));
  const server = createServer(respond);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return operatorEnvironment({ adminUrl: url, managementUrl: url });
}
