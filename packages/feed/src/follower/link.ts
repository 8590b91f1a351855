import type { BulkDecoder } from '../event/bulk.ts';
import type { EventDecoder, EventKeys } from '../event/decode.ts';
import type { DecodedRecord } from '../event/record.ts';
import type { Way, WayConnection, WaySink } from '../ports.ts';
import type { FetchedSet, WayId } from './core.ts';
import type { Engine } from './engine.ts';
import type { IsStale, Slice } from './pipeline.ts';
import { createPipeline } from './pipeline.ts';
import type { Transports } from './transports.ts';

/**
 * Records committed in one go: enough for a fast catch-up, few enough (some 5 ms) that requests are answered between two
 * of them.
 */
const SLICE = 256;
/** So many at once are part of a catch-up: for fewer, a thread costs more than it takes off this one. */
const BULK = 16;
/**
 * Slices under way at once: the others are verified in another thread while one is committed in this. Enough (80 ms of
 * signatures, 5 MB) that it has something to do while SQLite copies its log into the file.
 */
const AHEAD = 16;

/** The keys of the log's events, as the follower needs them. */
export interface FollowerKeys extends EventKeys {
  /** Resolves when there are keys. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Fetches the set once, past every cache, beginning after this call. Whether that succeeded. Never rejects. */
  refetch(): Promise<boolean>;
  /** Calls `listener` after each fetch that succeeded, whatever caused it. Returns what ends that. */
  onFetched(listener: (set: FetchedSet) => void): () => void;
}

export interface LinkOptions {
  readonly id: WayId;
  readonly way: Way;
  /** Whether it is opened as a standby stream. */
  readonly standby: boolean;
  readonly engine: Engine;
  readonly decoder: EventDecoder;
  readonly bulk: BulkDecoder;
  readonly keys: FollowerKeys;
  readonly transports: Pick<Transports, 'opened' | 'lost' | 'unsupported'>;
  /** Aborts when the follower closes. */
  readonly closing: AbortSignal;
}

/** One way's connection to the engine. */
export interface Link {
  /** Drops what is open and what it has delivered and is not applied yet. */
  restart(reason: string): void;
  close(): Promise<void>;
}

export function openLink(options: LinkOptions): Link {
  const { id, way, standby, engine, decoder, bulk, keys, transports, closing } = options;
  let connection: WayConnection | undefined;
  let gone = false;
  /** Grows with each restart. Between a restart and the question that follows it, nothing that comes is wanted. */
  let generation = 0;
  let askedIn = 0;
  /** Grows with each question: what came before it and is not applied comes again. */
  let questions = 0;

  /** Whether what comes now will have been overtaken. */
  function staleness(): IsStale {
    const of = generation;
    const question = questions;
    return () => gone || closing.aborted || generation !== of || askedIn !== generation || questions !== question;
  }

  const submit = (records: readonly DecodedRecord[], isStale: IsStale) =>
    isStale() ? undefined : engine.submit({ kind: 'records', way: id, records }, isStale);

  const pipeline = createPipeline(SLICE, AHEAD, async (slice: Slice) => {
    const decoded = slice.isStale() ? [] : await bulk.decodeBatch(slice.records);
    return () => submit(decoded, slice.isStale);
  });

  const sink: WaySink = {
    start() {
      askedIn = generation;
      questions += 1;
      return engine.ask(id);
    },
    opened() {
      if (!gone) transports.opened(id);
      void engine.submit({ kind: 'opened', way: id }, () => gone);
    },
    lost(reason) {
      if (!gone) transports.lost(id, reason);
      void engine.submit({ kind: 'lost', way: id, reason }, () => gone);
    },
    async records(batch) {
      const isStale = staleness();
      await keys.ready(closing).catch(() => undefined);
      if (isStale()) return;
      if (batch.length >= BULK || !pipeline.isEmpty()) {
        await pipeline.add({ records: batch, isStale });
        return;
      }
      await submit(decoder.decodeBatch(batch), isStale);
    },
    unsupported() {
      if (!gone) transports.unsupported(id);
    },
  };
  connection = way.open(sink, { standby });

  return {
    restart(reason) {
      generation += 1;
      connection?.restart(reason);
    },
    async close() {
      gone = true;
      await connection?.close();
    },
  };
}
