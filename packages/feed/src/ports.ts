import type { DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import type { LogChange, LogState, Quarantined } from '@rescind/revocation/log-state';
import type { InstanceReport, ReportAnswer } from './reports/report.ts';

/** A record that a transport delivers. It is not verified yet. */
export interface TransportRecord {
  /** Compact serialization of a signed event or heartbeat, or the text of an invalid record. */
  readonly jws: string;
  /** Where this transport could start again after this record (for Kafka an offset). Only a hint. */
  readonly hint: string | null;
  /**
   * Whether it was read at or beyond the end of the log as of the opening of the connection. A live heartbeat states the present, not
   * what a topic has stored.
   */
  readonly live: boolean;
  /** Whether the transport calls it an event, not a heartbeat. This proves nothing. Absent: the transport does not know. */
  readonly isEvent?: boolean;
  /** The signed page that has `jws` among its events. Absent: it was delivered alone. */
  readonly page?: SignedPage | undefined;
}

/** Consecutive events of the log with one signature for all of them. It is not verified yet. */
export interface SignedPage {
  /** Compact serialization of the JWS that has a digest of the events: see `createPageVerifier`. */
  readonly signature: string;
  /** The compact serializations of the events, in order. */
  readonly events: readonly string[];
}

/** The position after which a transport starts to read. A transport that cannot find it starts earlier, never later. */
export interface StartPosition {
  /** The epoch read; empty before the first. */
  readonly epoch: string;
  /** The greatest seq of that epoch up to which every event has been applied. */
  readonly seq: number;
  /** Where the transport itself was (for Kafka an offset); null: unknown. */
  readonly hint: string | null;
}

/** Receives what a transport delivers. Calls are in order. A transport waits for the promise of `records` before it delivers more. */
export interface TransportSink {
  /** A connection is open, again after each loss. */
  opened(): void;
  /** Delivers a batch. Resolves when the next may be delivered. */
  records(batch: readonly TransportRecord[]): Promise<void>;
  /** A connection was lost or could not be made. The transport tries again automatically, with back-off. */
  lost(reason: string): void;
  /** Returns the position to start from. A transport calls it at each connection. */
  start(): StartPosition;
  /** The server does not support standby streams. The transport tries again periodically. */
  unsupported?(): void;
}

/** An open connection of a transport, which reads until it is closed. */
export interface TransportConnection {
  /** Drops what is open and starts again from `sink.start()`: a stalled connection, or a replay. */
  restart(reason: string): void;
  /** Ends the connection. Resolves when it is closed. */
  close(): Promise<void>;
}

/** The abilities of a transport, and how long it may be silent. The follower decides by these, never by the name. */
export interface TransportAbilities {
  /**
   * Its records come from the issuer's own server, which it authenticates, so no other party can add one. An unknown key in such a record
   * is fetched at once; elsewhere these fetches are limited. Default false: whoever can write there may have written it.
   */
  readonly fromIssuer?: boolean | undefined;
  /**
   * The first heartbeat of each connection is made after `sink.start()` was called. One that knows less than the reader did then shows
   * that the issuer was restored. Default false: the first heartbeat may be an old one.
   */
  readonly opensWithHeartbeat?: boolean | undefined;
  /** `open` takes `standby: true`. Default false: a fallback transport is opened only when it is read. */
  readonly standby?: boolean | undefined;
  /** How long an open connection may bring no signed record until it is restarted, in ms. Default 30 000. */
  readonly stallMs?: DurationMs | undefined;
  /** The same for a standby stream, which has a heartbeat each 10 s. Default 25 000. */
  readonly standbyStallMs?: DurationMs | undefined;
}

/** A transport of the log to a reader. It holds nothing until it is opened. */
export interface Transport {
  /**
   * `kafka`, `http`, …: a lower-case letter, then up to 31 lower-case letters, digits and `_`. Unique in a feed. It is a label of metrics,
   * stands in logs and in `View.transport`, and its health check is `transport_<name>`.
   */
  readonly name: string;
  /** Default: none of them. */
  readonly abilities?: TransportAbilities | undefined;
  /** Where it reads, for health and logs: addresses and names, nothing secret. */
  readonly endpoint?: Readonly<Record<string, string>> | undefined;
  /**
   * Opens a connection. The transport reconnects automatically, with back-off, until the connection is closed.
   * @param options `standby`: as a standby stream, which carries heartbeats, and events only when another transport is late;
   *   `telemetry`: that of the reader, for a transport without one of its own
   */
  open(
    sink: TransportSink,
    options?: { readonly standby?: boolean; readonly telemetry?: Telemetry },
  ): TransportConnection;
  /** Submits to the issuer a signed event or heartbeat beyond its outbox. Absent: the transport has no connection to the issuer. */
  submitEvidence?(jws: string): Promise<void>;
  /**
   * Reports to the issuer how far this instance has applied the log. Absent: the transport has no connection to the issuer.
   * @throws RescindError `not_found`: the issuer takes no reports; `client_invalid`, `report_invalid`, `rate_limited`, `busy`
   */
  submitReport?(report: InstanceReport, options?: { readonly timeoutMs?: DurationMs }): Promise<ReportAnswer>;
}

/** The transports of one log. A primary transport without a fallback repairs itself. */
export interface Feed {
  /** The transport that is read first. */
  readonly primary: Transport;
  /** The follower reads it while the primary transport is silent, late or has a gap; otherwise it stands by. */
  readonly fallback?: Transport;
}

/**
 * Stores what a reader has applied; the denylist is one. A change is enforced at once and durable later, in one transaction with all
 * other pending changes. All calls are synchronous.
 */
export interface FeedStore {
  /** The state of a log that is durable. */
  load(log: string): LogState | undefined;
  /** The quarantined events of a log that are durable. */
  quarantined(log: string): readonly Quarantined[];
  /** Enforces a change from memory, whatever the disk does. */
  enforce(change: LogChange): void;
  /** Makes all pending changes durable. @throws the error of the disk: all of them stay pending and enforced */
  flush(): void;
  /** How many rows are enforced and not yet durable. */
  pendingRows(): number;
}

/** A signed heartbeat with the epoch and head that it states. */
export interface SignedHeartbeat {
  /** Its compact serialization. */
  readonly jws: string;
  /** The epoch that it states. */
  readonly epoch: string;
  /** The greatest seq of that epoch. */
  readonly head: number;
}

/** The log of record, as the relay and the HTTP transport read it. */
export interface LogSource {
  /** The `iss` of its events. */
  readonly log: string;
  /** The identity of the outbox now, in one snapshot. */
  snapshot(): {
    readonly epoch: string;
    readonly head: number;
    readonly headId: string | null;
    readonly lowWatermark: number;
  };
  /** Events with a seq above `after`, in order. */
  read(after: number, limit: number): readonly { readonly seq: number; readonly jws: string }[];
  /**
   * Signs events of this log as a page. Undefined: another key than the present one has signed some of them. Absent: pages are not
   * signed, and readers verify each event.
   */
  signPage?(events: readonly string[]): string | undefined;
  /**
   * Signs a heartbeat: reads the time first, then head and low watermark in one snapshot. A promise if that time must be durable before
   * it is published: the snapshot is then of the moment at which it is durable.
   */
  heartbeat(): SignedHeartbeat | Promise<SignedHeartbeat>;
  /** Called in the tick after a commit that appended, and when the epoch changes. */
  onAppend(listener: () => void): () => void;
  /**
   * The last event of an epoch that ended because its key was revoked: signed by that key, it denies it. Undefined: the epoch
   * did not end so. Absent: no epoch does.
   */
  closingEvent?(epoch: string): string | undefined;
  /** Receives a signed record that shows that this database was restored. @throws RescindError `event_invalid` */
  receiveEvidence(jws: string): void | Promise<void>;
  /**
   * Receives the report of an instance. Absent: reports are not taken (404).
   * @param clientId the client that the request authenticated
   * @throws RescindError `rate_limited` for one that comes too early, or from too many instances of one client
   */
  receiveReport?(clientId: string, report: InstanceReport): ReportAnswer;
  /** What the publisher has acknowledged. Absent: there is none. */
  readonly acknowledgements?: Acknowledgements | undefined;
}

/** What the publisher of a log has acknowledged. */
export interface Acknowledgements {
  /** The seq of the present epoch that connected readers have read: it was acknowledged a second ago. */
  readUpTo(): number;
  /** While an acknowledgement is overdue, the standby streams deliver the events after `after`, or heartbeats only. */
  overdue(): { readonly after: number; readonly withEvents: boolean } | null;
  /** Calls `listener` when `overdue` becomes null or stops being null. Returns a function that unsubscribes. */
  onChange(listener: () => void): () => void;
}

/** Publishes signed events for the relay. One call at a time, in order. Resolves when all replicas have acknowledged. */
export interface Publisher {
  /** Publishes these records in this order. When it rejects, the relay sends them again. */
  publish(batch: readonly string[]): Promise<void>;
  /**
   * When the last acknowledged record was appended, by the broker's clock (Kafka's `LogAppendTime`), in ms since 1970; undefined:
   * unknown. Absent: there is no such clock.
   */
  appendedAt?(): EpochMillis | undefined;
  /** The last records of the topic, newest last, unverified. */
  tail(limit: number): Promise<readonly string[]>;
  /** All records that the topic retains, oldest first, in batches. */
  replay(): AsyncIterable<readonly string[]>;
  /** Closes the connection to the brokers. */
  close(): Promise<void>;
}
