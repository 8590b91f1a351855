import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError, standardErrorTelemetry, systemClock } from '@rescind/revocation';
import { basicChallenge, errorResponse, oneHeader, readBasic, readBody } from '@rescind/revocation/http';
import { option, optionsOf, required } from '@rescind/revocation/options';
import { storageFailureOf, storageUnavailable } from '@rescind/revocation/storage';
import type { LogSource, SignedHeartbeat } from '../ports.ts';
import { receiveReport } from '../reports/receive.ts';
import { createBroadcast } from './broadcast.ts';
import type { Reader } from './reader.ts';
import { openReader } from './reader.ts';
import { MAX_EVENT_CHARS, PAGES_QUERY, STANDBY_QUERY } from './stream.ts';

const HEARTBEAT_MS: DurationMs = 1_000;
/** Instances of one service share its credential: a large fleet, and no more. */
const READERS_PER_CLIENT = 1_024;
/** Some hundred events. */
const READER_BUFFER_BYTES = 131_072;
/** A tenth of the memory of a small machine. */
const BUFFER_BYTES = 67_108_864;
/** A disconnected reader reconnects by itself. */
const STUCK_MS: DurationMs = 30_000;

/** The options of `createRevocationsHandler`. */
export interface RevocationsHandlerOptions {
  /** The log that is served, such as `issuer.log`. */
  readonly source: LogSource;
  /** The client whose credential the request carries; `undefined`: 401. */
  authenticate(request: IncomingMessage): string | undefined;
  /** Default: that of the system. */
  readonly clock?: Clock | undefined;
  /** Default: warnings and errors are written to standard error. */
  readonly telemetry?: Telemetry | undefined;
  /** How often a heartbeat is signed, one for all connections. Default 1 000. */
  readonly heartbeatMs?: DurationMs | undefined;
  /** Most connections of one client at a time; one more is answered 429. Default 1 024. */
  readonly readersPerClient?: number | undefined;
  /** Most standby streams of one client at a time, in addition; one more is answered 429. Default 1 024. */
  readonly standbyPerClient?: number | undefined;
  /**
   * How many bytes are read from the log for one reader at a time, and buffered if it is slow; a larger event is sent alone. Default
   * 131 072.
   */
  readonly readerBufferBytes?: number | undefined;
  /** Most bytes buffered for all readers together; at the limit the one with the largest buffer is disconnected. Default 67 108 864. */
  readonly bufferBytes?: number | undefined;
  /** After how many ms a reader that reads nothing is disconnected. Default 30 000. */
  readonly stuckMs?: DurationMs | undefined;
}

/** Serves the log as server-sent events. */
export interface RevocationsHandler {
  /** Answers `GET …/revocations`, `POST …/revocations/proof` and `POST …/revocations/reports`; by the end of the path, so it can be mounted anywhere. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Ends every connection of a client, such as one with a removed secret. @returns how many there were */
  endReaders(client: string): number;
  /** How many readers are connected, standby streams left out. */
  readers(): number;
  /** How many standby streams are open. */
  standbyStreams(): number;
  /** Ends all connections; from now on answers 503. */
  close(): void;
}

const handlerOptions = optionsOf<RevocationsHandlerOptions>('createRevocationsHandler', {
  source: required(
    option.having<LogSource>('the log of an issuer', 'snapshot', 'read', 'heartbeat', 'onAppend', 'receiveEvidence'),
  ),
  authenticate: required(option.callable<RevocationsHandlerOptions['authenticate']>()),
  clock: option.clock,
  telemetry: option.telemetry,
  heartbeatMs: option.duration({ max: 2 ** 31 - 1 }),
  readersPerClient: option.count({ min: 1 }),
  standbyPerClient: option.count({ min: 1 }),
  readerBufferBytes: option.count({ min: 1_024 }),
  bufferBytes: option.count({ min: 1_024 }),
  stuckMs: option.duration({ max: 2 ** 31 - 1 }),
});

/**
 * The server's side of the HTTP transport: the log as `text/event-stream`, resumed by `Last-Event-ID: <epoch>:<seq>`, opened
 * by a heartbeat; a position of another log, or below the low watermark, starts from the low watermark. When the epoch changes
 * its connections end, and readers open new ones. `GET …/revocations?quiet` is a standby stream: a heartbeat at once and each
 * 10 s, and events only while Kafka does not acknowledge them in time.
 * @throws TypeError an option is wrong
 */
export function createRevocationsHandler(given: RevocationsHandlerOptions): RevocationsHandler {
  const options = handlerOptions(given);
  const { source, authenticate, stuckMs = STUCK_MS } = options;
  const { readersPerClient = READERS_PER_CLIENT, standbyPerClient = READERS_PER_CLIENT } = options;
  const { clock = systemClock, telemetry = standardErrorTelemetry, heartbeatMs = HEARTBEAT_MS } = options;
  const { readerBufferBytes = READER_BUFFER_BYTES, bufferBytes = BUFFER_BYTES } = options;
  const broadcast = createBroadcast({ source, clock, telemetry, heartbeatMs, readerBufferBytes, bufferBytes });
  const readersOf = createConnections(readersPerClient);
  const standbyOf = createConnections(standbyPerClient);
  let closed = false;

  const stream = (client: string, request: IncomingMessage, response: ServerResponse) => {
    const isStandby = hasQuery(request, STANDBY_QUERY);
    const withPages = hasQuery(request, PAGES_QUERY);
    const connections = isStandby ? standbyOf : readersOf;
    const open = (opening: SignedHeartbeat) => {
      const reader = openReader({
        response,
        source,
        broadcast,
        opening,
        lastEventId: request.headers['last-event-id'],
        isStandby,
        withPages,
        telemetry,
        stuckMs,
        onEnd() {
          connections.remove(client, reader);
          broadcast.remove(reader, isStandby);
        },
      });
      connections.add(client, reader);
      broadcast.add(reader, isStandby);
      reader.start();
      if (isStandby) broadcast.standby.started(reader);
    };
    connections.requireCapacity(client);
    const opening = broadcast.opening();
    if (!(opening instanceof Promise)) return open(opening);
    return opening.then((heartbeat) => {
      // Its `close` event has been emitted already.
      if (response.destroyed) return;
      // The checks may be outdated after the wait: a client whose secret was removed had no connection to end.
      requireOpen();
      if (requireClient(request, response) !== client) throw new RescindError('client_invalid');
      connections.requireCapacity(client);
      open(heartbeat);
    });
  };

  const requireOpen = () => {
    if (closed) throw new RescindError('stopping', { retryAfter: 1 });
  };

  const requireClient = (request: IncomingMessage, response: ServerResponse): string => {
    const client = authenticate(request);
    if (client !== undefined) return client;
    response.setHeader('WWW-Authenticate', basicChallenge('revocations'));
    throw new RescindError('client_invalid');
  };

  const answer = (request: IncomingMessage, response: ServerResponse): Promise<void> | void => {
    requireOpen();
    const path = pathOf(request);
    const allowed = methodOf(path);
    if (allowed === undefined) throw new RescindError('not_found');
    if (request.method !== allowed) {
      response.setHeader('Allow', allowed);
      throw new RescindError('method_wrong');
    }
    const client = requireClient(request, response);
    if (allowed === 'GET') return stream(client, request, response);
    if (path.endsWith(REPORTS)) return receiveReport(source, client, request, response);
    return receiveEvidence(source, request, response);
  };

  return {
    handle(request, response) {
      const fail = (error: unknown) => refuse(response, error, telemetry);
      try {
        answer(request, response)?.catch(fail);
      } catch (error) {
        fail(error);
      }
    },
    endReaders(client) {
      const readers = [...readersOf.of(client), ...standbyOf.of(client)];
      for (const reader of readers) reader.end('client_removed');
      return readers.length;
    },
    readers: () => broadcast.size(),
    standbyStreams: () => broadcast.standby.size(),
    close() {
      closed = true;
      broadcast.close();
    },
  };
}

const REPORTS = '/revocations/reports';

/** The method of a path; undefined: there is no such path. */
function methodOf(path: string): 'GET' | 'POST' | undefined {
  if (path.endsWith('/revocations')) return 'GET';
  return path.endsWith('/revocations/proof') || path.endsWith(REPORTS) ? 'POST' : undefined;
}

/** The requested path: Express removes the mount path from `url`. */
function pathOf(request: IncomingMessage & { readonly originalUrl?: string }): string {
  const [path = ''] = (request.originalUrl ?? request.url ?? '').split('?');
  return path.replace(/\/+$/, '');
}

/** Whether the request has a query parameter, such as `?quiet`, with or without a value. */
function hasQuery({ url = '' }: IncomingMessage, name: string): boolean {
  const query = url.indexOf('?');
  return query !== -1 && new URLSearchParams(url.slice(query)).has(name);
}

/** The connections of each client. */
function createConnections(mostPerClient: number) {
  const byClient = new Map<string, Set<Reader>>();
  return {
    of: (client: string): Iterable<Reader> => byClient.get(client) ?? [],
    /** @throws RescindError `rate_limited` */
    requireCapacity(client: string): void {
      if ((byClient.get(client)?.size ?? 0) >= mostPerClient) throw new RescindError('rate_limited', { retryAfter: 5 });
    },
    add: (client: string, reader: Reader): void =>
      void byClient.set(client, (byClient.get(client) ?? new Set()).add(reader)),
    remove(client: string, reader: Reader): void {
      const readers = byClient.get(client);
      readers?.delete(reader);
      if (readers?.size === 0) byClient.delete(client);
    },
  };
}

function refuse(response: ServerResponse, error: unknown, telemetry: Telemetry): void {
  const known = toKnown(error);
  telemetry.count('rescind_feed_refused_total', { code: known.code });
  telemetry.log(known.status === 500 ? 'error' : 'warn', 'feed_request_refused', { code: known.code });
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, headers, body } = errorResponse(known);
  response.writeHead(status, headers).end(body);
}

function toKnown(error: unknown): RescindError {
  if (error instanceof RescindError) return error;
  return storageFailureOf(error) === undefined
    ? new RescindError('internal', { cause: error })
    : storageUnavailable(error);
}

/** RFC 8417 section 7.2. */
const MEDIA_TYPE = /^application\/secevent\+jwt\s*(;|$)/i;
const BODY_TIMEOUT_MS: DurationMs = 10_000;

/** `POST …/revocations/proof`: a signed event or heartbeat from beyond the outbox. Responds 204 if it is accepted. */
async function receiveEvidence(source: LogSource, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!MEDIA_TYPE.test(request.headers['content-type'] ?? '')) throw new RescindError('media_type_wrong');
  const body = await readBody(request, { maxBytes: MAX_EVENT_CHARS, timeoutMs: BODY_TIMEOUT_MS }).catch(
    (error: unknown) => {
      // The rest of the body is not read.
      response.setHeader('Connection', 'close');
      throw error instanceof RescindError ? error : new RescindError('request_invalid');
    },
  );
  if (body === undefined) throw new RescindError('body_too_large');
  await source.receiveEvidence(body.toString('utf8'));
  response.writeHead(204, { 'Cache-Control': 'no-store' });
  response.end();
}

const digest = (text: string) => createHash('sha256').update(text).digest();

const secretsById = option.record(option.text('a secret that is not empty'), { min: 0 });

/**
 * Creates the option `authenticate` of `createRevocationsHandler` for HTTP Basic (RFC 7617). An unknown client takes the same time as a
 * wrong secret. The returned function throws RescindError `request_invalid` for two `Authorization` headers.
 * @param clients client ids and their secrets
 * @throws TypeError a client id with a colon or an empty secret
 */
export function createBasicAuthenticator(
  clients: Readonly<Record<string, string>>,
): (request: IncomingMessage) => string | undefined {
  const known = new Map<string, Buffer>();
  for (const [id, secret] of Object.entries(secretsById(clients, 'clients'))) {
    if (id === '' || id.includes(':')) throw new TypeError('clients must have ids without a colon');
    known.set(id, digest(secret));
  }
  const dummyDigest = digest('');
  return (request) => {
    const credentials = readBasic(oneHeader(request.rawHeaders, 'authorization'));
    if (credentials === undefined) return undefined;
    const { id, secret } = credentials;
    const expected = known.get(id);
    const same = timingSafeEqual(digest(secret), expected ?? dummyDigest);
    return same && expected !== undefined ? id : undefined;
  };
}
