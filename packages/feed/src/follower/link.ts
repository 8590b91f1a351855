import { setImmediate as turn } from 'node:timers/promises';
import type { EventDecoder, EventKeys } from '../event/decode.ts';
import type { Way, WayConnection, WayRecord } from '../ports.ts';
import type { WayId } from './core.ts';
import type { Engine } from './engine.ts';

/**
 * Records verified and committed in one go: long enough for a fast catch-up, short enough (some 20 ms) that requests
 * are answered between two of them.
 */
const SLICE = 256;

/** The keys of the log's events, as the follower needs them. */
export interface FollowerKeys extends EventKeys {
  /** Resolves when there are keys. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Whether this kid is known, after fetching at most once. */
  ensure(kid: string): Promise<boolean>;
}

export interface LinkOptions {
  readonly id: WayId;
  readonly way: Way;
  readonly engine: Engine;
  readonly decoder: EventDecoder;
  readonly keys: FollowerKeys;
  /** Aborts when the follower closes. */
  readonly closing: AbortSignal;
}

/** One way's connection to the engine. */
export interface Link {
  /** Drops what is open and what it has delivered and is not applied yet. */
  restart(reason: string): void;
  close(): Promise<void>;
}

export function openLink({ id, way, engine, decoder, keys, closing }: LinkOptions): Link {
  let connection: WayConnection | undefined;
  let gone = false;
  /** Grows with each restart. Between a restart and the question that follows it, nothing that comes is wanted. */
  let generation = 0;
  let askedIn = 0;

  const deliver = async (slice: readonly WayRecord[], isStale: () => boolean) => {
    // Keys that came with a new epoch: asked for before its events are called bad.
    const unknown = decoder.unknownKids(slice);
    if (unknown.length > 0) await Promise.all(unknown.map((kid) => keys.ensure(kid)));
    if (isStale()) return;
    await engine.submit({ kind: 'records', way: id, records: decoder.decodeBatch(slice) }, isStale);
  };

  connection = way.open({
    start() {
      askedIn = generation;
      return engine.ask(id);
    },
    opened: () => void engine.submit({ kind: 'opened', way: id }, () => gone),
    lost: (reason) => void engine.submit({ kind: 'lost', way: id, reason }, () => gone),
    async records(batch) {
      const of = generation;
      const isStale = () => gone || closing.aborted || generation !== of || askedIn !== generation;
      await keys.ready(closing).catch(() => undefined);
      for (let from = 0; from < batch.length && !isStale(); from += SLICE) {
        if (from > 0) await turn();
        await deliver(batch.slice(from, from + SLICE), isStale);
      }
    },
  });

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
