import type { DurationMs } from '@rescind/revocation';
import { createParser } from 'eventsource-parser';
import type { TransportRecord } from '../ports.ts';

/** The names of the server-sent events. */
export const EVENT_NAME = 'revocation';
export const HEARTBEAT_NAME = 'heartbeat';
/** Its first line is the signature of a page, and each other line an event. */
export const PAGE_NAME = 'page';

/** The query of a request for signed pages. An issuer that does not know it sends each event alone. */
export const PAGES_QUERY = 'pages';

/** The query of a request for a standby stream. An issuer that knows it answers with this header. */
export const STANDBY_QUERY = 'quiet';
export const STREAM_HEADER = 'Rescind-Stream';
export const STANDBY = 'quiet';

/** Most characters of one server-sent event. A signed event of a thousand entries has about as many; more is an attack. */
export const MAX_EVENT_CHARS = 256 * 1024;
/** Most characters of the events of a page: half, since the signature and the line feeds come in addition. */
export const MAX_PAGE_CHARS = MAX_EVENT_CHARS / 2;

/** Records delivered at a time: limits the memory of a step and the length of its transaction. */
const BATCH = 500;

/** Why a connection was lost: stable words, for logs and health. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
  readonly reason: string;
  constructor(reason: string, options?: ErrorOptions) {
    super(`the connection was lost: ${reason}`, options);
    this.reason = reason;
  }
}

/**
 * Fires when nothing has arrived for `ms`. If the timer itself is late, because the process stood still, it waits for data that has
 * arrived meanwhile.
 */
export function createStallTimer(ms: DurationMs, monotonic: () => DurationMs, onStall: () => void) {
  let timer: NodeJS.Timeout | undefined;
  const arm = (wait: DurationMs) => {
    const due = monotonic() + wait;
    timer = setTimeout(() => {
      const late = monotonic() - due;
      if (late > ms / 4) arm(ms / 2);
      else onStall();
    }, wait).unref();
  };
  const stop = () => clearTimeout(timer);
  return {
    start() {
      stop();
      arm(ms);
    },
    stop,
  };
}

export interface StreamHandlers {
  records(batch: readonly TransportRecord[]): Promise<void>;
  /** A server-sent event that is neither an event nor a heartbeat. */
  ignored(): void;
  /** Around each wait for bytes. */
  waiting(): void;
  arrived(): void;
}

/**
 * Reads a response to its end. It reads more only after the previous batch was accepted. Records are live from the opening heartbeat
 * on.
 * @throws ConnectionLost `oversized`
 */
export async function readEventStream(body: AsyncIterable<Uint8Array>, handlers: StreamHandlers): Promise<void> {
  let pending: TransportRecord[] = [];
  let live = false;
  let oversized = false;
  const parser = createParser({
    maxBufferSize: MAX_EVENT_CHARS,
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') oversized = true;
    },
    onEvent: ({ event, data }) => {
      if (event !== EVENT_NAME && event !== HEARTBEAT_NAME && event !== PAGE_NAME) return handlers.ignored();
      if (data.length > MAX_EVENT_CHARS) {
        oversized = true;
        return;
      }
      if (event === HEARTBEAT_NAME) live = true;
      if (event === PAGE_NAME) pending.push(...recordsOf(data, live));
      else pending.push({ jws: data, hint: null, live, isEvent: event === EVENT_NAME });
    },
  });
  const decoder = new TextDecoder();
  const reader = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      handlers.waiting();
      const { done, value } = await reader.next();
      handlers.arrived();
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      const batch = pending;
      pending = [];
      for (let from = 0; from < batch.length; from += BATCH) await handlers.records(batch.slice(from, from + BATCH));
      if (oversized) throw new ConnectionLost('oversized');
    }
  } finally {
    handlers.arrived();
    // Closes the connection, or rejects because it has failed already: either way nothing is left to read.
    reader.return?.()?.catch(() => undefined);
  }
}

function recordsOf(data: string, live: boolean): TransportRecord[] {
  const [signature = '', ...events] = data.split('\n');
  const page = { signature, events };
  return events.map((jws) => ({ jws, hint: null, live, isEvent: true, page }));
}
