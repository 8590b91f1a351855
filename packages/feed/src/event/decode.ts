import type { WayRecord } from '../ports.ts';
import type { DecodedRecord, EventRecord, HeartbeatRecord, NotUnderstoodRecord } from './record.ts';

/** The keys of the log's events, as @rescind/token has them. Asked at every record: keys may come and go. */
export interface EventKeys {
  find(kid: string, alg: string): import('node:crypto').KeyObject | undefined;
}

export interface EventDecoderOptions {
  /** The `iss` the events must have. */
  readonly log: string;
  /** The token issuers this log may speak for; entries about others are skipped and counted. */
  readonly issuers: readonly string[];
  readonly keys: EventKeys;
}

/** Reads the signed events of one log. Holds nothing; never throws because of a record. */
export interface EventDecoder {
  /**
   * Decodes and verifies a batch, in order, one result a record. Of its heartbeats only the first and the last that
   * verify are (a connection is opened by one, and the newest says it all); the others come back as `skipped`.
   */
  decodeBatch(records: readonly WayRecord[]): DecodedRecord[];
  /** Decodes and verifies one signed text alone: a proof, an outbox row, a quarantined event. */
  decode(jws: string): DecodedRecord;
  /** The distinct key ids of a batch that `keys` does not know: unverified, for asking for them. At most 8. */
  unknownKids(records: readonly WayRecord[]): string[];
}

export function createEventDecoder(_options: EventDecoderOptions): EventDecoder {
  throw new Error('being written');
}

/** Whether a decoded record is signed by the log, so that it proves something. */
export function isSigned(record: DecodedRecord): record is EventRecord | HeartbeatRecord | NotUnderstoodRecord {
  return record.kind === 'event' || record.kind === 'heartbeat' || record.kind === 'not-understood';
}
