import type { IncomingMessage } from 'node:http';
import { optionsOf } from '@rescind/revocation/options';
import type { VerifiedToken } from '@rescind/token';
import type { RawData, WebSocket, WebSocketServer } from 'ws';
import { policyOf } from '../adapters/admission.ts';
import type { Guard } from '../guard.ts';
import type { LiveConnection } from './connection.ts';
import { decideToken, openConnection, refusalOfError } from './connection.ts';
import type { SocketOptions } from './options.ts';
import {
  CLOSE_MS,
  DEFAULT_BUFFERED_BYTES,
  DEFAULT_MESSAGE_BYTES,
  HANDSHAKE_MS,
  hasTokenInAddress,
  isAllowedOrigin,
  requireGuard,
  socketShape,
} from './options.ts';
import type { SessionEnd } from './session-end.ts';
import { endOf, endOfRefusal, publicEnd } from './session-end.ts';

export type { SessionEnd, SessionEndCode } from './session-end.ts';

/** The options of `guardWs`: what each token must have, as of a route, and the limits of connections. */
export interface WsOptions extends SocketOptions<WebSocket> {}

/** A guarded server. */
export interface GuardedWs {
  /** Ends every connection with `unavailable`, and refuses new ones: for the stop of the service. */
  close(): void;
}

const checkOptions = optionsOf<WsOptions>('guardWs', socketShape<WebSocket>());

const connections = new WeakMap<WebSocket, LiveConnection>();

/** The access token of a guarded WebSocket, as it was verified last; undefined before it has one. */
export const tokenOf = (socket: WebSocket): VerifiedToken | undefined => connections.get(socket)?.token;

/** Begins the subprotocol that carries a token, for browsers, which set no header. It is never echoed: offer another one beside it. */
const BEARER_PROTOCOL = 'rescind.bearer.';
/** So many messages wait while the first token is verified. */
const MAX_WAITING = 100;

const bytesOf = (data: RawData): number =>
  Array.isArray(data) ? data.reduce((sum, { byteLength }) => sum + byteLength, 0) : data.byteLength;

/** A message of the session itself: JSON text with a `type` that begins with `session:`. */
interface SessionMessage {
  readonly type: string;
  readonly token?: unknown;
}

/**
 * Guards every connection of a server of ws. The event `connection` (or the callback of `handleUpgrade`) occurs when the token is accepted; a client sends it
 * as the subprotocol `rescind.bearer.<token>`, or as its first message, within 5 s: `{"type":"session:start","token":"…"}`. It gets
 * `{"type":"session:started"}`. A refused connection is accepted and then closed, since browsers see no status of a refused upgrade.
 *
 * Each message is judged again in both directions. An end is `{"type":"session:end","code",…}` and the close code; a renewal is
 * `{"type":"session:renew","code",…}` of the server, `{"type":"session:renew","token":"…"}` of the client, `{"type":"session:renewed","ok":…}`.
 * @throws TypeError for a wrong guard or option, and for a server with compression
 */
export function guardWs(server: WebSocketServer, guard: Guard, given: WsOptions): GuardedWs {
  requireGuard('guardWs', guard);
  const options = checkOptions(given);
  const policy = policyOf(options);
  guard.checkRoute(policy);
  limitServer(server, options);
  const maxBufferedBytes = options.maxBufferedBytes ?? DEFAULT_BUFFERED_BYTES;
  const open = new Set<WebSocket>();
  let isClosed = false;

  // With `server` or `port` ws calls it too, and emits `connection` by the callback.
  const upgrade = server.handleUpgrade.bind(server);
  server.handleUpgrade = (request, stream, head, deliver) =>
    upgrade(request, stream, head, (socket) => accept(socket, request, () => deliver(socket, request)));

  function accept(socket: WebSocket, request: IncomingMessage, deliver: () => void): void {
    const emit = socket.emit.bind(socket);
    const send = socket.send.bind(socket);
    const waiting: [data: RawData, isBinary: boolean][] = [];
    let waitingBytes = 0;
    let state: 'new' | 'deciding' | 'open' | 'ended' = 'new';
    let connection: LiveConnection | undefined;
    const sendSession = (message: object) => send(JSON.stringify(message));

    function finish(end: SessionEnd): void {
      if (state === 'ended') return;
      state = 'ended';
      clearTimeout(timer);
      const isLate = socket.bufferedAmount > 0 || end.code === 'too_slow';
      if (!isLate && socket.readyState === socket.OPEN) sendSession({ type: 'session:end', ...publicEnd(end) });
      if (isLate) socket.terminate();
      else {
        socket.close(end.closeCode, end.code);
        setTimeout(() => socket.terminate(), CLOSE_MS).unref();
      }
      options.onEnd?.(socket, end);
    }

    async function start(token: unknown): Promise<void> {
      state = 'deciding';
      clearTimeout(timer);
      const decision = await decideToken(guard, token, policy);
      if (!decision.accepted) return finish(endOfRefusal(decision));
      if (socket.readyState !== socket.OPEN) return;
      if (isClosed) return finish(endOf('unavailable'));
      try {
        connection = openConnection({
          guard,
          token: decision.token,
          route: policy,
          maxMessagesPerSecond: options.maxMessagesPerSecond,
          actions: { renew: (message) => sendSession({ type: 'session:renew', ...message }), end: finish },
        });
      } catch (error) {
        // The guard was closed, or the key withdrawn, since the decision.
        return finish(endOfRefusal(refusalOfError(error)));
      }
      connections.set(socket, connection);
      state = 'open';
      // A cut-off may have arrived since the decision.
      if (!connection.check() && connection.ended !== undefined) return;
      sendSession({ type: 'session:started' });
      deliver();
      for (const [data, isBinary] of waiting.splice(0)) receive(data, isBinary);
    }

    async function renew({ token }: SessionMessage): Promise<void> {
      const error = await connection?.renew(token);
      if (state !== 'open') return;
      sendSession({
        type: 'session:renewed',
        ...(error === undefined ? { ok: true } : { ok: false, code: error.code }),
      });
    }

    function receive(data: RawData, isBinary: boolean): void {
      if (state === 'ended') return;
      const message = isBinary ? undefined : sessionMessageOf(data);
      if (state === 'new') {
        if (message?.type === 'session:start') void start(message.token);
        else finish(endOf('request_invalid'));
        return;
      }
      if (state === 'deciding') {
        waitingBytes += bytesOf(data);
        if (waiting.push([data, isBinary]) <= MAX_WAITING && waitingBytes <= maxBufferedBytes) return;
        // Nothing of a client without a session is kept longer than necessary.
        waiting.length = 0;
        finish(endOf('rate_limited'));
        return;
      }
      if (message === undefined) connection?.admitIncoming(() => emit('message', data, isBinary));
      else if (message.type === 'session:renew') void renew(message);
      else connection?.end('request_invalid');
    }

    socket.emit = (event: string | symbol, ...values: unknown[]): boolean => {
      if (event !== 'message') return emit(event, ...values);
      const [data, isBinary] = values as [RawData, boolean];
      receive(data, isBinary);
      return true;
    };
    // Before there is a token, and afterwards, nothing is sent: a broadcast to all clients of the server meets these too.
    socket.send = (data: Parameters<typeof send>[0], ...more: unknown[]) => {
      const callback = more.find((one) => typeof one === 'function') as ((error?: Error) => void) | undefined;
      const first = more[0];
      const flags = typeof first === 'object' && first !== null ? first : {};
      if (connection === undefined || state !== 'open') {
        callback?.(new Error('the connection has no session'));
        return;
      }
      connection.admitOutgoing(() => {
        send(data, flags, callback);
        if (socket.bufferedAmount > maxBufferedBytes) connection?.end('too_slow');
      });
    };

    open.add(socket);
    socket.on('close', () => {
      clearTimeout(timer);
      open.delete(socket);
      connection?.close();
    });
    socket.on('error', (error: Error & { readonly code?: string }) => {
      if (error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') connection?.end('message_too_large');
    });
    const timer = setTimeout(() => finish(endOf('request_invalid')), HANDSHAKE_MS).unref();
    if (isClosed) finish(endOf('unavailable'));
    else if (!isAllowedOrigin(request, options)) finish(endOf('not_allowed'));
    else if (hasTokenInAddress(request)) finish(endOf('request_invalid'));
    else {
      const token = protocolToken(request);
      if (token !== undefined) void start(token);
    }
  }

  return {
    close() {
      isClosed = true;
      for (const socket of open) {
        const connection = connections.get(socket);
        if (connection === undefined) socket.close(endOf('unavailable').closeCode, 'unavailable');
        else connection.end('unavailable');
      }
    },
  };
}

function limitServer(server: WebSocketServer, { maxMessageBytes = DEFAULT_MESSAGE_BYTES }: WsOptions): void {
  const { options } = server;
  if (options.perMessageDeflate)
    throw new TypeError('perMessageDeflate must be off: it costs memory for each connection');
  options.maxPayload = maxMessageBytes;
  const { handleProtocols } = options;
  options.handleProtocols = (offered, request) => {
    const protocols = new Set([...offered].filter((protocol) => !protocol.startsWith(BEARER_PROTOCOL)));
    if (typeof handleProtocols === 'function') return handleProtocols(protocols, request);
    const [first = false] = protocols;
    return first;
  };
}

/** The token of the subprotocol; undefined: there is none. */
function protocolToken({ headers }: IncomingMessage): string | undefined {
  const offered = String(headers['sec-websocket-protocol'] ?? '').split(',');
  const found = offered.map((one) => one.trim()).find((one) => one.startsWith(BEARER_PROTOCOL));
  return found?.slice(BEARER_PROTOCOL.length);
}

/** Application messages that are no JSON objects with such a `type` are not parsed. */
const SESSION_TYPE = /^\s*\{\s*"type"\s*:\s*"session:/;

function sessionMessageOf(data: RawData): SessionMessage | undefined {
  const text = data.toString();
  if (!SESSION_TYPE.test(text)) return undefined;
  try {
    return JSON.parse(text) as SessionMessage;
  } catch {
    return undefined;
  }
}
