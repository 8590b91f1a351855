import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server, Socket } from 'socket.io';
import type { SocketOptions } from './options.ts';
import { CLOSE_MS, DEFAULT_BUFFERED_BYTES, DEFAULT_MESSAGE_BYTES, HANDSHAKE_MS, isAllowedOrigin } from './options.ts';

/** The packets of the Socket.IO protocol, version 5. */
export const PACKET = {
  event: 2,
  ack: 3,
  /** Whether it has data of the application: an event, an acknowledgement, or one of them with binary data. */
  isMessage: (type: number): boolean => type === 2 || type === 3 || type === 5 || type === 6,
} as const;

interface Packet {
  readonly type: number;
  readonly nsp?: string;
  readonly id?: number;
  readonly data?: readonly unknown[];
}

/** A connection of Engine.IO. */
interface EngineConnection {
  readonly readyState: string;
  readonly writeBuffer: readonly unknown[];
  readonly transport: {
    readonly name: string;
    /** Of a WebSocket only. */
    readonly socket?: { readonly bufferedAmount: number; terminate(): void };
  };
  on(event: string, listener: (argument: { readonly data?: unknown }) => void): unknown;
  close(discard?: boolean): void;
}

/** What is used of Socket.IO beyond its types, as of 4.8.4. */
export interface SocketInternals {
  client: {
    readonly sockets: ReadonlyMap<string, unknown>;
    _packet(packet: Packet, flags: object): void;
    writeToEngine(encoded: unknown, flags: object): void;
  };
  readonly conn: EngineConnection;
  readonly acks: Map<number, unknown>;
  _onpacket(packet: Packet): void;
  _cleanup(): void;
  _error(error: object): void;
}

export interface NamespaceInternals {
  _doConnect(socket: Socket, done: unknown): void;
  readonly _preConnectSockets: Map<string, unknown>;
}

const METHODS = ['_onpacket', '_cleanup', '_error', 'disconnect'] as const;

/** @throws TypeError for a version of Socket.IO with other internals: nothing would be judged */
export function internalsOf(socket: Socket): SocketInternals {
  const internals = socket as unknown as SocketInternals & Readonly<Record<string, unknown>>;
  const missing = METHODS.find((name) => typeof internals[name] !== 'function');
  const isKnown =
    typeof internals.client?._packet === 'function' && typeof internals.client.writeToEngine === 'function';
  if (missing === undefined && isKnown && internals.acks instanceof Map) return internals;
  throw new TypeError('guardSockets does not support this version of socket.io: it is tested with 4.8.4');
}

/** The part of an Engine.IO server that is set. */
interface Engine {
  readonly opts: {
    transports: string[];
    maxHttpBufferSize: number;
    httpCompression: unknown;
    readonly perMessageDeflate?: unknown;
    allowRequest?: AllowRequest | undefined;
  };
  readonly ws?: { readonly options?: { maxPayload: number; readonly perMessageDeflate?: unknown } };
  readonly clients: Readonly<Record<string, object>>;
  on(event: 'connection', listener: (conn: EngineConnection) => void): unknown;
  use(middleware: (request: EngineRequest, response: ServerResponse, next: () => void) => void): unknown;
}

type AllowRequest = (
  request: IncomingMessage,
  respond: (error: string | null | undefined, isAllowed: boolean) => void,
) => void;
type EngineRequest = IncomingMessage & { readonly _query?: Readonly<Record<string, string>> };

/** Limits of connections, of `guardSockets`. */
interface EngineOptions extends SocketOptions<Socket> {
  readonly polling?: boolean | undefined;
}

/**
 * Sets the transports, the largest message and the check of the Origin of each request, before the one that the server has.
 * @param isAlive whether a connection of Engine.IO may go on
 * @throws TypeError for a server that is not attached, or that cannot be guarded
 */
export function limitEngine(io: Server, options: EngineOptions, isAlive: (conn: object) => boolean): void {
  const engine = io.engine as unknown as Engine | undefined;
  if (engine === undefined)
    throw new TypeError('guardSockets must be given a server that is attached: new Server(httpServer)');
  const { connectionStateRecovery } = io._opts;
  if (connectionStateRecovery !== undefined && connectionStateRecovery !== null) {
    throw new TypeError(
      'connectionStateRecovery must be left out: Socket.IO sends what a client has missed before any middleware can judge its token',
    );
  }
  if (engine.opts.transports.includes('webtransport')) {
    throw new TypeError(
      'transports must not contain webtransport: Socket.IO does not check the origin of its requests',
    );
  }
  const ws = engine.ws?.options;
  if (ws === undefined) throw new TypeError('wsEngine must be that of ws, the default');
  if (engine.opts.perMessageDeflate || ws.perMessageDeflate) {
    throw new TypeError('perMessageDeflate must be off: it costs memory for each connection');
  }
  const { maxMessageBytes = DEFAULT_MESSAGE_BYTES, polling = false } = options;
  engine.opts.transports = polling ? ['polling', 'websocket'] : ['websocket'];
  engine.opts.maxHttpBufferSize = maxMessageBytes;
  engine.opts.httpCompression = false;
  ws.maxPayload = maxMessageBytes;
  io.connectTimeout(HANDSHAKE_MS);
  const { allowRequest } = engine.opts;
  engine.opts.allowRequest = (request, respond) => {
    if (!isAllowedOrigin(request, options)) respond('the origin is not allowed', false);
    else if (allowRequest === undefined) respond(null, true);
    else allowRequest(request, respond);
  };
  const { maxBufferedBytes = DEFAULT_BUFFERED_BYTES } = options;
  engine.on('connection', (conn) => cutSlowReader(conn, maxBufferedBytes));
  if (!polling) return;
  engine.use((request, response, next) => {
    const conn = engine.clients[request._query?.sid ?? ''];
    const isOther = conn !== undefined && !isAllowedOrigin(request, options);
    if (!isOther && (conn === undefined || isAlive(conn))) return next();
    response.writeHead(401, { 'Cache-Control': 'no-store' }).end();
  });
}

/** Whether a message of the application waits in this process. */
export const isQueueing = ({ writeBuffer, transport }: EngineConnection): boolean =>
  writeBuffer.length > 0 || (transport.socket?.bufferedAmount ?? 0) > 0;

/** Measures what waits in this process, in bytes. */
export function createQueueMeter(conn: EngineConnection): { bytes(): number } {
  const known = meters.get(conn);
  if (known !== undefined) return known;
  let waiting = 0;
  conn.on('packetCreate', ({ data }) => {
    waiting += typeof data === 'string' || data instanceof Uint8Array ? data.length : 0;
  });
  conn.on('flush', () => {
    waiting = 0;
  });
  const meter = { bytes: () => waiting + (conn.transport.socket?.bufferedAmount ?? 0) };
  meters.set(conn, meter);
  return meter;
}

/** Responses that no socket sends count too, such as those to handshakes of any namespace: a client could ask for them and read none. */
function cutSlowReader(conn: EngineConnection, maxBufferedBytes: number): void {
  const queue = createQueueMeter(conn);
  conn.on('packet', () => {
    if (queue.bytes() > maxBufferedBytes) cut(conn);
  });
}

const meters = new WeakMap<object, { bytes(): number }>();

/** Cuts a connection, with everything that waits in this process. */
export function cut(conn: EngineConnection): void {
  const { socket } = conn.transport;
  if (socket === undefined) conn.close(true);
  else socket.terminate();
}

/** Closes a connection that nothing is sent over any more, and cuts it if the client does not respond. */
export function closeSoon(conn: EngineConnection): void {
  conn.close();
  setTimeout(() => cut(conn), CLOSE_MS).unref();
}
