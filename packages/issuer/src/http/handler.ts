import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import type { RevocationsHandler } from '@rescind/feed';
import { RescindError } from '@rescind/revocation';
import { errorResponse } from '@rescind/revocation/http';
import type { Issuer } from '../issuer.ts';
import type { IssuerEndpoints } from './endpoints.ts';
import type { Answer, IssuerHttpOptions } from './serve.ts';
import { createIssuerHttp } from './serve.ts';

/** The endpoints of an issuer as one function of the Fetch Standard. */
export interface IssuerHandler {
  /**
   * Answers a request to an endpoint of the issuer, the stream of its log included; any other path is 404. Never rejects.
   * @param sender its address, where it is known: for `onClientRefused`
   */
  handle(request: Request, sender?: { readonly ip?: string | undefined }): Promise<Response>;
  /** For the host's own endpoints, such as its login. */
  readonly endpoints: IssuerEndpoints;
  /** Ends the streams of the log: before the issuer is closed. */
  close(): void;
}

/**
 * The endpoints of an issuer for frameworks with `Request` and `Response`, such as Hono: token, revocation, introspection, metadata,
 * keys, and with `feedClients` the log of revocations. The paths are below the path of the issuer's URL.
 * @throws TypeError for an option that is unknown or wrong
 */
export function createIssuerHandler(issuer: Issuer, options: IssuerHttpOptions = {}): IssuerHandler {
  const http = createIssuerHttp(issuer, options, 'createIssuerHandler');
  return {
    endpoints: http.endpoints,
    close: http.close,
    async handle(request, { ip } = {}) {
      const { method } = request;
      const url = new URL(request.url);
      const found = http.find(url.pathname);
      if (found === undefined) return toResponse(errorResponse(new RescindError('not_found')), method);
      const rawHeaders = [...request.headers].flat();
      const body = request.body === null ? null : Readable.fromWeb(request.body);
      if (found === 'revocations' && http.revocations !== undefined) {
        return readLog(http.revocations, { method, url: url.pathname + url.search, rawHeaders, body });
      }
      return toResponse(await http.answer({ method, path: url.pathname, rawHeaders, ip }, body), method);
    },
  };
}

function toResponse({ status, headers, body }: Answer, method: string): Response {
  const list = Object.entries(headers).flatMap(([name, values]) => [values].flat().map((value) => [name, value]));
  return new Response(body === '' || method === 'HEAD' ? null : body, { status, headers: list as [string, string][] });
}

interface NodeRequest {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly body: Readable | null;
}

/** Gives the handler of the log, which is one of Node, the parts of a request and a response that it uses. */
function readLog(revocations: RevocationsHandler, { method, url, rawHeaders, body }: NodeRequest): Promise<Response> {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const pairs = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), rawHeaders[at + 1]]] : []));
  const request = Object.assign(body ?? Readable.from([]), {
    method,
    url,
    rawHeaders,
    headers: Object.fromEntries(pairs),
  });
  const set: Record<string, string> = {};
  const stream = new PassThrough();
  const response = Object.assign(stream, {
    headersSent: false,
    setHeader: (name: string, value: string) => void Object.assign(set, { [name]: value }),
    writeHead(status: number, headers: Readonly<Record<string, string>>) {
      response.headersSent = true;
      // RFC 9110 section 15.3.5: no body.
      const sent = status === 204 ? null : (Readable.toWeb(stream) as ReadableStream<Uint8Array>);
      resolve(new Response(sent, { status, headers: { ...set, ...headers } }));
      return response;
    },
  });
  // A reader that leaves cancels the body, which destroys the stream with an error.
  stream.on('error', () => undefined);
  revocations.handle(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  return promise;
}
