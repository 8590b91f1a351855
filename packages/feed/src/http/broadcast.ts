import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import type { LogSource } from '../ports.ts';
import { EVENT_NAME, HEARTBEAT_NAME } from './stream.ts';

export type Heartbeat = ReturnType<LogSource['heartbeat']>;

/** What a connected reader is told. */
export interface Listener {
  /** Events may have been appended, or the epoch may have changed. */
  appended(): void;
  heartbeat(heartbeat: Heartbeat): void;
  /** Bytes that wait for the reader to take them. */
  buffered(): number;
  /** Disconnects at once; the reader resumes where it was. */
  cut(reason: string): void;
  end(reason?: string): void;
}

/** Events read at a time for one reader, as far as they fit into its buffer. */
const READ_LIMIT = 100;

/** Part of the log, as it is written to a connection; empty at its end. */
interface Piece {
  readonly epoch: string;
  readonly text: string;
  /** The last seq in it. */
  readonly upTo: number;
  /** Whether there may be more. */
  readonly full: boolean;
}

export interface Broadcast {
  add(listener: Listener): void;
  remove(listener: Listener): void;
  size(): number;
  /** A heartbeat that speaks of the log as it is now: to open a connection with. */
  opening(): Heartbeat;
  /** To be called when the buffer of a listener has changed by so many bytes. */
  bufferChanged(by: number): void;
  /** The events after a position; readers at the same one share the reading. */
  piece(after: number): Piece;
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
 * of what has just been appended. Holds nothing while nobody is connected.
 */
export function createBroadcast(options: BroadcastOptions): Broadcast {
  const { source, clock, telemetry, heartbeatMs, readerBufferBytes, bufferBytes } = options;
  const listeners = new Set<Listener>();
  const pieces = new Map<number, Piece>();
  const heartbeats = createHeartbeats(source, clock, heartbeatMs);
  let buffered = 0;
  let timer: NodeJS.Timeout | undefined;
  let unsubscribe: (() => void) | undefined;

  const appended = () => {
    pieces.clear();
    for (const listener of [...listeners]) listener.appended();
  };
  const beat = () => {
    pieces.clear();
    telemetry.gauge('rescind_feed_buffered_bytes', buffered);
    try {
      const heartbeat = heartbeats.sign();
      for (const listener of [...listeners]) listener.heartbeat(heartbeat);
    } catch (error) {
      // Without heartbeats the readers see their view age, which is the truth; they are not cut off from events.
      telemetry.count('rescind_feed_heartbeat_errors_total');
      telemetry.log('error', 'feed_heartbeat_failed', { error: String(error) });
    }
  };
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    unsubscribe?.();
    unsubscribe = undefined;
    pieces.clear();
    telemetry.gauge('rescind_feed_buffered_bytes', buffered);
  };
  /** The readers that hold most go first: one that takes what it gets holds next to nothing. */
  const shed = () => {
    while (buffered > bufferBytes) {
      const [largest] = [...listeners].sort((a, b) => b.buffered() - a.buffered());
      if (largest === undefined || largest.buffered() === 0) return;
      telemetry.log('warn', 'feed_reader_cut', { buffered: largest.buffered(), bufferedInAll: buffered });
      largest.cut('buffer_full');
    }
  };

  return {
    size: () => listeners.size,
    opening: heartbeats.current,
    add(listener) {
      listeners.add(listener);
      telemetry.gauge('rescind_feed_readers', listeners.size);
      if (timer !== undefined) return;
      timer = setInterval(beat, heartbeatMs);
      unsubscribe = source.onAppend(appended);
    },
    remove(listener) {
      listeners.delete(listener);
      telemetry.gauge('rescind_feed_readers', listeners.size);
      if (listeners.size === 0) stop();
    },
    bufferChanged(by) {
      buffered += by;
      if (by > 0 && buffered > bufferBytes) shed();
    },
    piece(after) {
      const known = pieces.get(after);
      if (known !== undefined) return known;
      const piece = readPiece(source, after, readerBufferBytes);
      // Readers that catch up are each somewhere else: only the end of the log is worth keeping, until it moves.
      if (!piece.full) pieces.set(after, piece);
      return piece;
    },
    close() {
      for (const listener of [...listeners]) listener.end();
      stop();
    },
  };
}

function readPiece(source: LogSource, after: number, most: number): Piece {
  const read = source.read(after, READ_LIMIT);
  const rows = withinBytes(read, most);
  const { epoch } = source.snapshot();
  const text = rows.map(({ seq, jws }) => `id: ${epoch}:${seq}\n${eventText(jws)}`).join('');
  return {
    epoch,
    text,
    upTo: rows.at(-1)?.seq ?? after,
    full: rows.length < read.length || rows.length === READ_LIMIT,
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

export function heartbeatText(heartbeat: Heartbeat): string {
  return `event: ${HEARTBEAT_NAME}\ndata: ${heartbeat.jws}\n\n`;
}

/** Signs heartbeats, and as few as possible: a signature costs a millisecond of the process that takes the logins. */
function createHeartbeats(source: LogSource, clock: Clock, heartbeatMs: DurationMs) {
  let newest: { heartbeat: Heartbeat; at: DurationMs; state: string } | undefined;
  const stateNow = () => {
    const { epoch, head, last, floor } = source.snapshot();
    return JSON.stringify([epoch, head, last, floor]);
  };
  const sign = (): Heartbeat => {
    const state = stateNow();
    const heartbeat = source.heartbeat();
    newest = { heartbeat, at: clock.monotonic(), state };
    return heartbeat;
  };
  return {
    sign,
    // Nothing has been appended since that one was signed, so it says what a new one would, up to a second earlier.
    current: (): Heartbeat =>
      newest !== undefined && clock.monotonic() - newest.at <= heartbeatMs && newest.state === stateNow()
        ? newest.heartbeat
        : sign(),
  };
}
