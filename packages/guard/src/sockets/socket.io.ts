import type { ErrorCode, RescindError } from '@rescind/revocation';
import { ERRORS } from '@rescind/revocation/errors';
import { option, optionsOf } from '@rescind/revocation/options';
import type { VerifiedToken } from '@rescind/token';
import type { Namespace, Server, Socket } from 'socket.io';
import { policyOf } from '../adapters/admission.ts';
import type { Guard } from '../guard.ts';
import type { ConnectionActions, LiveConnection } from './connection.ts';
import { createRate, decideToken, openConnection, refusalOfError } from './connection.ts';
import type { SocketOptions } from './options.ts';
import { DEFAULT_BUFFERED_BYTES, hasTokenInAddress, requireGuard, socketShape } from './options.ts';
import type { SessionEnd } from './session-end.ts';
import { endOf, endOfRefusal, publicEnd } from './session-end.ts';
import type { NamespaceInternals, SocketInternals } from './socket.io-engine.ts';
import { closeSoon, createQueueMeter, cut, internalsOf, isQueueing, limitEngine, PACKET } from './socket.io-engine.ts';

export type { SessionEnd, SessionEndCode } from './session-end.ts';

/** The options of `guardSockets`: what each token must have, as of a route, and the limits of connections. */
export interface SocketIoOptions extends SocketOptions<Socket> {
  /**
   * Whether HTTP long polling is a transport too. Default false: WebSocket only. The session id in the address of a poll is a secret that
   * proxies log; with polling, each request is judged.
   */
  readonly polling?: boolean | undefined;
}

const checkOptions = optionsOf<SocketIoOptions>('guardSockets', { ...socketShape<Socket>(), polling: option.flag() });

/** A guarded server. */
export interface GuardedSockets {
  /** Ends every socket with `unavailable`, and refuses new ones: for the stop of the service. */
  close(): void;
}

const connections = new WeakMap<object, LiveConnection>();

/** So many handshakes a second on one connection of Engine.IO, each of a namespace; twice as many at once. A signature costs more than a message. */
const HANDSHAKES_PER_SECOND = 20;

/** The most acknowledgements that a socket may wait for, since each one takes memory. Beyond it the client is disconnected. */
const MAX_ACKS = 10_000;

/** The access token of a guarded socket, as it was verified last; undefined for a socket of no guarded server. */
export const tokenOf = (socket: Socket): VerifiedToken | undefined => connections.get(socket)?.token;

/**
 * Guards every namespace of a Socket.IO server, those made later included. A client sends its access token in `auth.token` of the handshake; a
 * refused one gets `connect_error` with `data` `{ code, status, end, retry, after_ms }`. `socket.data.auth` has the claims (`payload`), and the
 * socket is in the rooms `sid:<sid>` and `sub:<sub>`. The token is judged again with each message in both directions.
 *
 * A revocation of the session ends the socket: `session:end` `{ code, retry, after_ms }`, then a disconnection, and nothing that waits is sent. Before
 * the token expires, and when it was revoked without its session, the client gets `session:renew` and responds with `session:renew` `{ token }`; the
 * server confirms with `session:renewed`.
 *
 * Call it after the server is attached, before clients connect. It sets the Origin check, the transports and the largest message.
 * @throws TypeError for a wrong guard, option or server: one with connection state recovery, compression or WebTransport
 */
export function guardSockets(io: Server, guard: Guard, given: SocketIoOptions): GuardedSockets {
  requireGuard('guardSockets', guard);
  const options = checkOptions(given);
  const policy = policyOf(options);
  guard.checkRoute(policy);
  limitEngine(io, options, (conn) => (onConnection.get(conn) ?? []).every((one) => one.check()));
  const onConnection = new WeakMap<object, LiveConnection[]>();
  const handshakes = new WeakMap<object, () => boolean>();
  /** Of a socket that is not connected yet: sends the request for a renewal once it is. */
  const onConnected = new WeakMap<object, () => void>();
  const open = new Set<LiveConnection>();
  let isClosed = false;
  const maxBufferedBytes = options.maxBufferedBytes ?? DEFAULT_BUFFERED_BYTES;

  async function admit(socket: Socket): Promise<void> {
    const internals = internalsOf(socket);
    const mayConnect = handshakes.get(internals.conn) ?? createRate(HANDSHAKES_PER_SECOND);
    handshakes.set(internals.conn, mayConnect);
    if (!mayConnect()) throw refusalOf(endOf('rate_limited'));
    const { auth } = socket.handshake;
    const token: unknown = Object.hasOwn(auth, 'token') ? auth.token : undefined;
    // `fetchSockets` sends the handshake to other instances.
    delete auth.token;
    if (hasTokenInAddress(socket.request)) throw refusalOf(endOf('request_invalid'));
    const decision = await decideToken(guard, token, policy);
    if (!decision.accepted) throw refusalOf(endOfRefusal(decision));
    if (isClosed) throw refusalOf(endOf('unavailable'));
    const connection = openOrRefuse(decision.token, {
      // A token that is about to expire at its handshake has to be renewed at once.
      renew(message) {
        if (socket.connected) sendNow('session:renew', message);
        else onConnected.set(socket, () => sendNow('session:renew', message));
      },
      end: (end) => endSocket(end),
    });
    connections.set(socket, connection);
    open.add(connection);
    const { client, conn } = internals;
    onConnection.set(conn, [...(onConnection.get(conn) ?? []), connection]);
    const queue = createQueueMeter(conn);

    /** A message of the session itself, which is not judged. */
    function sendNow(event: string, data: object): void {
      if (!socket.connected) return;
      client._packet({ type: PACKET.event, data: [event, data], nsp: socket.nsp.name }, {});
    }

    function endSocket(end: SessionEnd): void {
      // One that is not connected yet is refused at its connection.
      if (!socket.connected) return;
      const isLate = isQueueing(conn) || end.code === 'too_slow';
      if (!isLate) sendNow('session:end', publicEnd(end));
      internals.acks.clear();
      try {
        // Of the namespace first: a connection that is only closed could be recovered.
        socket.disconnect();
      } finally {
        // Also when a listener of the application throws, which Socket.IO calls in between.
        if (isLate) cut(conn);
        else if (client.sockets.size === 0) closeSoon(conn);
      }
      options.onEnd?.(socket, end);
    }

    const send = (write: () => void) =>
      connection.admitOutgoing(() => {
        write();
        if (queue.bytes() > maxBufferedBytes || internals.acks.size > MAX_ACKS) connection.end('too_slow');
      });
    // What this socket sends goes through this client: events, acknowledgements and broadcasts of every adapter.
    internals.client = Object.create(client, {
      _packet: {
        value: (packet: Parameters<typeof client._packet>[0], flags: object) =>
          PACKET.isMessage(packet.type) ? send(() => client._packet(packet, flags)) : client._packet(packet, flags),
      },
      writeToEngine: {
        value: (encoded: unknown, flags: object) => send(() => client.writeToEngine(encoded, flags)),
      },
    });

    const handle = internals._onpacket.bind(socket);
    internals._onpacket = (packet) => {
      if (!PACKET.isMessage(packet.type)) return handle(packet);
      if (packet.type === PACKET.event && packet.data?.[0] === 'session:renew') return void renew(packet);
      connection.admitIncoming(() => handle(packet));
    };

    async function renew({ id, data = [] }: Parameters<typeof handle>[0]): Promise<void> {
      const given: unknown = data[1];
      const next: unknown = typeof given === 'object' && given !== null && 'token' in given ? given.token : undefined;
      const error = await connection.renew(next);
      const result = error === undefined ? { ok: true } : { ok: false, code: error.code };
      if (error === undefined) socket.data.auth = { payload: connection.token.payload };
      if (!socket.connected) return;
      if (id !== undefined) client._packet({ type: PACKET.ack, id, data: [result], nsp: socket.nsp.name }, {});
      sendNow('session:renewed', result);
    }

    const clean = internals._cleanup.bind(socket);
    internals._cleanup = () => {
      connection.close();
      open.delete(connection);
      const others = (onConnection.get(conn) ?? []).filter((one) => one !== connection);
      onConnection.set(conn, others);
      clean();
    };

    socket.data.auth = { payload: connection.token.payload };
    await socket.join(roomsOf(connection.token));
  }

  function openOrRefuse(token: VerifiedToken, actions: ConnectionActions): LiveConnection {
    const { maxMessagesPerSecond } = options;
    try {
      return openConnection({ guard, token, route: policy, maxMessagesPerSecond, actions });
    } catch (error) {
      // The guard was closed, or the key withdrawn, since the decision.
      throw refusalOf(endOfRefusal(refusalOfError(error)));
    }
  }

  function guardNamespace(namespace: Namespace): void {
    const internals = namespace as unknown as NamespaceInternals;
    namespace.use((socket, next) => {
      admit(socket).then(() => next(), next);
    });
    // Whatever middleware has run or was skipped: no socket connects whose token is not accepted at this moment.
    const connect = internals._doConnect.bind(namespace);
    internals._doConnect = (socket, done) => {
      const connection = connections.get(socket);
      if (connection?.check()) {
        connect(socket, done);
        onConnected.get(socket)?.();
        return;
      }
      const { message, data } = refusalOf(connection?.ended ?? endOf('token_expired'));
      internals._preConnectSockets.delete(socket.id);
      const refused = socket as unknown as SocketInternals;
      refused._cleanup();
      refused._error({ message, data });
    };
  }

  for (const namespace of io._nsps.values()) guardNamespace(namespace);
  io.on('new_namespace', guardNamespace);
  return {
    close() {
      isClosed = true;
      for (const connection of open) connection.end('unavailable');
    },
  };
}

function roomsOf({ payload: { sid, sub } }: VerifiedToken): string[] {
  const rooms: string[] = [];
  if (typeof sid === 'string') rooms.push(`sid:${sid}`);
  if (typeof sub === 'string') rooms.push(`sub:${sub}`);
  return rooms;
}

/** The error codes of ends without a refused token. */
const CODES: Readonly<Partial<Record<SessionEnd['code'], ErrorCode>>> = {
  request_invalid: 'request_invalid',
  rate_limited: 'rate_limited',
  unavailable: 'stopping',
};

/** The error of a handshake, which the client gets as `connect_error`. */
function refusalOf(end: SessionEnd): Error & { readonly data: object } {
  const error: RescindError | undefined = end.refused?.error;
  const code = error?.code ?? CODES[end.code] ?? 'token_expired';
  const { status, message } = ERRORS[code];
  const { code: ended, ...wait } = publicEnd(end);
  return Object.assign(new Error(message), { data: { code, status, end: ended, ...wait } });
}
