import type { KeyObject } from 'node:crypto';
import { RescindError } from '@rescind/revocation';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { KeySet, VerifierOptions } from '@rescind/token';
import { createVerifier } from '@rescind/token';
import type { TransportRecord } from '../ports.ts';
import { MAX_EVENT_BYTES } from './claims.ts';
import { peekIsHeartbeat, peekIssuer, peekKid, peekPosition } from './peek.ts';
import type { RecordReader } from './read.ts';
import { createRecordReader, delivery } from './read.ts';
import type {
  BadReason,
  BadRecord,
  DecodedRecord,
  EventRecord,
  HeartbeatRecord,
  UnknownVersionRecord,
} from './record.ts';

/** The keys of the log's events, such as a key source of @rescind/token. Looked up for every record, since keys change. */
export interface EventKeys {
  /** The public key with this id and algorithm; undefined: there is none. */
  find(kid: string, alg: string): KeyObject | undefined;
  /** The ids of all keys. */
  kids(): Iterable<string>;
}

/** The options of `createEventDecoder`. */
export interface EventDecoderOptions {
  /** The required `iss` of the events. */
  readonly log: string;
  /** The token issuers this log may speak for; entries about others are skipped and counted. */
  readonly issuers: readonly string[];
  /** The keys that may sign events of this log. */
  readonly keys: EventKeys;
}

/** Decodes the signed events of one log. It has no state, and never throws because of a record. */
export interface EventDecoder {
  /**
   * Decodes and verifies a batch, in order, one result a record. Of the heartbeats of each key only the first that verifies
   * (it opens a connection), the last and the newest by its epoch and time are; the others come back as `skipped`.
   */
  decodeBatch(records: readonly TransportRecord[]): DecodedRecord[];
  /** Decodes and verifies one signed text alone: evidence, an outbox row, a quarantined event. */
  decode(jws: string): DecodedRecord;
}

/** The part that the decoders of single records and of batches share. */
export interface Reading extends RecordReader {
  readonly verifier: VerifierOptions;
  /** The options beside the keys, as text: with equal ones a text signed by one key gives one record. */
  readonly settings: string;
}

const decoderOptions = optionsOf<EventDecoderOptions>('createEventDecoder', {
  log: required(option.text('the iss of the events')),
  issuers: required(option.list(option.text())),
  keys: required(option.having<EventKeys>('a key source', 'find', 'kids')),
});

/** @throws TypeError for an option that is missing or out of its range */
export function createReading(options: EventDecoderOptions): Reading {
  const { log, issuers, keys } = decoderOptions(options);
  if (issuers.length === 0) throw new TypeError('issuers must name the token issuers this log may speak for');
  return {
    verifier: {
      keys,
      issuer: log,
      audience: null,
      typ: ['secevent+jwt'],
      expires: 'absent',
      requiredClaims: ['jti'],
      maxBytes: MAX_EVENT_BYTES,
    },
    settings: JSON.stringify([log, issuers]),
    ...createRecordReader({ log, issuers }),
  };
}

/** Disables the comparison with the time: events are valid also on a machine with a wrong clock. */
export const NO_TIME = Number.MAX_SAFE_INTEGER;

/**
 * Creates the reader's side of the event codec.
 *
 * @throws TypeError for an option that is missing or out of its range
 */
export function createEventDecoder(options: EventDecoderOptions): EventDecoder {
  const reading = createReading(options);
  const { settings } = reading;
  const { keys } = reading.verifier;
  const verifier = createVerifier(reading.verifier);

  const decodeRecord = (record: TransportRecord): DecodedRecord => {
    if (record.jws.length > MAX_EVENT_BYTES) return bad(record, 'too_large');
    try {
      const shared = findShared(record, settings, keys);
      if (shared !== undefined) return shared;
      const token = verifier.verify(record.jws, NO_TIME);
      const decoded = reading.read(record, token);
      const { kid, alg } = token.header;
      const key = keys.find(kid, alg);
      if (key !== undefined && isSigned(decoded)) share(decoded, { settings, key, alg });
      return decoded;
    } catch (error) {
      return badBecause(record, error);
    }
  };

  return {
    decodeBatch(records) {
      if (records.length === 1) return records.map(decodeRecord);
      const heartbeats = decodeHeartbeats(records, decodeRecord);
      return records.map((record, index) => heartbeats[index] ?? decodeRecord(record));
    },
    decode: (jws) => decodeRecord({ jws, hint: null, live: false }),
  };
}

/** What a record was decoded by. */
interface DecodedBy {
  readonly settings: string;
  /** The key that verified its signature, for `alg` of its header. */
  readonly key: KeyObject;
  readonly alg: string;
}

type SignedRecord = EventRecord | HeartbeatRecord | UnknownVersionRecord;

/** The last signed texts that decoders of this process have decoded, each whole. 20 MB at most. */
const sharedRecords = new Map<string, DecodedBy & { readonly record: SignedRecord }>();
const MAX_SHARED_RECORDS = 64;

/** Stores a record whose signature was verified. What its copies have in common is frozen. */
function share(record: SignedRecord, by: DecodedBy): void {
  if (record.kind === 'event') {
    for (const cutOff of record.cutOffs) Object.freeze(cutOff);
    Object.freeze(record.cutOffs);
    Object.freeze(record.kills);
  }
  if (sharedRecords.size >= MAX_SHARED_RECORDS) sharedRecords.delete(sharedRecords.keys().next().value ?? '');
  sharedRecords.set(record.jws, { ...by, record });
}

/**
 * Returns what a decoder with the same settings made of the same text, if the reader's own set has the key that verified it. Everything
 * else that is checked depends on the text alone. `jws` is the stored text: the copies of many readers become garbage at once.
 */
function findShared(
  { jws, live, hint }: TransportRecord,
  settings: string,
  keys: Pick<KeySet, 'find'>,
): DecodedRecord | undefined {
  const shared = sharedRecords.get(jws);
  if (shared?.settings !== settings) return undefined;
  const { record, key, alg } = shared;
  const own = keys.find(record.kid, alg);
  return own !== undefined && (own === key || own.equals(key)) ? { ...record, live, hint } : undefined;
}

/** The results of the records that look like heartbeats, at their indexes: see `decodeBatch`. */
export function decodeHeartbeats(
  records: readonly TransportRecord[],
  decodeRecord: (record: TransportRecord) => DecodedRecord,
): (DecodedRecord | undefined)[] {
  const decoded = records.map((record): DecodedRecord | undefined =>
    !record.isEvent && peekIsHeartbeat(record.jws) ? { kind: 'skipped', ...delivery(record) } : undefined,
  );
  /** Decodes up to the first that verifies: an invalid heartbeat must not hide a valid one. */
  const decodeFirst = (order: Iterable<number>): void => {
    for (const index of order) {
      const record = records[index];
      if (record === undefined || decoded[index] === undefined) continue;
      const result = decoded[index].kind === 'skipped' ? decodeRecord(record) : decoded[index];
      decoded[index] = result;
      if (result.kind !== 'bad') return;
    }
  };
  // Each key separately: heartbeats of a revoked key must not hide those of another.
  for (const heartbeats of heartbeatsByKey(records, decoded)) {
    decodeFirst(heartbeats);
    if (heartbeats.length === 1) continue;
    decodeFirst(heartbeats.toReversed());
    if (heartbeats.length > 2) decodeFirst(newestFirst(records, heartbeats));
  }
  return decoded;
}

function heartbeatsByKey(
  records: readonly TransportRecord[],
  decoded: readonly (DecodedRecord | undefined)[],
): number[][] {
  const byKey = new Map<string, number[]>();
  decoded.forEach((one, index) => {
    const jws = records[index]?.jws;
    if (one === undefined || jws === undefined) return;
    const header = jws.slice(0, jws.indexOf('.'));
    const heartbeats = byKey.get(header);
    if (heartbeats === undefined) byKey.set(header, [index]);
    else heartbeats.push(index);
  });
  return [...byKey.values()];
}

/** Sorts by the claimed epoch, then by the claimed time: a time of an earlier epoch may be ahead. */
function newestFirst(records: readonly TransportRecord[], heartbeats: readonly number[]): number[] {
  const claimed = heartbeats.map((index) => {
    const { epoch = null, at = 0 } = peekPosition(records[index]?.jws ?? '') ?? {};
    return { index, epoch: epoch ?? '', at };
  });
  const byTime = claimed.toSorted((a, b) => (a.epoch === b.epoch ? b.at - a.at : a.epoch < b.epoch ? 1 : -1));
  return byTime.map(({ index }) => index);
}

/** Whether a decoded record is signed by the log, so that it is evidence. */
export function isSigned(record: DecodedRecord): record is SignedRecord {
  return record.kind === 'event' || record.kind === 'heartbeat' || record.kind === 'not-understood';
}

export function bad(record: TransportRecord, reason: BadReason): BadRecord {
  return { kind: 'bad', ...delivery(record), reason };
}

/** A record of an unknown key has the claimed key, which the follower may fetch; one of another log has the name of that. */
export function badBecause(record: TransportRecord, error: unknown): BadRecord {
  const reason = badReason(error);
  if (error instanceof RescindError && error.code === 'token_issuer_unknown') {
    const foreignLog = peekIssuer(record.jws);
    return { ...bad(record, reason), ...(foreignLog === undefined ? {} : { foreignLog }) };
  }
  const kid = reason === 'key_unknown' ? peekKid(record.jws) : undefined;
  if (kid === undefined) return bad(record, reason);
  return { ...bad(record, reason), claimed: { kid, epoch: peekPosition(record.jws)?.epoch ?? null } };
}

function badReason(error: unknown): BadReason {
  if (!(error instanceof RescindError)) return 'malformed';
  switch (error.code) {
    case 'token_key_unknown':
      return 'key_unknown';
    case 'token_signature_wrong':
      return 'signature';
    case 'token_malformed':
      return 'malformed';
    default:
      return 'claims';
  }
}
