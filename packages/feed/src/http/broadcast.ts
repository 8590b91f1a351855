import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import type { LogSource, SignedHeartbeat } from '../ports.ts';
import type { Listener, StandbyListener, StandbyStreams } from './standby.ts';
import { createStandbyStreams, whenSigned } from './standby.ts';
import { EVENT_NAME, HEARTBEAT_NAME, MAX_PAGE_CHARS, PAGE_NAME } from './stream.ts';

/**
 * Events of one read for one reader, if they fit into its buffer. A read ends at a multiple of it, so that readers from any position
 * soon read the same pages, each signed once.
 */
const READ_LIMIT = 100;
/** For fewer events a signature of the page, some ten verifications, costs more than it saves. */
const MIN_PAGE_EVENTS = 16;
/** Chunks kept during a delivery to the standby streams, of 131 kB each. */
const MAX_CHUNKS = 32;

/** A part of the log as it is written to a connection; empty at the end of the log. */
interface Chunk {
  readonly epoch: string;
  readonly text: string;
  /** The last seq in it. */
  readonly upTo: number;
  /** Whether there may be more. */
  readonly full: boolean;
}

interface ChunkOptions {
  readonly maxRows?: number | undefined;
  readonly asPage?: boolean;
}

export interface Broadcast {
  add(listener: StandbyListener, isStandby: boolean): void;
  remove(listener: StandbyListener, isStandby: boolean): void;
  size(): number;
  readonly standby: Pick<StandbyStreams, 'size' | 'started'>;
  /** A heartbeat of the present log, which opens a connection. */
  opening(): SignedHeartbeat | Promise<SignedHeartbeat>;
  /** To be called when the buffer of a listener has changed by so many bytes. */
  bufferChanged(by: number): void;
  /**
   * The events after a position, at most `maxRows`; readers at the same position share one read. `asPage`: as a signed page, if more
   * events follow.
   */
  chunk(after: number, options?: ChunkOptions): Chunk;
  close(): void;
}

interface BroadcastOptions {
  readonly source: LogSource;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly heartbeatMs: DurationMs;
  /** Most characters of a chunk; it has at least one event. */
  readonly readerBufferBytes: number;
  /** Most bytes that may be buffered for all readers together. */
  readonly bufferBytes: number;
}

/**
 * Shared by all connections: one subscription to the log, one heartbeat a second, one read of what has just been appended. Without
 * connections it holds nothing.
 */
export function createBroadcast(options: BroadcastOptions): Broadcast {
  const { source, clock, telemetry, heartbeatMs, readerBufferBytes, bufferBytes } = options;
  const listeners = new Set<Listener>();
  const chunks = new Map<string, Chunk>();
  const heartbeats = createHeartbeats(source, clock, heartbeatMs);
  const standby = createStandbyStreams({ source, telemetry, current: heartbeats.current });
  let buffered = 0;
  let timer: NodeJS.Timeout | undefined;
  let unsubscribe: (() => void) | undefined;

  const appended = () => {
    chunks.clear();
    for (const listener of [...listeners]) listener.appended();
    standby.appended();
  };
  const send = (heartbeat: SignedHeartbeat) => {
    for (const listener of [...listeners]) listener.heartbeat(heartbeat);
    standby.heartbeat(heartbeat);
  };
  /** Without heartbeats the views of readers get older, as they should; readers still receive events. */
  const failed = (error: unknown) => {
    telemetry.count('rescind_feed_heartbeat_errors_total');
    telemetry.log('error', 'feed_heartbeat_failed', { error: String(error) });
  };
  const sendHeartbeat = () => {
    chunks.clear();
    telemetry.gauge('rescind_feed_buffered_bytes', buffered);
    try {
      whenSigned(heartbeats.sign(), send)?.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
  const start = () => {
    if (timer !== undefined) return;
    timer = setInterval(sendHeartbeat, heartbeatMs);
    unsubscribe = source.onAppend(appended);
  };
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    unsubscribe?.();
    unsubscribe = undefined;
    chunks.clear();
    telemetry.gauge('rescind_feed_buffered_bytes', buffered);
  };

  /** Disconnects the reader with the largest buffer first: one that reads has a small one. */
  const shed = () => {
    while (buffered > bufferBytes) {
      const [largest] = [...listeners, ...standby.all()].sort((a, b) => b.buffered() - a.buffered());
      if (largest === undefined || largest.buffered() === 0) return;
      telemetry.log('warn', 'feed_reader_cut', { buffered: largest.buffered(), bufferedInAll: buffered });
      largest.cut('buffer_full');
    }
  };

  return {
    size: () => listeners.size,
    opening: heartbeats.current,
    add(listener, isStandby) {
      if (isStandby) standby.add(listener);
      else listeners.add(listener);
      telemetry.gauge('rescind_feed_readers', listeners.size);
      start();
    },
    remove(listener, isStandby) {
      if (isStandby) standby.remove(listener);
      else listeners.delete(listener);
      telemetry.gauge('rescind_feed_readers', listeners.size);
      if (listeners.size + standby.size() === 0) stop();
    },
    standby,
    bufferChanged(by) {
      buffered += by;
      if (by > 0 && buffered > bufferBytes) shed();
    },
    chunk(after, { maxRows = READ_LIMIT, asPage = false } = {}) {
      const limit = Math.min(READ_LIMIT - (after % READ_LIMIT), maxRows);
      const key = `${after} ${limit} ${asPage}`;
      const known = chunks.get(key);
      if (known !== undefined) return known;
      const chunk = readChunk(source, { after, limit, asPage, maxBytes: readerBufferBytes });
      // Readers that catch up have different positions, so only the end of the log is kept, until it moves. All standby streams
      // begin a delivery at the same position.
      if (!chunk.full || (standby.isDelivering() && chunks.size < MAX_CHUNKS)) chunks.set(key, chunk);
      return chunk;
    },
    close() {
      standby.close();
      for (const listener of [...listeners]) listener.end();
      stop();
    },
  };
}

interface ChunkToRead {
  readonly after: number;
  readonly limit: number;
  readonly asPage: boolean;
  readonly maxBytes: number;
}

function readChunk(source: LogSource, { after, limit, asPage, maxBytes }: ChunkToRead): Chunk {
  const read = source.read(after, limit);
  const rows = withinBytes(read, asPage ? Math.min(maxBytes, MAX_PAGE_CHARS) : maxBytes);
  const { epoch } = source.snapshot();
  const upTo = rows.at(-1)?.seq ?? after;
  const full = rows.length < read.length || rows.length === limit;
  const page = asPage && full ? pageText(source, `${epoch}:${upTo}`, rows) : undefined;
  const text = page ?? rows.map(({ seq, jws }) => `id: ${epoch}:${seq}\n${eventText(jws)}`).join('');
  return { epoch, text, upTo, full };
}

/** Undefined: these events are not worth a signature, or are not signed by the present key. */
function pageText(source: LogSource, id: string, rows: readonly { readonly jws: string }[]): string | undefined {
  const events = rows.map(({ jws }) => jws);
  const signature = events.length < MIN_PAGE_EVENTS ? undefined : source.signPage?.(events);
  if (signature === undefined) return undefined;
  return `id: ${id}\nevent: ${PAGE_NAME}\n${[signature, ...events].map((line) => `data: ${line}\n`).join('')}\n`;
}

/** The first rows that fit, at least one. */
function withinBytes<R extends { readonly jws: string }>(rows: readonly R[], maxBytes: number): readonly R[] {
  let bytes = 0;
  const beyond = rows.findIndex(({ jws }, index) => {
    // A compact JWS is ASCII.
    bytes += jws.length;
    return index > 0 && bytes > maxBytes;
  });
  return beyond === -1 ? rows : rows.slice(0, beyond);
}

export function eventText(jws: string): string {
  return `event: ${EVENT_NAME}\ndata: ${jws}\n\n`;
}

export function heartbeatText(heartbeat: SignedHeartbeat): string {
  return `event: ${HEARTBEAT_NAME}\ndata: ${heartbeat.jws}\n\n`;
}

/** Signs as few heartbeats as possible: a signature costs the process that serves logins a millisecond. */
function createHeartbeats(source: LogSource, clock: Clock, heartbeatMs: DurationMs) {
  let newest: { heartbeat: SignedHeartbeat; at: DurationMs; state: string } | undefined;
  let pending: Promise<SignedHeartbeat> | undefined;
  const stateNow = () => {
    const { epoch, head, headId, lowWatermark } = source.snapshot();
    return JSON.stringify([epoch, head, headId, lowWatermark]);
  };
  const keep = (heartbeat: SignedHeartbeat, state: string): SignedHeartbeat => {
    newest = { heartbeat, at: clock.monotonic(), state };
    return heartbeat;
  };
  const sign = (): SignedHeartbeat | Promise<SignedHeartbeat> => {
    // It has not been signed yet, so it will state the present log.
    if (pending !== undefined) return pending;
    const state = stateNow();
    const heartbeat = source.heartbeat();
    if (!(heartbeat instanceof Promise)) return keep(heartbeat, state);
    pending = (async () => {
      try {
        return keep(await heartbeat, state);
      } finally {
        pending = undefined;
      }
    })();
    return pending;
  };
  return {
    sign,
    // Nothing has been appended since it was signed, so it states what a new one would, up to a second earlier.
    current: (): SignedHeartbeat | Promise<SignedHeartbeat> =>
      newest !== undefined && clock.monotonic() - newest.at <= heartbeatMs && newest.state === stateNow()
        ? newest.heartbeat
        : sign(),
  };
}
