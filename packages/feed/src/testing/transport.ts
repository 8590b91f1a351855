import { setTimeout as sleep } from 'node:timers/promises';
import { option, optionsOf, required } from '@rescind/revocation/options';
import { createBackoff } from '../backoff.ts';
import type { Transport, TransportAbilities, TransportConnection, TransportSink } from '../ports.ts';
import type { MemoryLog } from './memory.ts';
import { openMemoryCursor } from './memory.ts';

/** The options of `memoryTransport`. */
export interface MemoryTransportOptions {
  /** The log to read. */
  readonly log: MemoryLog;
  /** Default `memory`. A feed of two of them needs two names. */
  readonly name?: string | undefined;
  /** Default: none, as those of a topic. */
  readonly abilities?: Pick<TransportAbilities, 'stallMs'> | undefined;
}

/** Records delivered at a time. */
const BATCH = 256;
const FIRST_RETRY_MS = 10;
const MAX_RETRY_MS = 500;

const memoryTransportOptions = optionsOf<MemoryTransportOptions>('memoryTransport', {
  log: required(option.having<MemoryLog>('a log that createMemoryLog has made', 'append', 'onChange')),
  name: option.text(),
  abilities: optionsOf<Pick<TransportAbilities, 'stallMs'>>('abilities', { stallMs: option.duration() }),
});

/**
 * A transport that reads a log in memory, as `kafkaTransport` reads a topic: from the hint of its reader, or from the oldest record. For
 * tests: no broker, no port, no thread.
 * @throws TypeError an option is missing or wrong
 */
export function memoryTransport(options: MemoryTransportOptions): Transport {
  const { log, name = 'memory', abilities } = memoryTransportOptions(options);
  return { name, abilities, endpoint: { log: log.id }, open: (sink) => openConnection(log, sink) };
}

const RESTART = 'restart';
const UNREACHABLE = 'unreachable';

function openConnection(log: MemoryLog, sink: TransportSink): TransportConnection {
  const backoff = createBackoff(FIRST_RETRY_MS, MAX_RETRY_MS);
  const closing = new AbortController();
  /** Why the present connection is to end; null: it stays. */
  let ending: string | null = null;
  let wake: () => void = () => undefined;
  const changed = () => new Promise<void>((resolve) => (wake = resolve));
  const end = (reason: string) => {
    ending ??= reason;
    wake();
  };
  // A log that is up again in the same tick has ended its connections nevertheless.
  const stopListening = log.onChange(() => (log.isUp ? wake() : end(UNREACHABLE)));

  /** One connection from its beginning to its end. Returns why it ended. */
  const readOnce = async (): Promise<string> => {
    ending = null;
    const cursor = openMemoryCursor(log, sink.start().hint);
    sink.opened();
    while (ending === null) {
      const batch = cursor.take(BATCH);
      if (batch === undefined) return 'place_gone';
      if (batch.length === 0) {
        await changed();
        continue;
      }
      try {
        await sink.records(batch);
      } catch {
        return 'sink_failed';
      }
      backoff.reset();
    }
    return ending;
  };

  const run = async () => {
    // `open` returns the connection before the first call of the sink.
    await Promise.resolve();
    while (!closing.signal.aborted) {
      const reason = log.isUp ? await readOnce() : UNREACHABLE;
      if (closing.signal.aborted) return;
      if (reason === RESTART) continue;
      sink.lost(reason);
      while (!log.isUp && !closing.signal.aborted) await changed();
      await sleep(backoff.next(), undefined, { signal: closing.signal }).catch(() => undefined);
    }
  };
  const running = run().finally(stopListening);

  return {
    restart: () => end(RESTART),
    async close() {
      closing.abort();
      end('closed');
      await running;
    },
  };
}
