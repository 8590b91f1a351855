import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface JwksServer {
  readonly url: string;
  /** How many requests have come. */
  requests(): number;
  answer(with_: Answer): void;
  /** Answers with this text and 200 from now on. */
  serve(content: unknown): void;
}

/** A real HTTP server on a free port, closed when the test has finished. */
export async function openJwksServer(first: unknown): Promise<JwksServer> {
  let requests = 0;
  let answer: Answer = () => undefined;
  const server = createServer((request, response) => {
    requests += 1;
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const serve = (content: unknown) => {
    const body = typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content);
    answer = (_, response) => {
      response.setHeader('content-type', 'application/jwk-set+json');
      response.end(body);
    };
  };
  serve(first);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/jwks.json`,
    requests: () => requests,
    answer: (with_) => {
      answer = with_;
    },
    serve,
  };
}
