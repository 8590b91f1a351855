import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { DurationMs, Telemetry } from '@rescind/revocation';
import type { RawData } from 'ws';
import { WebSocket, WebSocketServer } from 'ws';
import type { Home, TableUpdate } from './home.ts';
import type { LinkRequest } from './messages.ts';
import { linkMessage, linkRequest } from './messages.ts';
import type { Refusal } from './table.ts';

/** What the home of tables sends to another instance. */
type LinkMessage =
  | { readonly type: 'update'; readonly update: TableUpdate }
  | { readonly type: 'refused'; readonly key: string; readonly refusal: Refusal };

const MAX_BYTES = 65_536;
const RECONNECT_MS: DurationMs = 500;
/** One line in the log a minute: a stranger chooses how often an upgrade is refused. */
const REFUSED_LOG_MS: DurationMs = 60_000;

/** The links of other instances to the tables that live here. */
export interface LinkServer {
  attach(server: Server): void;
  send(update: TableUpdate): void;
  close(): void;
}

/** Serves the tables of this instance to the others, which have the secret. */
export function createLinkServer(secret: string, home: Home, telemetry: Telemetry): LinkServer {
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_BYTES, perMessageDeflate: false });
  const send = (socket: WebSocket, message: LinkMessage) => socket.send(JSON.stringify(message));

  /** The link by which each member came last: an instance may be back before its former link has been found dead. */
  const owners = new Map<string, WebSocket>();
  let refusedLoggedAt = Number.NEGATIVE_INFINITY;

  server.on('connection', (socket) => {
    /** The members that are connected by this link, with their tables. */
    const members = new Map<string, LinkRequest['table']>();
    socket.on('message', (data) => {
      const parsed = linkRequest.safeParse(readJson(data));
      if (!parsed.success) return socket.terminate();
      const request = parsed.data;
      if (request.type === 'join') {
        members.set(request.member.key, request.table);
        owners.set(request.member.key, socket);
      }
      if (request.type === 'leave') {
        members.delete(request.key);
        owners.delete(request.key);
      }
      const refusal = home.handle(request);
      if (refusal !== undefined && request.type === 'act') send(socket, { type: 'refused', key: request.key, refusal });
    });
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      for (const [key, table] of members) {
        if (owners.get(key) !== socket) continue;
        owners.delete(key);
        home.handle({ type: 'leave', table, key });
      }
    });
    for (const update of home.updates()) send(socket, { type: 'update', update });
  });

  return {
    attach(http) {
      http.on('upgrade', (request, socket, head) => {
        if (isPeer(request, secret)) {
          server.handleUpgrade(request, socket, head, (link) => server.emit('connection', link, request));
          return;
        }
        if (performance.now() - refusedLoggedAt >= REFUSED_LOG_MS) {
          refusedLoggedAt = performance.now();
          telemetry.log('warn', 'link_refused');
        }
        refuseUpgrade(socket);
      });
    },
    send(update) {
      for (const link of server.clients) send(link, { type: 'update', update });
    },
    close() {
      for (const link of server.clients) link.terminate();
    },
  };
}

function refuseUpgrade(socket: Duplex): void {
  // Node.js listens no more: without this a stranger who resets the connection ends the process.
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => socket.destroy());
  socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
}

function isPeer({ headers: { authorization = '' } }: IncomingMessage, secret: string): boolean {
  const [given, expected] = [Buffer.from(authorization), Buffer.from(`Bearer ${secret}`)];
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** The link of this instance to the tables of another one. */
export interface Link {
  /** Sends a request; without a connection it is dropped, and the state of `onOpen` replaces it. */
  send(request: LinkRequest): void;
  close(): void;
}

interface LinkListener {
  onOpen(): void;
  onClose(): void;
  onUpdate(update: TableUpdate): void;
  onRefused(key: string, refusal: Refusal): void;
}

/** Opens a link, and opens it again until it is closed. */
export function openLink(url: string, secret: string, listener: LinkListener, telemetry: Telemetry): Link {
  let socket: WebSocket;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  let hasWarned = false;

  /** An instance of another version, or something else behind the address, must not end this process. */
  function receive(text: unknown): void {
    const parsed = linkMessage.safeParse(text);
    if (!parsed.success) {
      if (!hasWarned) telemetry.log('warn', 'link_message_invalid', { url });
      hasWarned = true;
      return;
    }
    const message = text as LinkMessage;
    if (message.type === 'update') listener.onUpdate(message.update);
    else listener.onRefused(message.key, message.refusal);
  }

  function connect(): void {
    const headers = { authorization: `Bearer ${secret}` };
    socket = new WebSocket(url.replace(/^http/, 'ws'), { headers, maxPayload: MAX_BYTES, perMessageDeflate: false });
    socket.on('open', () => {
      telemetry.log('info', 'link_open', { url });
      listener.onOpen();
    });
    socket.on('message', (data) => receive(readJson(data)));
    socket.on('error', (error) => telemetry.log('debug', 'link_failed', { url, error: error.message }));
    socket.on('close', () => {
      if (isClosed) return;
      listener.onClose();
      timer = setTimeout(connect, RECONNECT_MS);
    });
  }

  connect();
  return {
    send(request) {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(request));
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      socket.terminate();
    },
  };
}

function readJson(data: RawData): unknown {
  try {
    return JSON.parse(data.toString());
  } catch {
    return undefined;
  }
}
