import type { ServerResponse } from 'node:http';
import type { DurationMs } from '@rescind/revocation';
import { option, optionsOf } from '@rescind/revocation/options';
import type { VerifiedToken } from '@rescind/token';
import { policyOf } from '../adapters/admission.ts';
import type { Guard } from '../guard.ts';
import type { LiveConnection } from './connection.ts';
import { openConnection } from './connection.ts';
import type { LiveOptions } from './options.ts';
import { DEFAULT_BUFFERED_BYTES, liveShape, requireGuard } from './options.ts';
import type { SessionEnd } from './session-end.ts';
import { publicEnd } from './session-end.ts';

export type { SessionEnd, SessionEndCode } from './session-end.ts';

/** The options of `guardSse`. */
export interface SseOptions extends LiveOptions<ServerResponse> {
  /** How often a comment is sent that keeps the connection open, in ms. Default 25 000. */
  readonly heartbeatMs?: DurationMs | undefined;
  /** A client that leaves so many bytes unread is cut off. Default 1 048 576. */
  readonly maxBufferedBytes?: number | undefined;
}

/** The options of `guardLongPoll`. */
export interface LongPollOptions extends LiveOptions<ServerResponse> {}

/** A stream of server-sent events that ends with its session. */
export interface LiveStream {
  /** Why it ended; undefined: it has not ended, or the client closed it. */
  readonly ended: SessionEnd | undefined;
  /**
   * Sends an event, if the token is still accepted.
   * @param data sent as JSON
   * @throws TypeError for a name or id with a line break
   */
  send(event: string, data: unknown, id?: string): void;
  /** Closes the stream. */
  close(): void;
}

/** A request that waits for its response. */
export interface LongPoll {
  /** Why the request ended; undefined: it has not. */
  readonly ended: SessionEnd | undefined;
  /** Responds with JSON, if the token is still accepted. */
  respond(body: unknown): void;
}

const HEARTBEAT_MS: DurationMs = 25_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const sseOptions = optionsOf<SseOptions>('guardSse', {
  ...liveShape<ServerResponse>(),
  heartbeatMs: option.duration({ max: LONGEST_TIMER_MS }),
  maxBufferedBytes: option.count({ min: 1 }),
});
const longPollOptions = optionsOf<LongPollOptions>('guardLongPoll', liveShape<ServerResponse>());

/**
 * Begins a stream of server-sent events that ends with its session: the client gets the event `session-end` with `{ code, retry, after_ms }` as data. A
 * stream is not renewed in place: after `token_expired` the client opens it again with a newer token.
 * @param response without a head; the route is guarded, such as by `guard()` of @rescind/guard/express
 * @param token the access token of the request: `request.auth`
 * @throws TypeError for a wrong guard or option; RescindError as `Guard.watch` does
 */
export function guardSse(
  response: ServerResponse,
  guard: Guard,
  token: VerifiedToken,
  given: SseOptions = {},
): LiveStream {
  requireGuard('guardSse', guard);
  const options = sseOptions(given);
  const maxBufferedBytes = options.maxBufferedBytes ?? DEFAULT_BUFFERED_BYTES;
  const connection = follow(response, { guard, token, options }, (end) => {
    clearInterval(heartbeat);
    // What waits is not sent, also of a stream that was closed here.
    if (response.writableLength > 0 || response.writableEnded || end.code === 'too_slow') response.destroy();
    else response.end(textOf('session-end', publicEnd(end)));
  });
  const write = (text: string) =>
    connection.admitOutgoing(() => {
      // After the end it would be an error event of the response, which ends the process.
      if (response.writableEnded || response.destroyed) return;
      response.write(text);
      if (response.writableLength > maxBufferedBytes) connection.end('too_slow');
    });
  const heartbeat = setInterval(() => write(':\n\n'), options.heartbeatMs ?? HEARTBEAT_MS).unref();
  if (response.closed) clearInterval(heartbeat);
  else response.on('close', () => clearInterval(heartbeat));
  // Proxies must not collect the events.
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
  });
  response.flushHeaders();
  return {
    get ended() {
      return connection.ended;
    },
    send: (event, data, id) => write(textOf(event, data, id)),
    close() {
      clearInterval(heartbeat);
      response.end();
    },
  };
}

/**
 * Holds a request until there is something to respond, or its session ends: then the response is 401 (503 if this instance cannot decide) with
 * `{ code, retry, after_ms }`, and with 503 `Retry-After`.
 * @param response without a head; the route is guarded
 * @param token the access token of the request
 * @throws TypeError for a wrong guard or option; RescindError as `Guard.watch` does
 */
export function guardLongPoll(
  response: ServerResponse,
  guard: Guard,
  token: VerifiedToken,
  given: LongPollOptions = {},
): LongPoll {
  requireGuard('guardLongPoll', guard);
  const options = longPollOptions(given);
  const respond = (status: number, body: unknown, more: Record<string, string> = {}) => {
    response.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...more });
    response.end(JSON.stringify(body));
  };
  const connection = follow(response, { guard, token, options }, (end) => {
    if (response.headersSent) response.destroy();
    // RFC 9110 section 10.2.3.
    else if (end.closeCode === 1013)
      respond(503, publicEnd(end), { 'Retry-After': String(Math.ceil(end.after_ms / 1000)) });
    else respond(401, publicEnd(end));
  });
  return {
    get ended() {
      return connection.ended;
    },
    respond: (body) => connection.admitOutgoing(() => respond(200, body)),
  };
}

interface Followed {
  readonly guard: Guard;
  readonly token: VerifiedToken;
  readonly options: LiveOptions<ServerResponse>;
}

function follow(
  response: ServerResponse,
  { guard, token, options }: Followed,
  end: (end: SessionEnd) => void,
): LiveConnection {
  const route = policyOf(options);
  guard.checkRoute(route);
  const connection = openConnection({
    guard,
    token,
    route,
    actions: {
      // The client cannot send a newer token on this stream, so the stream continues until its token expires.
      renew({ code }) {
        if (code !== 'token_expired') connection.end('token_expired');
      },
      end(ended) {
        end(ended);
        options.onEnd?.(response, ended);
      },
    },
  });
  // The client of a response that is closed already has gone while the handler worked: there is no event to wait for.
  if (response.closed) connection.close();
  else response.on('close', () => connection.close());
  return connection;
}

function textOf(event: string, data: unknown, id?: string): string {
  if (/[\r\n\0]/.test(`${event}${id ?? ''}`)) throw new TypeError('the name and the id of an event must be one line');
  return `event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
}
