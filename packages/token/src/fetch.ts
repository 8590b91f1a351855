import type { IncomingMessage, RequestOptions } from 'node:http';

/** The part of `fetch` that is used: the one of this file, the global one, or one with a proxy, an agent or certificate authorities. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>;

/** The part of `RequestInit` that is used. */
export interface FetchInit {
  /** Default: GET. */
  readonly method?: 'POST';
  /** Absent: the request has no body. */
  readonly body?: string;
  /** `error`: a redirect is an error. `manual`: it is a response like any other. None is followed. */
  readonly redirect: 'error' | 'manual';
  /** Aborts the request, and the response while its body is read. */
  readonly signal: AbortSignal;
  /** The values by the names of the headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the connection keeps no process alive: for streams without an end. Another fetch ignores it. Default false. */
  readonly background?: boolean;
}

/** The part of a `Response` that is used. */
export interface FetchResponse {
  /** The HTTP status. */
  readonly status: number;
  /** `get` ignores case; null: there is no such header. */
  readonly headers: { get(name: string): string | null };
  /** Null: there is none. */
  readonly body: FetchBody | null;
}

/** The body of a response, read once. */
export interface FetchBody extends AsyncIterable<Uint8Array> {
  /** Closes the connection without reading the rest. */
  cancel(): Promise<void>;
}

/**
 * `fetch` by `node:http` and `node:https`: the global one costs a process 18 MB of memory at its first request
 * (docs/decisions/token-fetch.md). Follows no redirect, asks for no compression, and sends a request once more if a kept-alive
 * connection has been closed by the server meanwhile. The first requests of a process, which take some 5 ms of the event loop, begin in
 * its next turn: an application that creates a guard listens before.
 * @throws Error with the `code` of the system, such as `ECONNREFUSED`; `AbortError` after `signal`; `CONTENT_ENCODING` for a
 * response that is compressed although the request did not accept that
 */
export const nodeFetch: Fetch = async (url, init) => {
  let response: IncomingMessage;
  firstTurn ??= new Promise(setImmediate);
  await firstTurn;
  try {
    response = await send(url, init);
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error;
    response = await send(url, init);
  }
  const { statusCode: status = 0, headers } = response;
  const get = (name: string) => {
    const value = headers[name.toLowerCase()];
    return Array.isArray(value) ? value.join(', ') : (value ?? null);
  };
  const encoding = get('content-encoding') ?? 'identity';
  const isRedirect = status >= 300 && status < 400 && get('location') !== null;
  if (encoding !== 'identity' || (init.redirect === 'error' && isRedirect)) {
    response.destroy();
    // The message is undici's, which has no code for it.
    if (encoding === 'identity') throw new Error('unexpected redirect');
    throw Object.assign(new Error('the response is compressed'), { code: 'CONTENT_ENCODING' });
  }
  return { status, headers: { get }, body: toBody(response) };
};

/** Ends with the turn of the event loop in which the process first had a request to send. */
let firstTurn: Promise<void> | undefined;

/** The server closed a connection that was kept alive, before it responded to this request. */
class StaleConnection extends Error {}

async function send(
  url: string,
  { method, body, signal, headers, background = false }: FetchInit,
): Promise<IncomingMessage> {
  // An import of node:http evaluates its getters, among them that of WebSocket, which loads undici.
  const { request } = process.getBuiltinModule(new URL(url).protocol === 'https:' ? 'node:https' : 'node:http');
  const options: RequestOptions = { method, signal, headers: { 'accept-encoding': 'identity', ...headers } };
  return await new Promise((resolve, reject) => {
    const sent = request(url, options, resolve);
    sent.on('error', (error) => {
      const isStale = sent.reusedSocket && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      reject(isStale ? new StaleConnection(error.message, { cause: error }) : error);
    });
    if (background) sent.on('socket', (socket) => socket.unref());
    sent.end(body);
  });
}

function toBody(response: IncomingMessage): FetchBody {
  // A failure before the body is read is that of the first read.
  response.on('error', () => undefined);
  return {
    [Symbol.asyncIterator]: () => response[Symbol.asyncIterator](),
    cancel: async () => void response.destroy(),
  };
}

/**
 * Describes a failed `Fetch`: the code of the system, such as `ECONNREFUSED`, or the name of the error's class. Never a message,
 * which could quote a header or an address.
 */
export function describeFetchFailure(error: unknown): string {
  let name = 'unknown';
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && typeof cause.code === 'string' && /^[A-Z][A-Z0-9_]*$/.test(cause.code)) return cause.code;
    if (cause.message === 'unexpected redirect') return 'redirect';
    name = cause.name;
  }
  return /^[A-Za-z]+$/.test(name) ? name : 'unknown';
}
