import type { Socket } from 'socket.io-client';
import { codeOf } from '../challenge.ts';
import { ignore } from '../environment.ts';
import { SessionError } from '../error.ts';
import type { Session } from '../session.ts';

/** How a socket ended for good. */
export interface SocketEnd {
  /** `session_ended`, `not_allowed`, `step_up`, …: of the server; or the code of a `SessionError`. */
  readonly code: string;
}

/** Attempts in a row without a connection, after which the wait no longer grows. */
const MAX_DOUBLINGS = 6;
const FIRST_WAIT_MS = 500;

/**
 * Makes a Socket.IO socket live and die with a session. It sends the present access token in each handshake, renews it in place
 * when the server asks for it (`session:renew`), connects again where the server allows it, with a newer token after `token_expired`, and
 * stops where it does not. The logout of the session disconnects the socket.
 *
 * Make the socket with `autoConnect: false` and without `auth`: this function connects it.
 * @param onEnd called once, when the socket does not connect again; after `step_up` authenticate and call this function again
 * @returns a function that disconnects the socket and removes the listeners
 * @throws TypeError if the socket has an `auth` of its own: a token that is not renewed
 */
export function attachSession(socket: Socket, session: Session, onEnd?: (end: SocketEnd) => void): () => void {
  if (typeof socket.auth === 'object' && Object.keys(socket.auth).length > 0) {
    throw new TypeError('auth of the socket must be left out: attachSession sends the token of the session');
  }
  let isDone = false;
  let sent = '';
  let attempts = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  socket.auth = (send) => {
    session.getAccessToken().then(
      (token) => {
        sent = token;
        send({ token });
      },
      (error: unknown) => fail(error),
    );
  };

  function stop(end?: SocketEnd): void {
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    offSession();
    for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener);
    socket.disconnect();
    if (end) onEnd?.(end);
  }

  /** Without a token there is no handshake; a session that waits for its issuer tries again. */
  function fail(error: unknown): void {
    const code = error instanceof SessionError ? error.code : 'unavailable';
    if (code === 'offline' || code === 'unavailable') again({ code, retry: true, afterMs: 0 });
    else stop({ code });
  }

  /** What the server said about the end of a connection, or of a handshake. */
  function again({ code, retry, afterMs }: ServerEnd): void {
    if (isDone) return;
    if (!retry || code === 'step_up') {
      stop({ code });
      return;
    }
    clearTimeout(timer);
    const backoffMs =
      attempts === 0 ? 0 : FIRST_WAIT_MS * 2 ** Math.min(attempts, MAX_DOUBLINGS) * (0.5 + Math.random());
    attempts += 1;
    timer = setTimeout(
      async () => {
        try {
          // The token first, then the connection.
          if (code === 'token_expired') await session.renew(sent);
          if (!isDone) socket.disconnect().connect();
        } catch (error) {
          fail(error);
        }
      },
      Math.max(afterMs, backoffMs),
    );
  }

  const listeners = {
    connect() {
      attempts = 0;
    },
    connect_error(error: Error & { readonly data?: unknown }) {
      const end = readEnd(error.data, 'end');
      // Without data the transport failed, and Socket.IO tries again by itself.
      if (end) again(end);
    },
    'session:end': (message: unknown) => {
      const end = readEnd(message, 'code');
      if (end) ending = end;
    },
    disconnect(reason: string) {
      const end = ending;
      ending = undefined;
      // Socket.IO does not connect again by itself after the server has disconnected a socket.
      if (end) again(end);
      else if (reason === 'io server disconnect') again({ code: 'unavailable', retry: true, afterMs: 0 });
    },
    'session:renew': (message: unknown) => {
      const { after_ms: afterMs } = Object(message);
      const renewing = setTimeout(
        () => {
          session
            .renew(sent)
            .then(() => session.getAccessToken())
            .then((token) => {
              sent = token;
              socket.emit('session:renew', { token });
            })
            .catch(ignore);
        },
        typeof afterMs === 'number' ? afterMs : 0,
      );
      socket.once('disconnect', () => clearTimeout(renewing));
    },
  };
  let ending: ServerEnd | undefined;
  const offSession = session.onSessionEnd(({ reason }) => stop({ code: reason }));
  for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener);
  socket.connect();
  return () => stop();
}

interface ServerEnd {
  readonly code: string;
  readonly retry: boolean;
  readonly afterMs: number;
}

/** @param member the one with the reason of the end */
function readEnd(data: unknown, member: 'code' | 'end'): ServerEnd | undefined {
  const { [member]: code = codeOf(data), retry, after_ms: afterMs } = Object(data);
  if (typeof code !== 'string') return undefined;
  return { code, retry: retry === true, afterMs: typeof afterMs === 'number' ? afterMs : 0 };
}
