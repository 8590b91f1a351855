import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { BulkDecoder } from '../event/bulk.ts';
import type { EventDecoder, EventKeys } from '../event/decode.ts';
import type { DecodedRecord } from '../event/record.ts';
import type { Feed, Transport, TransportConnection, TransportSink } from '../ports.ts';
import type { FetchedSet, TransportRole } from './core.ts';
import type { Engine } from './engine.ts';
import type { Transports } from './health.ts';
import type { IsStale, RecordBatch } from './pipeline.ts';
import { createPipeline } from './pipeline.ts';

/**
 * Records committed in one go: enough for a fast catch-up, few enough (some 5 ms) that requests are answered between two
 * of them.
 */
const BATCH_RECORDS = 256;
/** So many at once are part of a catch-up: for fewer, a thread costs more than it takes off this one. */
const BULK_RECORDS = 16;
/**
 * Slices under way at once: the others are verified in another thread while one is committed in this. Enough (80 ms of
 * signatures, 5 MB) that it has something to do while SQLite copies its log into the file.
 */
const CONCURRENT_BATCHES = 16;

/** The keys of the log's events, as the follower needs them. */
export interface FollowerKeys extends EventKeys {
  /** Resolves when there are keys. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Fetches the set once, past every cache, beginning after this call. Whether that succeeded. Never rejects. */
  refetch(): Promise<boolean>;
  /** Calls `listener` after each fetch that succeeded, whatever caused it. Returns what ends that. */
  onFetched(listener: (set: FetchedSet) => void): () => void;
}

interface FollowerConnectionOptions {
  readonly id: TransportRole;
  readonly transport: Transport;
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

/** A transport's connection to the engine. */
interface FollowerConnection {
  /** Drops what is open and what it has delivered and is not applied yet. */
  restart(reason: string): void;
  close(): Promise<void>;
}

function openFollowerConnection(options: FollowerConnectionOptions): FollowerConnection {
  const { id, transport, standby, engine, decoder, bulk, keys, transports, closing } = options;
  let connection: TransportConnection | undefined;
  let gone = false;
  /** Grows with each restart. Between a restart and the question that follows it, nothing that comes is wanted. */
  let generation = 0;
  let requestedIn = 0;
  /** Grows with each question: what came before it and is not applied comes again. */
  let requests = 0;

  /** Whether what comes now will have been overtaken. */
  function staleness(): IsStale {
    const of = generation;
    const request = requests;
    return () => gone || closing.aborted || generation !== of || requestedIn !== generation || requests !== request;
  }

  const submit = (records: readonly DecodedRecord[], isStale: IsStale) =>
    isStale() ? undefined : engine.submit({ kind: 'records', transport: id, records }, isStale);

  const pipeline = createPipeline(BATCH_RECORDS, CONCURRENT_BATCHES, async (batch: RecordBatch) => {
    const decoded = batch.isStale() ? [] : await bulk.decodeBatch(batch.records);
    return () => submit(decoded, batch.isStale);
  });

  const sink: TransportSink = {
    start() {
      requestedIn = generation;
      requests += 1;
      return engine.requestStart(id);
    },
    opened() {
      if (!gone) transports.opened(id);
      void engine.submit({ kind: 'opened', transport: id }, () => gone);
    },
    lost(reason) {
      if (!gone) transports.lost(id, reason);
      void engine.submit({ kind: 'lost', transport: id, reason }, () => gone);
    },
    async records(batch) {
      const isStale = staleness();
      await keys.ready(closing).catch(() => undefined);
      if (isStale()) return;
      if (batch.length >= BULK_RECORDS || !pipeline.isEmpty()) {
        await pipeline.add({ records: batch, isStale });
        return;
      }
      await submit(decoder.decodeBatch(batch), isStale);
    },
    unsupported() {
      if (!gone) transports.unsupported(id);
    },
  };
  connection = transport.open(sink, { standby });

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

/** The transports of a follower, those that are open. */
export interface FollowerConnections {
  /** In place of what is open. @param standby whether as a standby stream */
  open(id: TransportRole, standby: boolean): void;
  close(id: TransportRole): void;
  restart(id: TransportRole, reason: string): void;
  /** Submits evidence of a restore to the issuer, by a transport that can. Never throws: a failure is counted and logged. */
  submitEvidence(jws: string): Promise<void>;
  /** Closes all and waits for those that were closed before, too. */
  closeAll(): Promise<void>;
}

export interface FollowerConnectionsOptions
  extends Omit<FollowerConnectionOptions, 'id' | 'transport' | 'standby' | 'transports'> {
  readonly feed: Feed;
  readonly telemetry: Telemetry;
  readonly transports: Transports;
}

export function createFollowerConnections({
  feed,
  telemetry,
  transports,
  ...parts
}: FollowerConnectionsOptions): FollowerConnections {
  const connections = new Map<TransportRole, FollowerConnection>();
  const ending = new Set<Promise<void>>();

  const close = (id: TransportRole) => {
    const connection = connections.get(id);
    if (connection === undefined) return;
    connections.delete(id);
    transports.use(id, null);
    const ended = connection
      .close()
      .catch((error: unknown) => telemetry.log('error', 'feed_close_failed', { way: id, error: String(error) }))
      .finally(() => ending.delete(ended));
    ending.add(ended);
  };

  return {
    close,
    open(id, standby) {
      const transport = id === 'primary' ? feed.primary : feed.fallback;
      if (transport === undefined || parts.closing.aborted) return;
      close(id);
      transports.use(id, standby ? 'standby' : 'reading');
      connections.set(id, openFollowerConnection({ ...parts, id, transport, standby, transports }));
    },
    restart(id, reason) {
      transports.lost(id, reason);
      connections.get(id)?.restart(reason);
    },
    async submitEvidence(jws) {
      const transport = [feed.fallback, feed.primary].find((candidate) => candidate?.submitEvidence !== undefined);
      try {
        if (transport?.submitEvidence === undefined)
          throw new RescindError('busy', { detail: 'no transport takes a proof' });
        await transport.submitEvidence(jws);
        telemetry.count('rescind_feed_proofs_total', { result: 'taken' });
      } catch (error) {
        telemetry.count('rescind_feed_proofs_total', { result: 'failed' });
        telemetry.log('warn', 'feed_proof_failed', { error: String(error) });
      }
    },
    async closeAll() {
      for (const id of [...connections.keys()]) close(id);
      await Promise.all(ending);
    },
  };
}
