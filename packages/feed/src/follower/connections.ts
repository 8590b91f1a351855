import { setImmediate as turn } from 'node:timers/promises';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { BulkDecoder } from '../bulk-decoder.ts';
import type { EventDecoder, EventKeys } from '../event/decode.ts';
import type { DecodedRecord } from '../event/record.ts';
import type { Feed, Transport, TransportConnection, TransportRecord, TransportSink } from '../ports.ts';
import type { FetchedSet, TransportRole } from './core.ts';
import type { Engine } from './engine.ts';
import type { Transports } from './health.ts';

/** Records of one commit: enough for a fast catch-up, few enough (some 5 ms) that requests are answered between two commits. */
const BATCH_RECORDS = 256;
/** So many at once are part of a catch-up: for fewer, a thread costs more than it saves. */
const BULK_RECORDS = 16;
/**
 * Concurrent batches: others are verified in another thread while this one commits. Enough (30 ms of signatures, 2 MB) that the other
 * thread has work while this one moves rows; with more, objects live so long that each collection of garbage is a pause of 10 ms.
 */
const CONCURRENT_BATCHES = 6;

/** The keys of the log's events, as the follower needs them. */
export interface FollowerKeys extends EventKeys {
  /** Resolves when there are keys. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Fetches the set once, past every cache, beginning after this call. Resolves to whether that succeeded; never rejects. */
  refetch(): Promise<boolean>;
  /** Calls `listener` after each successful fetch, whatever caused it. Returns a function that unsubscribes. */
  onFetched(listener: (set: FetchedSet) => void): () => void;
}

interface FollowerConnectionOptions {
  readonly id: TransportRole;
  readonly transport: Transport;
  /** Whether to open it as a standby stream. */
  readonly standby: boolean;
  readonly engine: Engine;
  readonly decoder: EventDecoder;
  readonly bulk: BulkDecoder;
  readonly keys: FollowerKeys;
  readonly transports: Pick<Transports, 'opened' | 'lost' | 'received' | 'unsupported'>;
  /** The telemetry of a transport that has none of its own. */
  readonly telemetry: Telemetry;
  /** Aborts when the follower closes. */
  readonly closing: AbortSignal;
}

/** A transport's connection to the engine. */
interface FollowerConnection {
  /** Drops the open connection, and what it has delivered that is not applied yet. */
  restart(reason: string): void;
  close(): Promise<void>;
}

function openFollowerConnection(options: FollowerConnectionOptions): FollowerConnection {
  const { id, transport, standby, engine, decoder, bulk, keys, transports, closing, telemetry } = options;
  let connection: TransportConnection | undefined;
  let gone = false;
  /** Grows with each restart. Records between a restart and the request that follows it are dropped. */
  let generation = 0;
  let requestedIn = 0;
  /** Grows with each request: what arrived before it and is not applied is delivered again. */
  let requests = 0;

  /** Returns the test whether records that arrive now have become obsolete. */
  function staleness(): IsStale {
    const of = generation;
    const request = requests;
    return () => gone || closing.aborted || generation !== of || requestedIn !== generation || requests !== request;
  }

  const submit = (records: readonly DecodedRecord[], isStale: IsStale) => {
    if (isStale()) return undefined;
    transports.received(id, records);
    return engine.submit({ kind: 'records', transport: id, records }, isStale);
  };

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
  connection = transport.open(sink, { standby, telemetry });

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

/** The open transports of a follower. */
export interface FollowerConnections {
  /** Opens a connection in place of the open one. @param standby whether as a standby stream */
  open(id: TransportRole, standby: boolean): void;
  close(id: TransportRole): void;
  restart(id: TransportRole, reason: string): void;
  /** Submits evidence of a restore to the issuer, by a transport that can. Never throws: a failure is counted and logged. */
  submitEvidence(jws: string): Promise<void>;
  /** Closes all, and waits for those that were closed before, too. */
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
      .catch((error: unknown) => telemetry.log('error', 'feed_close_failed', { transport: id, error: String(error) }))
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
      connections.set(id, openFollowerConnection({ ...parts, telemetry, id, transport, standby, transports }));
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
        telemetry.count('rescind_feed_evidence_total', { result: 'accepted' });
      } catch (error) {
        telemetry.count('rescind_feed_evidence_total', { result: 'failed' });
        telemetry.log('warn', 'feed_evidence_failed', { error: String(error) });
      }
    },
    async closeAll() {
      for (const id of [...connections.keys()]) close(id);
      await Promise.all(ending);
    },
  };
}

/** Whether a later restart or request has made the records obsolete. */
type IsStale = () => boolean;

/** The records of one delivery, or of several consecutive ones. */
interface RecordBatch {
  readonly records: readonly TransportRecord[];
  readonly isStale: IsStale;
}

/** Prepares one batch, concurrently with others; returns the work that then runs in order. */
type Prepare = (batch: RecordBatch) => Promise<() => Promise<void> | undefined>;

/** Applies batches in order while later ones are being prepared, and joins the records that arrive meanwhile. */
interface Pipeline {
  /** Resolves when there is room for more. */
  add(batch: RecordBatch): Promise<void>;
  /** Whether nothing is under way. */
  isEmpty(): boolean;
}

function createPipeline(most: number, ahead: number, prepare: Prepare): Pipeline {
  let last: Promise<void> = Promise.resolve();
  let underWay = 0;
  /** Arrived meanwhile. All of it is equally stale, since a request for the start position empties the transports. */
  let pending: RecordBatch[] = [];
  let freed: (() => void)[] = [];

  const countPending = () => pending.reduce((sum, { records }) => sum + records.length, 0);

  function begin(batch: RecordBatch): void {
    underWay += 1;
    const prepared = prepare(batch);
    last = last.then(async () => {
      await (await prepared)();
      // The other thread returns several results at a time: other work of this thread runs between two batches, and between a batch
      // and what its store does in a turn of its own.
      await turn();
      await turn();
      underWay -= 1;
      beginPending();
    });
  }

  /** Begins full batches as long as there is room, and a smaller one only when nothing else is under way. */
  function beginPending(): void {
    while (pending.length > 0 && underWay < ahead && (underWay === 0 || countPending() >= most)) begin(takeBatch());
    if (countPending() >= most) return;
    for (const resolve of freed) resolve();
    freed = [];
  }

  /** Takes at most `most` pending records, all of one connection. */
  function takeBatch(): RecordBatch {
    const [first, ...others] = pending as [RecordBatch, ...RecordBatch[]];
    let { records } = first;
    const { isStale } = first;
    let taken = 0;
    for (const other of others) {
      if (records.length + other.records.length > most || other.isStale() !== isStale()) break;
      records = [...records, ...other.records];
      taken += 1;
    }
    const rest = records.slice(most);
    pending = [...(rest.length > 0 ? [{ records: rest, isStale }] : []), ...others.slice(taken)];
    return { records: records.slice(0, most), isStale };
  }

  return {
    isEmpty: () => underWay === 0,
    add(batch) {
      pending.push(batch);
      beginPending();
      return countPending() < most ? Promise.resolve() : new Promise((resolve) => freed.push(resolve));
    },
  };
}
