import type { ServerResponse } from 'node:http';
import type { DurationMs, Telemetry } from '@rescind/revocation';
import type { LogSource, SignedHeartbeat } from '../ports.ts';
import type { Broadcast } from './broadcast.ts';
import { eventText, heartbeatText } from './broadcast.ts';
import type { Delivery, StandbyListener } from './standby.ts';
import { STANDBY, STREAM_HEADER } from './stream.ts';

/** How long a client may still read after the end of its connection. */
const LINGER_MS: DurationMs = 2_000;

interface ReaderOptions {
  readonly response: ServerResponse;
  readonly source: LogSource;
  readonly broadcast: Broadcast;
  readonly opening: SignedHeartbeat;
  readonly lastEventId: string | string[] | undefined;
  /** Writes heartbeats only, until `deliver` is called. */
  readonly isStandby: boolean;
  /** Writes events that are not the last of the log as signed pages. */
  readonly withPages: boolean;
  readonly telemetry: Telemetry;
  readonly stuckMs: DurationMs;
  /** Called once, at the end of the connection, for any reason. */
  onEnd(): void;
}

export interface Reader extends StandbyListener {
  start(): void;
}

/**
 * One connection, which reads the log or stands by. It reads the log no faster than its client, and disconnects a client that reads
 * nothing for 30 s. A heartbeat is sent after the events up to its head; only the opening one is sent before them, so that the client
 * knows at once how far it is behind or ahead.
 */
export function openReader(options: ReaderOptions): Reader {
  const { response, source, broadcast, opening, telemetry } = options;
  const { epoch } = opening;
  let isReading = !options.isStandby;
  let sent = startOf(options.lastEventId, source);
  let skipped: Pick<Delivery, 'until' | 'resume'> | undefined;
  /** Heartbeats whose head has not been sent yet: the oldest, which is due first, and the newest. */
  let due: SignedHeartbeat[] = [];
  let stuck: NodeJS.Timeout | undefined;
  let over = false;
  /** The part of `broadcast`'s buffered bytes that is this reader's. */
  let held = 0;

  const account = () => {
    const now = over ? 0 : response.writableLength;
    const by = now - held;
    held = now;
    if (by !== 0) broadcast.bufferChanged(by);
  };

  const finish = (reason: string) => {
    if (over) return;
    over = true;
    clearTimeout(stuck);
    account();
    telemetry.count('rescind_feed_readers_ended_total', { reason });
    options.onEnd();
  };

  const end = (reason: string) => {
    if (over) return;
    finish(reason);
    response.end();
    setTimeout(() => response.destroy(), LINGER_MS).unref();
  };

  const cut = (reason: string) => {
    finish(reason);
    response.destroy();
  };

  /** Sends the closing event, if any, before the connection of an ended epoch ends. */
  const endEpoch = () => {
    const closingEvent = source.closingEvent?.(epoch);
    if (closingEvent !== undefined) response.write(eventText(closingEvent));
    end('epoch_changed');
  };

  const write = (text: string) => {
    const flows = response.write(text);
    account();
    if (flows || over) return;
    clearTimeout(stuck);
    stuck = setTimeout(() => {
      telemetry.log('warn', 'feed_reader_stuck', { sent });
      cut('stuck');
    }, options.stuckMs);
  };

  const sendDueHeartbeats = () => {
    while (due[0] !== undefined && (due[0].head <= sent || !isReading) && !response.writableNeedDrain) {
      const [first, ...rest] = due;
      due = rest;
      write(heartbeatText(first));
    }
  };

  const pump = () => {
    while (!over && isReading && !response.writableNeedDrain) {
      if (skipped !== undefined && sent >= skipped.until) {
        sent = Math.max(sent, skipped.resume);
        skipped = undefined;
      }
      const chunk = broadcast.chunk(sent, { maxRows: skipped && skipped.until - sent, asPage: options.withPages });
      if (chunk.epoch !== epoch) return endEpoch();
      if (chunk.text === '') break;
      sent = chunk.upTo;
      write(chunk.text);
      sendDueHeartbeats();
    }
    if (!over) sendDueHeartbeats();
  };

  const guardedPump = () => {
    try {
      pump();
    } catch (error) {
      telemetry.log('error', 'feed_reader_failed', { error: String(error) });
      end('failed');
    }
  };

  return {
    deliver({ after, until, resume }) {
      if (isReading) return;
      isReading = true;
      sent = after;
      skipped = resume > until ? { until, resume } : undefined;
      guardedPump();
    },
    epochIs(now) {
      if (now !== epoch) endEpoch();
    },
    standBy() {
      isReading = false;
      skipped = undefined;
      guardedPump();
    },
    start() {
      if (response.destroyed) return finish('left');
      response.on('close', () => finish('left'));
      response.on('drain', () => {
        clearTimeout(stuck);
        account();
        guardedPump();
      });
      response.socket?.setKeepAlive(true, 10_000);
      response.writeHead(200, {
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-store',
        'X-Accel-Buffering': 'no',
        'X-Content-Type-Options': 'nosniff',
        ...(options.isStandby ? { [STREAM_HEADER]: STANDBY } : {}),
      });
      write(heartbeatText(opening));
      guardedPump();
    },
    appended: guardedPump,
    heartbeat(heartbeat) {
      if (heartbeat.epoch !== epoch) return endEpoch();
      due = due[0] === undefined ? [heartbeat] : [due[0], heartbeat];
      guardedPump();
    },
    buffered: () => held,
    cut,
    end: (reason = 'closed') => end(reason),
  };
}

/** The position to send from: the low watermark for one of another log, or below it. */
function startOf(lastEventId: string | string[] | undefined, source: LogSource): number {
  const { epoch, head, lowWatermark } = source.snapshot();
  const lowest = lowWatermark - 1;
  const parts = /^([!-~]{1,200}):(\d{1,15})$/.exec(typeof lastEventId === 'string' ? lastEventId : '');
  if (parts === null || parts[1] !== epoch) return lowest;
  const seq = Number(parts[2]);
  return seq < lowest || seq > head ? lowest : seq;
}
