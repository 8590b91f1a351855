import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { IssuerUserEvents, UserEvent, UserEventQuery } from '@rescind/issuer/user-events';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { isCallersError } from '@rescind/revocation/errors';
import type { Response } from 'express';

/** The media types of streams. */
export const STREAM_TYPES = ['text/event-stream', 'application/x-ndjson'] as const;

/** One of `STREAM_TYPES`. */
export type StreamFormat = (typeof STREAM_TYPES)[number];

interface StreamRequest {
  readonly format: StreamFormat;
  /** The `seq` after which it begins. */
  readonly start: number;
  readonly filter: Pick<UserEventQuery, 'sub' | 'sid' | 'type' | 'since'>;
  /** @throws RescindError when the caller may not read any more */
  requireAllowed(): Promise<void>;
}

interface EventStreams {
  /** Sends events until the caller leaves, may not read any more, or the service stops. */
  run(response: Response, request: StreamRequest): Promise<void>;
}

interface EventStreamsOptions {
  readonly userEvents: Pick<IssuerUserEvents, 'following' | 'onAppend'>;
  toJson(event: UserEvent): object;
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Below the 5 s after which a reader may take the stream for dead. */
const HEARTBEAT_MS: DurationMs = 4_000;
/** How soon withdrawn credentials end a stream that has no events. */
const CHECK_MS: DurationMs = 500;
/** A reader that accepts nothing for so long is disconnected; it resumes where it was. */
const STUCK_MS: DurationMs = 30_000;
/** Events that are read at once: less than a millisecond of SQLite, and at most some 100 kB. */
const AT_ONCE = 200;

export function createEventStreams({
  userEvents,
  toJson,
  stopping,
  clock,
  telemetry,
}: EventStreamsOptions): EventStreams {
  let open = 0;
  const measure = (change: number) => {
    open += change;
    telemetry.gauge('rescind_user_event_streams', open);
  };

  return {
    async run(response, { format, start, filter, requireAllowed }) {
      const gone = new AbortController();
      response.on('close', () => gone.abort());
      const ended = AbortSignal.any([gone.signal, stopping]);
      let wake = () => {};
      const unsubscribe = userEvents.onAppend(() => wake());
      const write = writerOf(format, toJson, response, ended);
      let position = start;
      let heartbeatAt = clock.monotonic();
      measure(1);
      try {
        openStream(response, format);
        while (!ended.aborted) {
          const woken = new Promise<void>((resolve) => {
            wake = resolve;
          });
          const events = await userEvents.following(position, AT_ONCE);
          await requireAllowed();
          // In one write: a reader that is slow must not get a batch for long after its credentials were withdrawn.
          await write.events(events.filter((event) => matches(event, filter)));
          position = events.at(-1)?.seq ?? position;
          if (clock.monotonic() >= heartbeatAt) {
            await write.heartbeat({ now: clock.now(), position });
            heartbeatAt = clock.monotonic() + HEARTBEAT_MS;
          }
          // A filter that nothing matches would read the complete table in one turn of the event loop.
          if (events.length === AT_ONCE) await nextTurn();
          else await wakeOrPause(woken, ended);
        }
        if (stopping.aborted) write.end('stopping');
      } catch (error) {
        if (!isCallersError(error)) throw error;
        write.end('credentials_withdrawn');
      } finally {
        unsubscribe();
        measure(-1);
        response.end();
      }
    },
  };
}

function openStream(response: Response, format: StreamFormat): void {
  // A proxy that buffers would hold events back: nginx does by default.
  response.status(200).set({
    'Content-Type': format,
    'Cache-Control': 'no-store, no-transform',
    'X-Accel-Buffering': 'no',
  });
  response.flushHeaders();
}

/** Waits for an event, for the time of the next check, or for the end. */
async function wakeOrPause(woken: Promise<void>, ended: AbortSignal): Promise<void> {
  const { promise: paused, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, CHECK_MS);
  const stop = () => resolve();
  ended.addEventListener('abort', stop);
  try {
    await Promise.race([woken, paused]);
  } finally {
    clearTimeout(timer);
    ended.removeEventListener('abort', stop);
  }
}

interface Heartbeat {
  /** The time of the service, ms. */
  readonly now: number;
  /** The `seq` up to which the stream has come. */
  readonly position: number;
}

/** Why a stream ends that its reader has not left. */
type StreamEnd = 'credentials_withdrawn' | 'stopping';

interface StreamWriter {
  events(events: readonly UserEvent[]): Promise<void>;
  heartbeat(heartbeat: Heartbeat): Promise<void>;
  end(reason: StreamEnd): void;
}

/** Writes frames, and waits while the reader is slow. */
function writerOf(
  format: StreamFormat,
  toJson: EventStreamsOptions['toJson'],
  response: Response,
  ended: AbortSignal,
): StreamWriter {
  const isSse = format === 'text/event-stream';
  const sse = (name: string, data: object, seq?: number) =>
    `event: ${name}\n${seq === undefined ? '' : `id: ${seq}\n`}data: ${JSON.stringify(data)}\n\n`;
  const send = async (text: string) => {
    if (text === '' || ended.aborted || response.write(text)) return;
    try {
      await once(response, 'drain', { signal: AbortSignal.any([ended, AbortSignal.timeout(STUCK_MS)]) });
    } catch {
      response.destroy();
    }
  };
  const textOf = (event: UserEvent) =>
    isSse ? sse('user-event', toJson(event), event.seq) : `${JSON.stringify(toJson(event))}\n`;
  return {
    events: (events) => send(events.map(textOf).join('')),
    heartbeat: (heartbeat) => send(isSse ? sse('heartbeat', heartbeat) : `${JSON.stringify({ heartbeat })}\n`),
    end: (reason) => void response.write(isSse ? sse('end', { reason }) : `${JSON.stringify({ end: { reason } })}\n`),
  };
}

/** As the filter of a page. */
function matches(event: UserEvent, { sub, sid, type, since }: StreamRequest['filter']): boolean {
  const isWide = event.type === 'sessions_ended' && event.sub === null;
  if (sub !== undefined && event.sub !== sub && !isWide) return false;
  if (sid !== undefined && event.sid !== sid && !isWide) return false;
  return (type === undefined || event.type === type) && event.at >= (since ?? 0);
}
