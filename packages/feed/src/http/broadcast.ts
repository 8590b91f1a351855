import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import type { LogSource, SignedHeartbeat } from '../ports.ts';
import type { Listener, StandbyListener, StandbyStreams } from './standby.ts';
import { createStandbyStreams, whenSigned } from './standby.ts';
import { EVENT_NAME, HEARTBEAT_NAME } from './stream.ts';

/** Events read at a time for one reader, as far as they fit into its buffer. */
const READ_LIMIT = 100;
/** The pieces of a delivery to the standby streams, at 131 kB. */
const MAX_CHUNKS = 32;

/** Part of the log, as it is written to a connection; empty at its end. */
interface Chunk {
  readonly epoch: string;
  readonly text: string;
  /** The last seq in it. */
  readonly upTo: number;
  /** Whether there may be more. */
  readonly full: boolean;
}

export interface Broadcast {
  add(listener: StandbyListener, isStandby: boolean): void;
  remove(listener: StandbyListener, isStandby: boolean): void;
  size(): number;
  readonly standby: Pick<StandbyStreams, 'size' | 'started'>;
  /** A heartbeat that speaks of the log as it is now: to open a connection with. */
  opening(): SignedHeartbeat | Promise<SignedHeartbeat>;
  /** To be called when the buffer of a listener has changed by so many bytes. */
  bufferChanged(by: number): void;
  /** The events after a position, at most so many; readers at the same one share the reading. */
  chunk(after: number, most?: number): Chunk;
  close(): void;
}

interface BroadcastOptions {
  readonly source: LogSource;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly heartbeatMs: DurationMs;
  /** The most text of one piece; one event is always in it. */
  readonly readerBufferBytes: number;
  /** The most that may wait for all readers together. */
  readonly bufferBytes: number;
}

/**
 * What all connections share: one subscription to the log, one heartbeat a second however many they are, one reading
 * of what has just been appended. Without connections it holds nothing.
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
    chunk(after, most = READ_LIMIT) {
      const limit = Math.min(READ_LIMIT, most);
      const key = `${after} ${limit}`;
      const known = chunks.get(key);
      if (known !== undefined) return known;
      const chunk = readChunk(source, after, limit, readerBufferBytes);
      // Readers that catch up are each somewhere else: only the end of the log is worth keeping, until it moves. Standby
      // streams begin a delivery all at the same place.
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

function readChunk(source: LogSource, after: number, limit: number, most: number): Chunk {
  const read = source.read(after, limit);
  const rows = withinBytes(read, most);
  const { epoch } = source.snapshot();
  const text = rows.map(({ seq, jws }) => `id: ${epoch}:${seq}\n${eventText(jws)}`).join('');
  return {
    epoch,
    text,
    upTo: rows.at(-1)?.seq ?? after,
    full: rows.length < read.length || rows.length === limit,
  };
}

/** As many rows from the first on as fit; the first in any case. */
function withinBytes<R extends { readonly jws: string }>(rows: readonly R[], most: number): readonly R[] {
  let bytes = 0;
  const beyond = rows.findIndex(({ jws }, index) => {
    // A compact JWS is ASCII.
    bytes += jws.length;
    return index > 0 && bytes > most;
  });
  return beyond === -1 ? rows : rows.slice(0, beyond);
}

export function eventText(jws: string): string {
  return `event: ${EVENT_NAME}\ndata: ${jws}\n\n`;
}

export function heartbeatText(heartbeat: SignedHeartbeat): string {
  return `event: ${HEARTBEAT_NAME}\ndata: ${heartbeat.jws}\n\n`;
}

/** Signs heartbeats, and as few as possible: a signature costs a millisecond of the process that takes the logins. */
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
    // What it speaks of the log is read when it is signed, which is yet to come.
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
    // Nothing has been appended since that one was signed, so it says what a new one would, up to a second earlier.
    current: (): SignedHeartbeat | Promise<SignedHeartbeat> =>
      newest !== undefined && clock.monotonic() - newest.at <= heartbeatMs && newest.state === stateNow()
        ? newest.heartbeat
        : sign(),
  };
}
